//! Browsers that have logged in as a user before: what others guess wrong does not make these wait.
//!
//! A signed cookie says so, as OWASP's *device cookies* do. It opens nothing: whoever has one still needs the password,
//! and what is wrong with it is counted against the cookie itself.

use super::session::cookie_of;
use crate::clock::Timestamp;
use crate::id::{UserId, random_bytes};
use crate::secret::Vault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// What the cookies' names begin with; each user of a browser has one.
const NAME: &str = "stagebox_known_";
/// What the cookie is signed as.
const CONTEXT: &str = "known browser";
/// How long a browser is known, in seconds.
const KNOWN_S: i64 = 365 * 24 * 3600;
/// One that is older is replaced at the next login.
const RENEWED_MS: i64 = 30 * 24 * 3600 * 1000;
/// Bytes that tell one browser from another, and of the time.
const BODY: usize = 16 + 8;

/// A browser that is known to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::account) struct KnownBrowser {
    nonce: [u8; 16],
    since: Timestamp,
}

fn name(user: UserId) -> String {
    let hash = Sha256::digest(user.to_string());
    format!("{NAME}{}", hex::encode(&hash[..4]))
}

fn signed(user: UserId, body: &[u8]) -> Vec<u8> {
    [user.to_string().as_bytes(), b"\0", body].concat()
}

impl KnownBrowser {
    /// The browser that a request comes from, if the user knows it.
    pub(in crate::account) fn of(
        vault: &Vault,
        user: UserId,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Option<Self> {
        let value = cookie_of(headers, &name(user)).filter(|value| value.len() <= 128)?;
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (body, mac) = bytes.split_at_checked(BODY)?;
        let prints = vault.fingerprints(CONTEXT, &signed(user, body));
        let is_ours = prints.iter().any(|print| bool::from(print.ct_eq(mac)));
        let nonce = body[..16].try_into().ok()?;
        let since = Timestamp::from_unix_ms(i64::from_be_bytes(body[16..].try_into().ok()?));
        let is_known = is_ours && now.unix_ms() - since.unix_ms() < KNOWN_S * 1000;
        is_known.then_some(Self { nonce, since })
    }

    /// What tries with it are counted against.
    pub(in crate::account) fn counted(&self, user: UserId) -> [u8; 32] {
        Sha256::digest(signed(user, &self.nonce)).into()
    }

    /// The cookie that makes a browser known, unless it is and stays so for long.
    pub(in crate::account) fn cookie(
        vault: &Vault,
        user: UserId,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Option<String> {
        let known = Self::of(vault, user, headers, now);
        if known.is_some_and(|known| now.unix_ms() - known.since.unix_ms() < RENEWED_MS) {
            return None;
        }
        let mut body = random_bytes::<16>().to_vec();
        body.extend_from_slice(&now.unix_ms().to_be_bytes());
        let mac = vault.fingerprint(CONTEXT, &signed(user, &body));
        body.extend_from_slice(&mac);
        let value = URL_SAFE_NO_PAD.encode(body);
        Some(format!("{}={value}; Path=/; Max-Age={KNOWN_S}; HttpOnly; SameSite=Strict", name(user)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    #[test]
    fn a_browser_is_known_to_the_user_who_logged_in_and_to_nobody_else() {
        let vault = Vault::from_key(&[7; 32]);
        let (user, other, now) = (UserId::random(), UserId::random(), Timestamp::from_unix_ms(1_000_000));
        let empty = HeaderMap::new();
        let set = KnownBrowser::cookie(&vault, user, &empty, now).unwrap();
        let pair = set.split(';').next().unwrap().to_owned();
        let with = |pair: &str| {
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&format!("a=b; {pair}")).unwrap())])
        };
        let known = KnownBrowser::of(&vault, user, &with(&pair), now).unwrap();
        assert_eq!(known.since, now);
        assert_eq!(KnownBrowser::of(&vault, other, &with(&pair), now), None);
        let renamed = pair.replace(&name(user), &name(other));
        assert_eq!(KnownBrowser::of(&vault, other, &with(&renamed), now), None);
        let strange = Vault::from_key(&[8; 32]);
        assert_eq!(KnownBrowser::of(&strange, user, &with(&pair), now), None);
        let later = Timestamp::from_unix_ms(now.unix_ms() + KNOWN_S * 1000);
        assert_eq!(KnownBrowser::of(&vault, user, &with(&pair), later), None);
        assert_eq!(KnownBrowser::cookie(&vault, user, &with(&pair), now), None, "it stays the same one");
        assert!(KnownBrowser::cookie(&vault, user, &with(&pair), later).is_some());
        for wrong in ["", "x", "AAAA"] {
            let pair = format!("{}={wrong}", name(user));
            assert_eq!(KnownBrowser::of(&vault, user, &with(&pair), now), None);
        }
    }
}
