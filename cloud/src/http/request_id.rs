//! What a request is called in the log, in its answer and in what it fails with: `X-Request-Id`.

use crate::id::random_bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The header that carries it.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest one that is taken over.
const LONGEST: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// A request's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The one that a trusted proxy gave it.
    pub(crate) fn given(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(REQUEST_ID).into_iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        let bytes = value.as_bytes();
        let plain = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:=+/".contains(byte));
        ((1..=LONGEST).contains(&bytes.len()) && plain).then(|| Self(value.clone()))
    }

    /// As a header.
    pub(crate) fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The one of the request that this task answers.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Does what belongs to the request.
    pub(crate) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Names requests: no two of this process, nor of others, alike.
#[derive(Debug)]
pub(super) struct Names {
    process: String,
    next: AtomicU64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { process: hex::encode(random_bytes::<6>()), next: AtomicU64::new(1) }
    }

    pub(super) fn next(&self) -> RequestId {
        let name = format!("{}-{:x}", self.process, self.next.fetch_add(1, Ordering::Relaxed));
        // Digits, letters and a hyphen.
        RequestId(HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken_over() {
        let given = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            RequestId::given(&headers).map(|id| id.to_string())
        };
        assert_eq!(given(&["Root=1-67a-b.c"]).unwrap(), "Root=1-67a-b.c");
        let long = "x".repeat(129);
        for wrong in [&[][..], &[""], &["a", "b"], &["a b"], &["a\"b"], &["ä"], &[&long]] {
            assert_eq!(given(wrong), None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_task_knows_the_request_that_it_answers() {
        let names = Names::new();
        let (one, two) = (names.next(), names.next());
        assert_ne!(one, two);
        assert_ne!(one, Names::new().next());
        assert_eq!(RequestId::current(), None);
        assert_eq!(one.clone().during(async { RequestId::current() }).await, Some(one));
    }
}
