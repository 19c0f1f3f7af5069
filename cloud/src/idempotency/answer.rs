//! An answer as it is kept, and given again.

use crate::http::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Collected, Limited};
use serde::{Deserialize, Serialize};

/// On an answer that was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What is kept beside status and body: the rest belongs to the one answer, not to what was done.
const KEPT: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::ETAG,
    header::CACHE_CONTROL,
    header::LINK,
    header::RETRY_AFTER,
];
/// Largest body that is kept.
const MOST: usize = 64 * 1024;

/// What is sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    /// Takes an answer apart and puts it together again; none where it cannot be kept.
    pub(super) async fn of(response: Response) -> (Option<Self>, Response) {
        let (parts, body) = response.into_parts();
        let Ok(body) = Limited::new(body, 256 * MOST).collect().await.map(Collected::to_bytes) else {
            let lost = crate::http::ApiError::unavailable("the answer broke off").into_response();
            return (None, lost);
        };
        let headers = KEPT.iter().filter_map(|name| {
            let value = parts.headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let text = std::str::from_utf8(&body).ok().filter(|_| body.len() <= MOST);
        let kept = text.map(|text| Self {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: text.to_owned(),
        });
        (kept, Response::from_parts(parts, body.into()))
    }

    /// The same answer once more.
    pub(super) fn replay(self) -> Response {
        let mut response = Response::new(Bytes::from(self.body).into());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                response.headers_mut().insert(name, value);
            }
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

/// Whether a status says what became of the request for good: not that it should be tried again.
pub(super) fn is_final(status: StatusCode) -> bool {
    !status.is_server_error()
        && !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}
