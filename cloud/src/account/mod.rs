//! Who may administer: one administrator, sessions, and HTTP Basic for API clients.

mod basic;
mod document;
mod error;
mod http;
mod password;
mod session;
mod throttle;

pub use document::{Session, User};
pub use error::AccountError;
pub use http::routes;
pub use session::SESSION_COOKIE;

use crate::clock::Clock;
use crate::http::{ApiError, Call};
use crate::id::{UserId, random_bytes};
use crate::secret::Vault;
use crate::store::{IndexKey, Store, Versioned};
use ::http::{HeaderMap, Method, header};
use basic::GoodHeaders;
use document::BY_EMAIL;
use password::Passwords;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use throttle::Throttle;

/// An administrator who has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin {
    /// The user.
    pub user: UserId,
}

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
        if !self.0.store.scan::<User>(crate::store::Scan::of(BY_EMAIL).limit(1)).await?.items.is_empty() {
            return Ok(());
        }
        let first = FirstPassword { email: email.to_owned(), password: password::random() };
        let hash = self.0.passwords.hash(&first.password).await?;
        tell(&first).map_err(AccountError::Tell)?;
        let batch = self.0.store.batch();
        let user = User::new(UserId::random(), email, hash, batch.at());
        self.0.store.commit(batch.create(&user)).await?;
        Ok(())
    }

    /// Demands that the administrator asks: by session (with the CSRF token where something changes) or HTTP Basic.
    pub async fn admin(&self, call: &Call) -> Result<Admin, ApiError> {
        self.admin_of(&call.method, &call.headers, call.peer).await
    }

    /// The same for a request that is no [`Call`], such as one for media.
    pub async fn admin_of(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Admin, ApiError> {
        let user = match headers.get(header::AUTHORIZATION) {
            Some(value) => self.by_basic(method, headers, value.as_bytes(), peer).await?,
            None => self.by_session(method, headers).await?,
        };
        Ok(Admin { user: user.document.id })
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

    /// Gives the administrator a new password and ends all sessions.
    ///
    /// `tell` passes the password on before it counts, as in [`Accounts::start`].
    pub async fn reset_password(
        &self,
        tell: impl FnOnce(&FirstPassword) -> std::io::Result<()>,
    ) -> Result<(), AccountError> {
        let scan = crate::store::Scan::of(BY_EMAIL).limit(1);
        let Some(user) = self.0.store.scan::<User>(scan).await?.items.into_iter().next() else {
            return Err(AccountError::Nobody);
        };
        let first = FirstPassword { email: user.document.email.clone(), password: password::random() };
        let mut new = user.document.clone();
        new.password_hash = self.0.passwords.hash(&first.password).await?;
        tell(&first).map_err(AccountError::Tell)?;
        self.0.store.commit(self.0.store.batch().update(&user, &new)).await?;
        self.end_all_sessions(user.document.id).await?;
        Ok(())
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
