//! `Idempotency-Key` as a client sends it (draft-ietf-httpapi-idempotency-key-header).

use crate::access::{Caller, Via};
use crate::http::ApiError;
use http::{HeaderMap, HeaderName, Method};
use sha2::{Digest as _, Sha256};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key.
const LONGEST: usize = 255;

/// What a key looks like, for the API's document.
pub(crate) const KEY_PATTERN: &str = "^(\"[ !#-\\[\\]-~]{1,255}\"|[A-Za-z0-9._~:+/=-]{1,255})$";

/// What a client calls a request that it may send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// The key of a request, if it has one.
    ///
    /// # Errors
    /// What is there is no key.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.to_str().ok().filter(|_| values.next().is_none()).and_then(parse);
        key.map(Self).map(Some).ok_or_else(|| {
            let words = "Idempotency-Key must be one text of 1 to 255 characters, such as \
                         \"8e03978e-40d5-43e8-bc93-6894a57f9324\"";
            ApiError::bad_request(words)
        })
    }

    /// What it is kept under: each user has keys of their own, and each set of permissions that tokens limit them to:
    /// whoever may less is not shown what was answered to whoever may more.
    pub(super) fn id(&self, caller: &Caller) -> String {
        let mut hash = Sha256::new();
        hash.update(caller.account.0.to_be_bytes());
        hash.update(caller.user.to_string());
        hash.update([0]);
        if caller.via == Via::Token {
            hash.update(serde_json::to_vec(&caller.permissions).unwrap_or_default());
        }
        hash.update([0]);
        hash.update(&self.0);
        hex::encode(hash.finalize())
    }
}

/// A string of structured fields (RFC 9651, 3.3.3) whose parameters mean nothing here, or the bare text.
fn parse(text: &str) -> Option<String> {
    let text = text.trim();
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:+/=-".contains(&byte);
    let key = match text.strip_prefix('"') {
        Some(rest) => quoted(rest)?,
        None if !text.bytes().all(is_bare) => return None,
        None => text.to_owned(),
    };
    (!key.is_empty() && key.len() <= LONGEST).then_some(key)
}

fn quoted(rest: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => key.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
            character if (' '..='~').contains(&character) => key.push(character),
            _ => return None,
        }
    }
    let after = characters.as_str();
    (after.is_empty() || after.starts_with(';')).then_some(key)
}

/// What tells one request from another with the same key.
pub(crate) fn print(method: &Method, path_and_query: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), path_and_query.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn key(values: &[&str]) -> Result<Option<String>, ApiError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        }
        Key::of(&headers).map(|key| key.map(|key| key.0))
    }

    #[test]
    fn structured_and_bare_keys_are_the_same() {
        assert_eq!(key(&[]).unwrap(), None);
        for text in ["\"a-1\"", "a-1", " \"a-1\" ", "\"a-1\";v=1"] {
            assert_eq!(key(&[text]).unwrap().unwrap(), "a-1", "{text}");
        }
        assert_eq!(key(&[r#""a\"b\\""#]).unwrap().unwrap(), r#"a"b\"#);
        let long = "x".repeat(256);
        for wrong in [
            &[""][..],
            &["\"\""],
            &["\"a"],
            &["\"a\"b"],
            &["a b"],
            &["\"a\", \"b\""],
            &[r#""\x""#],
            &[&long],
            &["a", "a"],
        ] {
            assert_eq!(key(wrong).unwrap_err().status(), 400, "{wrong:?}");
        }
    }

    #[test]
    fn a_request_is_its_method_path_and_body() {
        let first = print(&Method::POST, "/a?b=1", b"{}");
        assert_eq!(first, print(&Method::POST, "/a?b=1", b"{}"));
        for other in [
            print(&Method::PUT, "/a?b=1", b"{}"),
            print(&Method::POST, "/a?b=2", b"{}"),
            print(&Method::POST, "/a?b=1{", b"}"),
        ] {
            assert_ne!(first, other);
        }
    }
}
