//! A new password by e-mail: asked for by anybody, sent to whoever has the address and may change the password, and told to
//! nobody whether there is one.

mod document;
mod http;
mod quota;

pub use document::Reset;
pub(crate) use http::{ResetOperations, routes};

use super::document::email_key;
use super::letters::Letter;
use super::login::Attempt;
use super::{AccountError, Accounts, User, token};
use crate::http::ApiError;
use crate::http::source;
use crate::id::UserId;
use crate::store::{Batch, IndexKey, Scan, StoreError, Versioned};
use document::{BY_END, BY_USER, hash};
use quota::Quota;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a link works.
const VALID: Duration = Duration::from_secs(3600);
/// Links of one user that work at a time; the oldest gives way.
const AT_ONCE: usize = 5;
/// Mails to one address within an hour.
const BY_ADDRESS: u32 = 3;
/// Mails asked for from one place within an hour.
const BY_SOURCE: u32 = 20;

/// What was asked for within the last hour; each process counts for itself.
#[derive(Debug)]
pub(super) struct Asked {
    sources: Mutex<Quota<IpAddr>>,
    addresses: Mutex<Quota<[u8; 32]>>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { sources: Mutex::new(Quota::new(BY_SOURCE)), addresses: Mutex::new(Quota::new(BY_ADDRESS)) }
    }
}

impl Accounts {
    /// Has a link sent to whoever has the address; what is done is the same whether somebody has it or not.
    pub(super) async fn ask_reset(&self, email: &str, attempt: &Attempt<'_>) -> Result<(), ApiError> {
        let now = self.0.clock.instant();
        let asked = &self.0.asked;
        let from =
            asked.sources.lock().unwrap_or_else(PoisonError::into_inner).take(now, source(attempt.peer));
        from.map_err(|wait| ApiError::too_many("too many mails were asked for: wait", wait.as_secs() + 1))?;
        let key = email_key(email);
        if asked.addresses.lock().unwrap_or_else(PoisonError::into_inner).take(now, key).is_err() {
            // Said to nobody: whoever asks is not whoever reads.
            return Ok(());
        }
        let letter = Letter::PasswordReset { who: hex::encode(key) };
        let batch = self.0.outbox.post(self.0.store.batch(), &letter).map_err(AccountError::from)?;
        self.0.store.commit(batch).await?;
        self.0.outbox.wake();
        Ok(())
    }

    /// Whether links can be sent at all.
    pub(super) fn sends_mail(&self) -> bool {
        self.0.outbox.is_on()
    }

    /// Draws the token of a link.
    pub(super) async fn draw_reset(&self, user: &User) -> Result<String, StoreError> {
        let store = &self.0.store;
        self.forget_resets().await?;
        let own = Scan::of(BY_USER).within(IndexKey::new().text(user.id));
        let own = store.scan::<Reset>(own).await?.items;
        let beyond = (own.len() + 1).saturating_sub(AT_ONCE);
        let token = token::<32>();
        let batch = own.iter().take(beyond).fold(store.batch(), Batch::delete);
        let reset = Reset {
            token_hash: hash(&token),
            user: user.id,
            ends_at: batch.at().plus(VALID),
            password_print: user.password_print(),
        };
        store.commit(batch.create(&reset)).await?;
        Ok(token)
    }

    /// The user of a link that works.
    pub(super) async fn of_reset(
        &self,
        token: &str,
    ) -> Result<Option<(Versioned<Reset>, Versioned<User>)>, ApiError> {
        if token.len() > 128 {
            return Ok(None);
        }
        let Some(reset) = self.0.store.get::<Reset>(hash(token)).await? else { return Ok(None) };
        if reset.document.ends_at <= self.0.clock.now()
            || self.resettable(reset.document.user).await?.is_none()
        {
            return Ok(None);
        }
        let user = self.0.store.get::<User>(reset.document.user).await?;
        let user = user.filter(|user| user.document.password_print() == reset.document.password_print);
        Ok(user.map(|user| (reset, user)))
    }

    /// Sets a new password by a link, which ends with all sessions; whose it was.
    pub(super) async fn redeem_reset(&self, token: &str, new: &str) -> Result<UserId, ApiError> {
        let over =
            || ApiError::field("token", "is no link that works: it was used, or is older than an hour");
        self.of_reset(token).await?.ok_or_else(over)?;
        let hash = self.0.passwords.hash(new).await?;
        loop {
            let (reset, user) = self.of_reset(token).await?.ok_or_else(over)?;
            let id = user.document.id;
            let batch = self.0.store.batch().by(Some(id));
            let mut owner = user.document.clone();
            owner.set_password_hash(&hash, batch.at());
            owner.updated_at = batch.at();
            let batch = batch.delete(&reset).update(&user, &owner);
            // Whoever had the password before may have made some.
            let batch = self.tokens_of(&owner).await?.iter().fold(batch, Batch::delete);
            let told = Letter::PasswordChanged { user: id, tokens_ended: true };
            let batch = self.0.outbox.post(batch, &told).map_err(AccountError::from)?;
            match self.0.store.commit(batch).await {
                Ok(_) => {
                    self.0.outbox.wake();
                    self.end_all_sessions(id).await?;
                    self.end_tokens(&owner, id).await?;
                    return Ok(id);
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets links that have ended.
    async fn forget_resets(&self) -> Result<(), StoreError> {
        let store = &self.0.store;
        let page = store.scan::<Reset>(Scan::of(BY_END)).await?.items;
        let now = self.0.clock.now();
        let ended = page.iter().filter(|reset| reset.document.ends_at <= now);
        match store.commit(ended.fold(store.batch(), Batch::delete)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends all links of a user.
    pub(super) async fn end_resets(&self, user: UserId) -> Result<(), StoreError> {
        let own = Scan::of(BY_USER).within(IndexKey::new().text(user));
        let own = self.0.store.scan::<Reset>(own).await?.items;
        match self.0.store.commit(own.iter().fold(self.0.store.batch(), Batch::delete)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
