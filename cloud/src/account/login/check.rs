//! A password against what is kept of it, slowly where many were wrong.

use super::Attempt;
use super::browser::KnownBrowser;
use super::record::{How, Noted};
use super::throttle::{Throttle, Tried};
use crate::account::document::{BY_EMAIL, email_key};
use crate::account::{Accounts, User};
use crate::http::ApiError;
use crate::http::source;
use crate::id::UserId;
use crate::store::{IndexKey, Versioned};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was wrong not long ago; each process counts for itself.
#[derive(Debug)]
pub(in crate::account) struct Throttles {
    passwords: Mutex<Throttle>,
    codes: Mutex<Throttle>,
}

impl Default for Throttles {
    fn default() -> Self {
        Self { passwords: Mutex::new(Throttle::of_passwords()), codes: Mutex::new(Throttle::of_codes()) }
    }
}

impl Throttles {
    fn passwords(&self) -> MutexGuard<'_, Throttle> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::account) fn codes(&self) -> MutexGuard<'_, Throttle> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(in crate::account) fn too_many(what: &str, wait: std::time::Duration) -> ApiError {
    ApiError::too_many(format!("too many wrong {what}: wait"), wait.as_secs() + 1)
}

impl Accounts {
    /// Checks an address and a password.
    pub(in crate::account) async fn check(
        &self,
        email: &str,
        password: &str,
        attempt: &Attempt<'_>,
        how: How,
    ) -> Result<Versioned<User>, ApiError> {
        let user = self.find(email).await?;
        let tried = self.tried(user.as_ref().map(|user| user.document.id), email, attempt);
        let permitted = self.0.throttles.passwords().permit(self.0.clock.instant(), tried);
        let permit = permitted.map_err(|wait| too_many("passwords", wait))?;
        let hash = user.as_ref().map(|user| user.document.password_hash.clone());
        let good = self.0.passwords.verify(hash, password).await;
        let good = good.inspect_err(|_| self.0.throttles.passwords().take_back(permit))?;
        if let Some(user) = user.as_ref().filter(|_| good) {
            self.0.throttles.passwords().succeeded(permit);
            return Ok(user.clone());
        }
        tracing::warn!(peer = ?attempt.address(), "a login failed");
        if let Some(user) = user {
            self.note(Noted::new(&user.document, how, false, attempt));
        }
        Err(ApiError::unauthorized("the e-mail address or the password is wrong"))
    }

    /// Whom a try is counted against.
    pub(in crate::account) fn tried(
        &self,
        user: Option<UserId>,
        email: &str,
        attempt: &Attempt<'_>,
    ) -> Tried {
        let now = self.0.clock.now();
        let known = user.and_then(|user| {
            KnownBrowser::of(&self.0.vault, user, attempt.headers, now).map(|browser| browser.counted(user))
        });
        Tried { source: source(attempt.peer), whose: known.unwrap_or_else(|| email_key(email)) }
    }

    pub(in crate::account) async fn find(&self, email: &str) -> Result<Option<Versioned<User>>, ApiError> {
        let key = IndexKey::new().bytes(email_key(email));
        Ok(self.0.store.find::<User>(BY_EMAIL, key).await?)
    }
}
