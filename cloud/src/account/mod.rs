//! Accounts, their users and roles; logins by session, HTTP Basic and token.
//!
//! What a request needs is in `access/table.txt`; [`Accounts::admit`] finds out who asks and looks whether they may.

mod document;
mod email;
mod error;
pub(crate) mod everyone;
mod login;
mod manage;
mod role;
mod roles;
mod roles_http;
mod tenant;
mod tenant_http;
mod token;
mod tokens_http;
mod users;
mod users_http;

pub use document::{Session, User};
pub use error::AccountError;
pub use login::{SESSION_COOKIE, SessionOperations, routes};
pub use manage::{AccountCommand, Managed};
pub use role::Role;
pub(crate) use roles_http::{RoleOperations, permission_routes, routes as role_routes};
pub use tenant::{AccountRecord, Limits};
pub(crate) use tenant_http::{TenantOperations, routes as tenant_routes};
pub use token::Token;
pub(crate) use tokens_http::{TokenOperations, routes as token_routes};
pub use users::{NewUser, PatchUser};
pub(crate) use users_http::{UserOperations, routes as user_routes};

use crate::clock::Clock;
use crate::http::ApiError;
use crate::id::{UserId, random_bytes};
use crate::secret::Vault;
use crate::store::{Account, Batch, IndexKey, Store, StoreError, Versioned};
use document::BY_EMAIL;
use login::basic::GoodHeaders;
use login::password::{self, Passwords};
use login::throttle::{self, Throttle};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The password that the first start makes; it is shown once.
pub struct FirstPassword {
    /// Whose.
    pub email: String,
    /// The password.
    pub password: String,
}

/// The accounts' handle; cloned freely.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    clock: Clock,
    passwords: Passwords,
    throttle: Mutex<Throttle>,
    good: Mutex<GoodHeaders>,
}

impl Accounts {
    /// Makes the handle.
    pub fn new(store: Store, vault: Vault, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            store,
            vault,
            clock,
            passwords: Passwords::new(),
            throttle: Mutex::default(),
            good: Mutex::default(),
        }))
    }

    /// Makes the administrator if there is none.
    ///
    /// `tell` passes the password on *before* it counts: a start that breaks off in between makes a new one next
    /// time, and nobody is ever locked out.
    pub async fn start(
        &self,
        email: &str,
        tell: impl FnOnce(&FirstPassword) -> std::io::Result<()>,
    ) -> Result<(), AccountError> {
        if self.0.store.get::<AccountRecord>(Account::FIRST).await?.is_some() {
            return Ok(());
        }
        self.begin(Account::FIRST, "Main", email, tell).await.map(|_| ())
    }

    /// Makes an account with its roles and its first administrator.
    ///
    /// `tell` passes the password on before it counts, as in [`Accounts::start`].
    pub(crate) async fn begin(
        &self,
        number: Account,
        name: &str,
        email: &str,
        tell: impl FnOnce(&FirstPassword) -> std::io::Result<()>,
    ) -> Result<AccountRecord, AccountError> {
        let first = FirstPassword { email: email.trim().to_owned(), password: password::random() };
        let hash = self.0.passwords.hash(&first.password).await?;
        tell(&first).map_err(AccountError::Tell)?;
        let batch = self.0.store.batch();
        let now = batch.at();
        let account = AccountRecord::new(number, name, now);
        let roles = Role::first(number, now);
        let batch = roles.iter().fold(batch.create(&account), Batch::create);
        let batch = match roles.first() {
            Some(administrator) => {
                batch.create(&User::new(number, &first.email, administrator.id, hash, now))
            }
            None => batch,
        };
        match self.0.store.commit(batch).await {
            Ok(_) => Ok(account),
            Err(StoreError::Taken { .. }) => Err(AccountError::EmailTaken(first.email)),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks an address and a password, slowly where many were wrong.
    async fn check(
        &self,
        email: &str,
        password: &str,
        peer: Option<SocketAddr>,
    ) -> Result<Versioned<User>, ApiError> {
        let source = throttle::source(peer);
        if let Err(wait) = self.throttle().permit(self.0.clock.instant(), source) {
            return Err(ApiError::too_many("too many wrong passwords: wait", wait.as_secs() + 1));
        }
        let user = self.find(email).await?;
        let hash = user.as_ref().map(|user| user.document.password_hash.clone());
        let good = self.0.passwords.verify(hash, password).await?;
        let now = self.0.clock.instant();
        match user.filter(|_| good) {
            Some(user) => {
                self.throttle().succeeded(source);
                Ok(user)
            }
            None => {
                self.throttle().failed(now, source);
                tracing::warn!(peer = ?peer.map(|peer| peer.ip()), "a login failed");
                Err(ApiError::unauthorized("the e-mail address or the password is wrong"))
            }
        }
    }

    async fn find(&self, email: &str) -> Result<Option<Versioned<User>>, ApiError> {
        let key = IndexKey::new().bytes(document::email_key(email));
        Ok(self.0.store.find::<User>(BY_EMAIL, key).await?)
    }

    async fn user(&self, id: UserId) -> Result<Option<Versioned<User>>, ApiError> {
        Ok(self.0.store.get::<User>(id).await?)
    }

    /// Gives a user, or the first account's oldest administrator, a new password and ends their sessions.
    ///
    /// `tell` passes the password on before it counts, as in [`Accounts::start`].
    pub async fn reset_password(
        &self,
        email: Option<&str>,
        tell: impl FnOnce(&FirstPassword) -> std::io::Result<()>,
    ) -> Result<(), AccountError> {
        let Some(user) = self.somebody(email).await? else {
            return Err(email.map_or(AccountError::Nobody, |email| {
                AccountError::NotFound(format!("user with the e-mail address {email}"))
            }));
        };
        let first = FirstPassword { email: user.document.email.clone(), password: password::random() };
        let mut new = user.document.clone();
        new.password_hash = self.0.passwords.hash(&first.password).await?;
        tell(&first).map_err(AccountError::Tell)?;
        self.0.store.commit(self.0.store.batch().update(&user, &new)).await?;
        self.end_all_sessions(user.document.id).await?;
        Ok(())
    }

    /// Whoever has the address; without one, an administrator of the first account.
    async fn somebody(&self, email: Option<&str>) -> Result<Option<Versioned<User>>, AccountError> {
        if let Some(email) = email {
            let key = IndexKey::new().bytes(document::email_key(email));
            return Ok(self.0.store.find::<User>(BY_EMAIL, key).await?);
        }
        let Some(role) = self.administrators_of(Account::FIRST).await? else { return Ok(None) };
        let within = IndexKey::of(Account::FIRST).text(role);
        let scan = crate::store::Scan::of(document::BY_ROLE).within(within).limit(200);
        let found = self.0.store.scan::<User>(scan).await?.items.into_iter();
        Ok(found.filter(|user| user.document.can_enter()).min_by_key(|user| user.document.created_at))
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn good(&self) -> MutexGuard<'_, GoodHeaders> {
        self.0.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secret of `N` random bytes that fits into cookies and headers.
fn token<const N: usize>() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random_bytes::<N>())
}
