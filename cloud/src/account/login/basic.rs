//! HTTP Basic for API clients; a header that was good is remembered for minutes.

use super::Attempt;
use super::record::{How, Noted};
use crate::account::{Accounts, User};
use crate::http::ApiError;
use crate::id::UserId;
use crate::store::Versioned;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, header};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a good header needs no new check.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);
/// Good headers that are remembered.
const MAX_HEADERS: usize = 256;
/// Headers that are checked at a time.
const TURNS: usize = 64;
/// Longest header that is looked at.
const MAX_HEADER: usize = 2048;

#[derive(Debug, Clone, Copy)]
struct Good {
    user: UserId,
    /// The user's version then: any change of the user, such as of the password, ends it.
    version: u64,
    until: Instant,
}

/// Fingerprints of headers that were right not long ago.
#[derive(Debug, Default)]
pub(in crate::account) struct GoodHeaders(HashMap<[u8; 32], Good>);

impl GoodHeaders {
    fn get(&self, now: Instant, fingerprint: &[u8; 32]) -> Option<Good> {
        self.0.get(fingerprint).copied().filter(|good| good.until > now)
    }

    fn put(&mut self, now: Instant, fingerprint: [u8; 32], user: UserId, version: u64) {
        if self.0.len() >= MAX_HEADERS {
            self.0.retain(|_, good| good.until > now);
        }
        if self.0.len() >= MAX_HEADERS {
            self.0.clear();
        }
        self.0.insert(fingerprint, Good { user, version, until: now + REMEMBERED });
    }
}

/// Headers that are checked just now: one that comes many times at once is checked once, others wait for it.
#[derive(Debug)]
pub(in crate::account) struct Turns([Mutex<()>; TURNS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Turns {
    fn of(&self, fingerprint: &[u8; 32]) -> &Mutex<()> {
        &self.0[usize::from(fingerprint[0]) % TURNS]
    }
}

impl Accounts {
    pub(in crate::account) async fn by_basic(
        &self,
        method: &Method,
        value: &[u8],
        attempt: &Attempt<'_>,
    ) -> Result<Versioned<User>, ApiError> {
        let headers = attempt.headers;
        let (email, password) = parse(value).ok_or_else(|| {
            asking(headers, "the Authorization header must be `Basic` with e-mail and password")
        })?;
        refuse_foreign_pages(method, headers)?;
        let fingerprint = self.0.vault.fingerprint("basic", value);
        if let Some(user) = self.remembered(&fingerprint).await? {
            return Ok(user);
        }
        let _turn = self.0.turns.of(&fingerprint).lock().await;
        if let Some(user) = self.remembered(&fingerprint).await? {
            return Ok(user);
        }
        let user = self.check(&email, &password, attempt, How::Basic).await.map_err(|error| {
            if error.status() == http::StatusCode::UNAUTHORIZED {
                asking(headers, "the e-mail address or the password is wrong")
            } else {
                error
            }
        })?;
        // Whoever turns it on is at another version than what is remembered.
        if user.document.second_factor {
            let words = "this user logs in with a code after the password, which HTTP Basic cannot carry: use a token \
                         (POST /api/v1/tokens) as `Authorization: Bearer`";
            return Err(ApiError::forbidden(words));
        }
        self.good().put(self.0.clock.instant(), fingerprint, user.document.id, user.version);
        self.note(Noted::new(&user.document, How::Basic, true, attempt));
        Ok(user)
    }

    /// Whose header it is, if it was good not long ago and the user has not changed.
    async fn remembered(&self, fingerprint: &[u8; 32]) -> Result<Option<Versioned<User>>, ApiError> {
        let remembered = self.good().get(self.0.clock.instant(), fingerprint);
        let Some(good) = remembered else { return Ok(None) };
        Ok(self.user(good.user).await?.filter(|user| user.version == good.version))
    }
}

/// A browser that remembers Basic credentials sends them for foreign pages too; those may change nothing.
pub(super) fn refuse_foreign_pages(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let foreign = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site.as_bytes() != b"same-origin" && site.as_bytes() != b"none");
    if foreign && !safe {
        return Err(ApiError::forbidden("a page of another site may not do this"));
    }
    Ok(())
}

/// A 401 that says how to log in; to browsers in a way that opens no dialogue of theirs.
pub(in crate::account) fn asking(headers: &HeaderMap, detail: &str) -> ApiError {
    // Over plain HTTP from another machine browsers tell nothing of fetching, but always their languages.
    let browser = headers.contains_key("sec-fetch-mode") || headers.contains_key(header::ACCEPT_LANGUAGE);
    let scheme = if browser {
        HeaderValue::from_static("Session realm=\"stagebox\"")
    } else {
        HeaderValue::from_static("Basic realm=\"stagebox\", charset=\"UTF-8\"")
    };
    ApiError::unauthorized(detail).header(header::WWW_AUTHENTICATE, scheme)
}

/// Takes a Basic header apart (RFC 7617).
fn parse(value: &[u8]) -> Option<(String, String)> {
    if value.len() > MAX_HEADER {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, credentials) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (email, password) = decoded.split_once(':')?;
    Some((email.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test: it needs some instant to begin with")]
    use super::*;

    #[test]
    fn headers_are_taken_apart() {
        let of = |text: &str| parse(format!("Basic {}", STANDARD.encode(text)).as_bytes());
        assert_eq!(of("a@b:c:d"), Some(("a@b".to_owned(), "c:d".to_owned())));
        assert_eq!(of("nothing"), None);
        for wrong in ["", "Basic", "Basic %%%", "Bearer abc", "Basic gA=="] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn good_headers_are_forgotten_in_time() {
        let (mut good, now, user) = (GoodHeaders::default(), Instant::now(), UserId::random());
        good.put(now, [1; 32], user, 1);
        assert!(good.get(now, &[1; 32]).is_some());
        assert!(good.get(now, &[2; 32]).is_none());
        assert!(good.get(now + REMEMBERED, &[1; 32]).is_none());
        for number in 0..1000u16 {
            let mut print = [0; 32];
            print[..2].copy_from_slice(&number.to_be_bytes());
            good.put(now, print, user, 1);
            assert!(good.0.len() <= MAX_HEADERS);
        }
    }
}
