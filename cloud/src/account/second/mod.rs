//! A second factor for the pages: a code of an app (TOTP, RFC 6238) after the password, and recovery codes.
//!
//! It is begun with the password, which shows the secret once, and holds from the first right code on. HTTP Basic, which
//! cannot carry a code, is closed to its user then; tokens are not.

mod document;
mod http;
mod totp;

pub use document::SecondFactor;
pub(super) use http::{Code, code};
pub(crate) use http::{SecondFactorOperations, one_routes as of_user_routes, routes};

use super::letters::Letter;
use super::login::Attempt;
use super::login::check::too_many;
use super::login::record::{How, Noted};
use super::{AccountError, Accounts, User};
use crate::access::Caller;
use crate::http::ApiError;
use crate::id::{UserId, random_bytes};
use crate::secret::SecretError;
use crate::store::{StoreError, Versioned, rider};
use document::{context, draw_recovery};

/// Who is named in the app.
const ISSUER: &str = "Stagebox";
/// How often a change is tried when others are quicker.
const TRIES: usize = 16;

/// What begins a second factor; shown once.
pub(super) struct Begun {
    /// As it is typed.
    pub(super) secret: String,
    /// As the picture has it.
    pub(super) uri: String,
}

impl Accounts {
    /// What a user's second factor is, confirmed or not.
    pub(super) async fn second_factor(
        &self,
        user: UserId,
    ) -> Result<Option<Versioned<SecondFactor>>, StoreError> {
        self.0.store.get::<SecondFactor>(user).await
    }

