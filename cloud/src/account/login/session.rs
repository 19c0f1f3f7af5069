//! Sessions: a random token in a cookie, its hash in the store, and a token against forged requests.

use super::Attempt;
use super::basic::asking;
use super::record::{How, Noted};
use crate::account::document::{BY_END, BY_USER};
use crate::account::{Accounts, Session, User, token};
use crate::clock::Timestamp;
use crate::http::ApiError;
use crate::id::UserId;
use crate::store::{Batch, IndexKey, Scan, StoreError, Versioned};
use http::{HeaderMap, Method, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The cookie that holds the token.
pub const SESSION_COOKIE: &str = "stagebox_session";
/// The header that holds the CSRF token.
pub(in crate::account) const CSRF_HEADER: &str = "x-csrf-token";

/// A session that is not used ends after this.
const IDLE_MS: i64 = 24 * 3600 * 1000;
/// A session ends after this however much it is used.
const MAX_MS: i64 = 30 * 24 * 3600 * 1000;
/// A session's use is noted only when the last one is this long ago: not each request is a write.
const STEP_MS: i64 = 10 * 60 * 1000;
/// Sessions of one user; the oldest gives way.
const MAX_SESSIONS: usize = 50;
/// Ended sessions that one login clears away.
const CLEARED: usize = 100;

/// How long the browser keeps the cookie, in seconds.
pub(in crate::account) const COOKIE_S: i64 = MAX_MS / 1000;

pub(super) fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// Finds the session's token among a request's cookies.
pub(in crate::account) fn token_of(headers: &HeaderMap) -> Option<&str> {
    cookie_of(headers, SESSION_COOKIE).filter(|token| token.len() <= 128)
}

/// Finds a cookie of this name.
pub(super) fn cookie_of<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

impl Accounts {
    /// Begins a session and returns its token; `user` is who was checked, as they were then.
    pub(super) async fn begin_session(
        &self,
        user: &User,
        attempt: &Attempt<'_>,
        how: How,
    ) -> Result<String, ApiError> {
        let store = &self.0.store;
        self.clear_sessions(user.id).await?;
        let token = token::<32>();
        let batch = store.batch();
        let now = batch.at();
        let session = Session {
            token_hash: hash(&token),
            user: user.id,
            created_at: now,
            ends_at: Timestamp::from_unix_ms(now.unix_ms() + IDLE_MS),
            last_seen_at: now,
            address: attempt.address(),
            browser: attempt.browser(),
        };
        store.commit(batch.create(&session)).await?;
        // What was shown may count no more by now, and whoever changed it has ended the sessions that were there.
        let now = self.user(user.id).await?.map(|found| found.document);
        if !now.is_some_and(|now| now.is_shown_as(user)) {
            self.end_session(&token).await?;
            return Err(ApiError::unauthorized("the login was changed meanwhile: log in again"));
        }
        // Apart from it: where the disk is full an administrator must get in all the same.
        self.note(Noted::new(user, how, true, attempt));
        Ok(token)
    }

    /// A user's sessions that have not ended, the newest first.
    pub(super) async fn sessions_of(&self, user: UserId) -> Result<Vec<Versioned<Session>>, StoreError> {
        let scan = Scan::of(BY_USER).within(IndexKey::new().text(user)).falling().limit(MAX_SESSIONS * 2);
        let now = self.0.clock.now();
        let mut sessions = self.0.store.scan::<Session>(scan).await?.items;
        sessions.retain(|session| session.document.ends_at > now);
        Ok(sessions)
    }

    /// Ends the session of a token, if there is one.
    pub(in crate::account) async fn end_session(&self, token: &str) -> Result<(), ApiError> {
        self.end_session_of(&hash(token)).await
    }

    /// Ends the session that is kept under this hash, if there is one.
    pub(super) async fn end_session_of(&self, hash: &str) -> Result<(), ApiError> {
        while let Some(session) = self.0.store.get::<Session>(hash).await? {
            match self.0.store.commit(self.0.store.batch().delete(&session)).await {
                // It was used right now: then it is another version that ends.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(in crate::account) async fn end_all_sessions(&self, user: UserId) -> Result<(), StoreError> {
        self.end_sessions_but(user, None).await
    }

    /// Ends a user's sessions but the one of this token.
    pub(in crate::account) async fn end_sessions_but(
        &self,
        user: UserId,
        kept: Option<&str>,
    ) -> Result<(), StoreError> {
        let kept = kept.map(hash);
        loop {
            let scan = Scan::of(BY_USER).within(IndexKey::new().text(user)).limit(MAX_SESSIONS * 2);
            let page = self.0.store.scan::<Session>(scan).await?;
            let gone =
                page.items.iter().filter(|session| Some(&session.document.token_hash) != kept.as_ref());
            let gone: Vec<_> = gone.collect();
            if gone.is_empty() {
                return Ok(());
            }
            let batch = gone.into_iter().fold(self.0.store.batch(), Batch::delete);
            match self.0.store.commit(batch).await {
                // One of them ended by itself.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The CSRF token that belongs to a session: nobody can make it of what the store has, and no change of keys ends it.
    pub(in crate::account) fn csrf(&self, token: &str) -> String {
        hash(&format!("csrf of {token}"))
    }

    pub(in crate::account) async fn by_session(
        &self,
        method: &Method,
        attempt: &Attempt<'_>,
    ) -> Result<Versioned<User>, ApiError> {
        let headers = attempt.headers;
        let login = || asking(headers, "log in first");
        let token = token_of(headers).ok_or_else(login)?;
        let session = self.0.store.get::<Session>(hash(token)).await?.ok_or_else(login)?;
        let now = self.0.clock.now();
        if session.document.ends_at <= now {
            return Err(asking(headers, "the session has ended: log in again"));
        }
        if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            let given = headers.get(CSRF_HEADER).map_or(&b""[..], |value| value.as_bytes());
            if !bool::from(given.ct_eq(self.csrf(token).as_bytes())) {
                let detail = "the X-CSRF-Token header is missing or wrong: GET /api/v1/session gives it";
                return Err(ApiError::forbidden(detail));
            }
        }
        self.prolong(&session, attempt, now).await?;
        self.user(session.document.user).await?.ok_or_else(login)
    }

    async fn prolong(
        &self,
        session: &Versioned<Session>,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let last = session.document.created_at.unix_ms() + MAX_MS;
        let ends = last.min(now.unix_ms() + IDLE_MS);
        if now.unix_ms() - session.document.last_seen_at.unix_ms() < STEP_MS {
            return Ok(());
        }
        let mut longer = session.document.clone();
        longer.ends_at = Timestamp::from_unix_ms(ends);
        longer.last_seen_at = now;
        longer.address = attempt.address().or(longer.address);
        match self.0.store.commit(self.0.store.batch().update(session, &longer)).await {
            // Another request of the same session was quicker, or it was ended.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            // Whoever is in can look, and make space.
            Err(error) if error.is_want_of_room() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Clears away what has ended, and the user's oldest sessions beyond the limit.
    async fn clear_sessions(&self, user: UserId) -> Result<(), ApiError> {
        let store = &self.0.store;
        let now = self.0.clock.now();
        let ended = store.scan::<Session>(Scan::of(BY_END).limit(CLEARED)).await?.items;
        let mut gone: Vec<_> = ended.into_iter().filter(|session| session.document.ends_at <= now).collect();
        let own = Scan::of(BY_USER).within(IndexKey::new().text(user)).limit(MAX_SESSIONS * 2);
        let own = store.scan::<Session>(own).await?.items;
        let beyond = (own.len() + 1).saturating_sub(MAX_SESSIONS);
        for session in own.into_iter().take(beyond) {
            if !gone.contains(&session) {
                gone.push(session);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let batch = gone.iter().fold(store.batch(), Batch::delete);
        match store.commit(batch).await {
            // Another login clears the same: it is done.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountError;
    use crate::account::tests::Ground;
    use crate::store::Account;
    use crate::store::rider::{self, Ride};

    async fn begin(ground: &Ground, user: &User) -> Result<String, ApiError> {
        let headers = HeaderMap::new();
        ground.accounts.begin_session(user, &Attempt { headers: &headers, peer: None }, How::Password).await
    }

    #[tokio::test]
    async fn a_login_under_way_does_not_outlive_what_was_shown() {
        let ground = Ground::new().await;
        let user = &ground.administrator;
        begin(&ground, user).await.unwrap();
        // What changes at the same moment has ended the sessions that were there, and not the one that begins.
        ground.change(user, |user| user.name = "Anna".to_owned()).await;
        begin(&ground, user).await.unwrap();
        ground.accounts.end_all_sessions(user.id).await.unwrap();
        let refused = async |then: &User| begin(&ground, then).await.unwrap_err().status();
        ground.change(user, |user| user.second_factor = true).await;
        assert_eq!(refused(user).await, 401);
        let then = ground.read(user).await.document;
        ground.change(user, |user| user.set_password_hash("another", user.created_at)).await;
        assert_eq!(refused(&then).await, 401);
        let then = ground.read(user).await.document;
        ground.change(user, |user| user.active = false).await;
        assert_eq!(refused(&then).await, 401);
        let found = ground.read(user).await;
        ground.store.commit(ground.store.batch().delete(&found)).await.unwrap();
        assert_eq!(refused(&then).await, 401);
        assert_eq!(ground.accounts.sessions_of(user.id).await.unwrap(), []);
    }

    #[tokio::test]
    async fn whoever_has_to_stay_keeps_the_session() {
        let ground = Ground::new().await;
        let user = &ground.administrator;
        begin(&ground, user).await.unwrap();
        let refused = ground.accounts.remove_user(Account::FIRST, None, user.id, None).await;
        assert!(matches!(refused, Err(AccountError::LastAdministrator)), "{refused:?}");
        assert_eq!(ground.accounts.sessions_of(user.id).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_deletion_is_told_with_the_user_and_not_with_the_first_trace() {
        let ground = Ground::new().await;
        let (store, user) = (&ground.store, ground.user("anna", &[]).await);
        begin(&ground, &user).await.unwrap();
        let kept = ground.accounts.sessions_of(user.id).await.unwrap().remove(0).document;
        let mark = Session { token_hash: "mark".to_owned(), user: UserId::random(), ..kept };
        let forget = ground.accounts.forget_traces(user.id);
        let (done, ride) = rider::with(store.batch().create(&mark), forget).await.unwrap();
        assert!(done.is_ok() && ride == Ride::Waited);
        assert_eq!(ground.accounts.sessions_of(user.id).await.unwrap(), []);
        begin(&ground, &user).await.unwrap();
        let remove = ground.accounts.remove_user(Account::FIRST, None, user.id, None);
        let (done, ride) = rider::with(store.batch().create(&mark), remove).await.unwrap();
        assert!(done.is_ok() && ride == Ride::Arrived);
        assert!(store.get::<Session>("mark").await.unwrap().is_some());
    }
}
