//! From a request to whoever asks: by session, HTTP Basic or token.

use super::Attempt;
use super::basic::asking;
use super::known::Remembering;
use crate::access::{Caller, Need, Permission, Permissions, Via};
use crate::account::role::{Role, allowed};
use crate::account::tenant::AccountRecord;
use crate::account::token::{BY_HASH, PREFIX, Token, hash};
use crate::account::{Accounts, User};
use crate::clock::Timestamp;
use crate::http::ApiError;
use crate::id::UserId;
use crate::store::{Account, IndexKey, StoreError, Versioned};
use http::{HeaderMap, HeaderValue, Method, header};
use std::net::SocketAddr;

/// A token's use is noted when the last one is this long ago: not each request is a write.
const NOTED_MS: i64 = 3600 * 1000;

impl Accounts {
    /// Makes sure that a request has what it needs; `None` where nobody has to say who they are here.
    pub(crate) async fn admit(
        &self,
        need: Need,
        method: &Method,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Option<Caller>, ApiError> {
        match need {
            Need::Public | Need::Device => Ok(None),
            Need::Login => self.caller(method, headers, peer).await.map(Some),
            Need::Permission(permission) => {
                let caller = self.caller(method, headers, peer).await?;
                caller.demand(permission)?;
                Ok(Some(caller))
            }
        }
    }

    /// Whoever asks: by session (with the CSRF token where something changes), HTTP Basic or token.
    pub(crate) async fn caller(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Caller, ApiError> {
        let attempt = Attempt { headers, peer };
        let Some(value) = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes) else {
            return Box::pin(self.in_session(method, &attempt)).await;
        };
        let (known, remembering) = self.known(method, headers, value)?;
        match known {
            Some(known) => Ok(known),
            // In a room of its own: what it takes is not held by those who are known.
            None => Box::pin(self.look_up(method, value, &attempt, remembering)).await,
        }
    }

    async fn in_session(&self, method: &Method, attempt: &Attempt<'_>) -> Result<Caller, ApiError> {
        let user = self.by_session(method, attempt).await?.document;
        let permissions = self.permissions_of(&user, attempt.headers).await?;
        if user.api_only {
            return Err(asking(attempt.headers, "this user is for the API only"));
        }
        Ok(Caller { user: user.id, account: user.account, permissions, via: Via::Session })
    }

    /// Finds out who shows an Authorization header.
    async fn look_up(
        &self,
        method: &Method,
        value: &[u8],
        attempt: &Attempt<'_>,
        remembering: Option<Remembering>,
    ) -> Result<Caller, ApiError> {
        let (user, via, token) = match bearer(value) {
            Some(token) => {
                let (user, token) = self.by_token(attempt.headers, token).await?;
                (user.document, Via::Token, Some(token))
            }
            None => (self.by_basic(method, value, attempt).await?.document, Via::Basic, None),
        };
        let permissions = self.permissions_of(&user, attempt.headers).await?;
        // Before a token's limit: the role says whether the API is open to its user.
        if !permissions.has(Permission::AccessApi) {
            let words = format!("your role does not allow `{}`", Permission::AccessApi);
            return Err(ApiError::forbidden(words));
        }
        let limit = token.as_ref().and_then(|token| token.permissions);
        let permissions = limit.map_or(permissions, |limit| permissions.and(limit));
        let caller = Caller { user: user.id, account: user.account, permissions, via };
        if let Some(remembering) = remembering {
            self.remember(remembering, caller, token.as_ref().map(looked_at_again));
        }
        Ok(caller)
    }

    /// Whether a user may have a session, and what they may do in it.
    pub(in crate::account) async fn may_enter(
        &self,
        user: &User,
        headers: &HeaderMap,
    ) -> Result<Permissions, ApiError> {
        if user.api_only {
            return Err(ApiError::forbidden("this user is for the API only"));
        }
        self.permissions_of(user, headers).await
    }

    /// What a user may do now, for what is done in their name while they do not ask.
    pub(crate) async fn permissions_of_user(
        &self,
        account: Account,
        user: UserId,
    ) -> Result<Permissions, ApiError> {
        let user = self.0.store.get_of::<User>(account, user).await?;
        let user = user.ok_or_else(|| ApiError::forbidden("whoever asked for this is not there any more"))?;
        self.permissions_of(&user.document, &HeaderMap::new()).await
    }

    /// What a user may do now.
    async fn permissions_of(&self, user: &User, headers: &HeaderMap) -> Result<Permissions, ApiError> {
        if !user.active {
            return Err(asking(headers, "this user is switched off"));
        }
        let account = self.0.store.get::<AccountRecord>(user.account).await?;
        if account.is_none_or(|account| account.document.suspended) {
            return Err(ApiError::forbidden("this account is suspended"));
        }
        // A role that is gone allows nothing.
        let role = self.0.store.get::<Role>(user.role).await?;
        Ok(role.map(|role| role.document.permissions()).unwrap_or_default().and(allowed(user.account)))
    }

    async fn by_token(&self, headers: &HeaderMap, token: &str) -> Result<(Versioned<User>, Token), ApiError> {
        let wrong = || asking(headers, "the token is wrong, has ended or was taken back");
        if !token.starts_with(PREFIX) || token.len() > 128 {
            return Err(wrong());
        }
        let key = IndexKey::new().bytes(hash(token));
        let found = self.0.store.find::<Token>(BY_HASH, key).await?.ok_or_else(wrong)?;
        let now = self.0.clock.now();
        if found.document.expires_at.is_some_and(|end| end <= now) {
            return Err(wrong());
        }
        let user = self.user(found.document.user).await?.ok_or_else(wrong)?;
        let noted = found.document.last_used_at;
        if noted.is_none_or(|noted| now.unix_ms() - noted.unix_ms() >= NOTED_MS) {
            let mut used = found.document.clone();
            used.last_used_at = Some(now);
            match self.0.store.commit(self.0.store.batch().rewrite(&found, &used)).await {
                // Another request noted it, it was taken back, or the disk is full: the request goes on.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) if error.is_want_of_room() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((user, found.document))
    }
}

/// When a token has ended, or its use is to be noted.
fn looked_at_again(token: &Token) -> Timestamp {
    // Where it could not be noted, as on a full disk, this is long ago.
    let noted = Timestamp::from_unix_ms(token.last_used_at.map_or(0, |used| used.unix_ms() + NOTED_MS));
    token.expires_at.map_or(noted, |end| noted.min(end))
}

/// The token of a Bearer header (RFC 6750).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