    /// Draws a secret for the caller, who shows the password once more.
    pub(super) async fn begin_second(
        &self,
        caller: &Caller,
        password: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Begun, ApiError> {
        let user = self.guarded(caller, password, attempt).await?;
        if user.document.second_factor {
            return Err(ApiError::conflict("there is a second factor already: take it off first"));
        }
        let secret = random_bytes::<{ totp::SECRET }>();
        let sealing = self.0.vault.sealing().await.map_err(|error| failed(&error))?;
        let factor = SecondFactor {
            user: caller.user,
            account: caller.account,
            secret: sealing.seal::<SecondFactor>(&context(caller.user), &secret),
            confirmed_at: None,
            last_step: None,
            recovery: Vec::new(),
        };
        for _ in 0..TRIES {
            let batch = self.0.store.batch().by(Some(caller.user));
            let batch = match self.second_factor(caller.user).await? {
                Some(old) if old.document.confirmed_at.is_some() => break,
                // One that was begun before and never confirmed.
                Some(old) => batch.update(&old, &factor),
                None => batch.create(&factor),
            };
            match self.0.store.commit(batch).await {
                Ok(_) => {
                    let (secret, uri) =
                        (totp::base32(&secret), totp::uri(&secret, ISSUER, &user.document.email));
                    return Ok(Begun { secret, uri });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::conflict("the second factor was changed meanwhile: begin anew"))
    }

    /// Turns on what was begun, by a first right code; returns the recovery codes, shown once.
    pub(super) async fn confirm_second(
        &self,
        caller: &Caller,
        code: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Vec<String>, ApiError> {
        let user = self.user_of(caller.account, caller.user).await?;
        let found = self.second_factor(caller.user).await?;
        let Some(old) = found.filter(|found| found.document.confirmed_at.is_none()) else {
            return Err(ApiError::conflict("nothing waits for a code: begin with the password"));
        };
        let mut new = old.document.clone();
        let secret = self.open(&new)?;
        let tried = self.tried(Some(caller.user), &user.document.email, attempt);
        let permitted = self.0.throttles.codes().permit(self.0.clock.instant(), tried);
        let permit = permitted.map_err(|wait| too_many("codes", wait))?;
        let given = totp::digits(code);
        if !given.is_some_and(|given| new.take_code(&secret, &given, self.0.clock.now())) {
            return Err(wrong_code());
        }
        self.0.throttles.codes().succeeded(permit);
        let (codes, hashes) = draw_recovery();
        let batch = self.0.store.batch().by(Some(caller.user));
        (new.confirmed_at, new.recovery) = (Some(batch.at()), hashes);
        let mut owner = user.document.clone();
        (owner.second_factor, owner.updated_at) = (true, batch.at());
        self.0.store.commit(batch.update(&old, &new).update(&user, &owner)).await?;
        Ok(codes)
    }

    /// Draws new recovery codes; the old ones are over.
    pub(super) async fn renew_recovery(
        &self,
        caller: &Caller,
        password: &str,
        code: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Vec<String>, ApiError> {
        let user = self.guarded(caller, password, attempt).await?;
        if !user.document.second_factor {
            return Err(ApiError::conflict("there is no second factor"));
        }
        self.check_code(&user, code, attempt, How::Again).await?;
        let (codes, hashes) = draw_recovery();
        let change = |factor: &mut SecondFactor, _, _| {
            factor.recovery.clone_from(&hashes);
            Ok::<_, ApiError>(true)
        };
        let changed = self.0.store.update::<SecondFactor, _>(caller.user, Some(caller.user), change).await?;
        changed.map(|_| codes).ok_or_else(|| ApiError::conflict("the second factor was taken off meanwhile"))
    }

    /// Takes the caller's own second factor off.
    pub(super) async fn end_second(
        &self,
        caller: &Caller,
        password: &str,
        code: &str,
        attempt: &Attempt<'_>,
    ) -> Result<(), ApiError> {
        let user = self.guarded(caller, password, attempt).await?;
        if !user.document.second_factor {
            return Err(ApiError::conflict("there is no second factor"));
        }
        self.check_code(&user, code, attempt, How::Again).await?;
        Ok(self.take_off_second(Some(caller.user), user.document.id).await?)
    }

    /// Takes a user's second factor off, for whoever looks after users; it is told in the journal and to the user.
    pub(super) async fn take_off_by(&self, caller: &Caller, id: UserId) -> Result<(), AccountError> {
        if caller.user == id {
            return Err(AccountError::Oneself(
                "second factor is taken off with POST /api/v1/second-factor/disable, by password and code",
            ));
        }
        let user = self.user_of(caller.account, id).await?;
        self.may_touch(caller, &user.document).await?;
        if self.second_factor(id).await?.is_none() && !user.document.second_factor {
            return Err(AccountError::NotFound(format!("second factor of the user {id}")));
        }
        self.take_off_second(Some(caller.user), id).await
    }

    pub(super) async fn take_off_second(&self, by: Option<UserId>, id: UserId) -> Result<(), AccountError> {
        for _ in 0..TRIES {
            let Some(user) = self.0.store.get::<User>(id).await? else { return Ok(()) };
            let factor = self.second_factor(id).await?;
            if factor.is_none() && !user.document.second_factor {
                return Ok(());
            }
            let batch = self.0.store.batch().by(by);
            let owner = User { second_factor: false, updated_at: batch.at(), ..user.document.clone() };
            let batch = factor.iter().fold(batch, crate::store::Batch::delete).update(&user, &owner);
            let batch = self.0.outbox.post(batch, &Letter::SecondFactorOff { user: id })?;
            match self.0.store.commit(batch).await {
                Ok(_) => {
                    self.0.outbox.wake();
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { kind: "second_factor", id: id.to_string() }.into())
    }

    /// Checks a code of a user's app, or a recovery code; each counts once.
    pub(super) async fn check_code(
        &self,
        user: &Versioned<User>,
        code: &str,
        attempt: &Attempt<'_>,
        how: How,
    ) -> Result<(), ApiError> {
        let id = user.document.id;
        let tried = self.tried(Some(id), &user.document.email, attempt);
        let permitted = self.0.throttles.codes().permit(self.0.clock.instant(), tried);
        let permit = permitted.map_err(|wait| too_many("codes", wait))?;
        // That a code was used is not yet what it was shown for.
        let taken = rider::aside(self.take(id, code)).await;
        if taken.inspect_err(|_| self.0.throttles.codes().take_back(permit))? {
            self.0.throttles.codes().succeeded(permit);
            return Ok(());
        }
        tracing::warn!(peer = ?attempt.peer.map(|peer| peer.ip()), "a code was wrong");
        self.note(Noted::new(&user.document, how, false, attempt));
        Err(wrong_code())
    }

    async fn take(&self, user: UserId, code: &str) -> Result<bool, ApiError> {
        for _ in 0..TRIES {
            let Some(old) = self.second_factor(user).await? else { return Ok(false) };
            let mut new = old.document.clone();
            let batch = self.0.store.batch().by(Some(user));
            let batch = match totp::digits(code) {
                Some(given) => {
                    let secret = self.open(&new)?;
                    if !new.take_code(&secret, &given, batch.at()) {
                        return Ok(false);
                    }
                    // Which code was the last one is nobody's business.
                    batch.rewrite(&old, &new)
                }
                None if new.take_recovery(code) => batch.update(&old, &new),
                None => return Ok(false),
            };
            match self.0.store.commit(batch).await {
                Ok(_) => return Ok(true),
                // The same code at the same moment, perhaps: it is looked at anew.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// The caller, who shows the password once more.
    async fn guarded(
        &self,
        caller: &Caller,
        password: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Versioned<User>, ApiError> {
        let user = self.user_of(caller.account, caller.user).await?;
        let checked = self.check(&user.document.email, password, attempt, How::Again).await;
        checked.map_err(|error| {
            let is_wrong = error.status() == ::http::StatusCode::UNAUTHORIZED;
            if is_wrong { ApiError::field("password", "is not your password") } else { error }
        })
    }

    fn open(&self, factor: &SecondFactor) -> Result<Vec<u8>, ApiError> {
        self.0.vault.unseal(&context(factor.user), &factor.secret).map_err(|error| failed(&error))
    }
}

fn failed(error: &SecretError) -> ApiError {
    ApiError::internal(error)
}

fn wrong_code() -> ApiError {
    ApiError::field("code", "is wrong or was used already: wait for the next one")
}
