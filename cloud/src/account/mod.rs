//! Accounts, their users and roles; logins by session, HTTP Basic and token.
//!
//! What a request needs is in `access/table.txt`; [`Accounts::admit`] finds out who asks and looks whether they may.

mod actions;
mod document;
mod email;
mod error;
pub(crate) mod everyone;
mod kept;
mod letters;
mod listing;
pub(crate) mod login;
mod manage;
mod reset;
mod role;
mod roles;
mod roles_http;
mod second;
mod tenant;
mod tenant_http;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod tokens_http;
mod users;
mod users_http;

pub(crate) use actions::ACTIONS;
pub use document::{Session, User};
pub use error::AccountError;
pub use letters::Letter;
pub(crate) use listing::{PERMISSIONS, ROLES, TOKENS, USERS};
pub use login::{How, Login, SESSION_COOKIE, SessionOperations, routes};
pub(crate) use login::{SESSIONS, SessionListOperations, session_list_routes, start_upkeep};
pub use manage::{AccountCommand, Managed, WantedLimits};
pub use reset::Reset;
pub(crate) use reset::{ResetOperations, routes as reset_routes};
pub use role::Role;
pub(crate) use roles_http::{RoleOperations, permission_routes, routes as role_routes};
pub use second::SecondFactor;
pub(crate) use second::{
    SecondFactorOperations, of_user_routes as second_of_user_routes, routes as second_routes,
};
pub use tenant::{AccountRecord, Limits};
pub(crate) use tenant_http::{TenantOperations, routes as tenant_routes};
pub use token::Token;
pub(crate) use tokens_http::{TokenOperations, routes as token_routes};
pub use users::{NewUser, PatchUser};
pub(crate) use users_http::{UserOperations, routes as user_routes};

use crate::clock::Clock;
use crate::http::ApiError;
use crate::id::{UserId, random_bytes};
use crate::mail::Outbox;
use crate::secret::Vault;
use crate::store::{Account, Batch, IndexKey, Store, StoreError, Versioned};
use document::BY_EMAIL;
use login::basic::{GoodHeaders, Turns};
use login::check::Throttles;
use login::known::Callers;
use login::password::{self, Passwords};
use login::record::Records;
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
    throttles: Throttles,
    records: Records,
    asked: reset::Asked,
    outbox: Outbox,
    good: Mutex<GoodHeaders>,
    turns: Turns,
    callers: Mutex<Callers>,
}

impl Accounts {
    /// Makes the handle, of one that sends no mail.
    pub fn new(store: Store, vault: Vault, clock: Clock) -> Self {
        Self::with_mail(store, vault, clock, Outbox::none())
    }

    /// Makes the handle.
    pub fn with_mail(store: Store, vault: Vault, clock: Clock, outbox: Outbox) -> Self {
        Self(Arc::new(Inner {
            store,
            vault,
            clock,
            passwords: Passwords::new(),
            throttles: Throttles::default(),
            records: Records::default(),
            asked: reset::Asked::default(),
            outbox,
            good: Mutex::default(),
            turns: Turns::default(),
            callers: Mutex::default(),
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

    async fn user(&self, id: UserId) -> Result<Option<Versioned<User>>, ApiError> {
        Ok(self.0.store.get::<User>(id).await?)
    }

    /// Gives a user, or the first account's oldest administrator, a new password and ends their sessions; takes their
    /// second factor off too where that is wanted.
    ///
    /// `tell` passes the password on before it counts, as in [`Accounts::start`].
    pub async fn reset_password(
        &self,
        email: Option<&str>,
        second_factor_off: bool,
        tell: impl FnOnce(&FirstPassword) -> std::io::Result<()>,
    ) -> Result<(), AccountError> {
        let Some(user) = self.somebody(email).await? else {
            return Err(email.map_or(AccountError::Nobody, |email| {
                AccountError::NotFound(format!("user with the e-mail address {email}"))
            }));
        };
        let first = FirstPassword { email: user.document.email.clone(), password: password::random() };
        let hash = self.0.passwords.hash(&first.password).await?;
        tell(&first).map_err(AccountError::Tell)?;
        let batch = self.0.store.batch();
        let mut new = user.document.clone();
        new.set_password_hash(&hash, batch.at());
        self.0.store.commit(batch.update(&user, &new)).await?;
        self.end_all_sessions(user.document.id).await?;
        if second_factor_off {
            self.take_off_second(None, user.document.id).await?;
        }
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

    fn good(&self) -> MutexGuard<'_, GoodHeaders> {
        self.0.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secret of `N` random bytes that fits into cookies and headers.
fn token<const N: usize>() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random_bytes::<N>())
}
