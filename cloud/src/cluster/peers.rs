//! Requests to other processes of this installation.

use crate::http::{Call, REQUEST_ID, RequestId};
use crate::idempotency::REPLAYED;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use std::time::Duration;

/// The others are on a network of ours.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Longer than the slowest thing that another process waits for: a box's answer.
const LIMIT: Duration = Duration::from_secs(12);
/// The client's own `Authorization`, beside the processes' shared one.
pub(super) const CLIENT_AUTHORIZATION: HeaderName = HeaderName::from_static("stagebox-authorization");
/// The client's address; on every request that was passed on.
pub(crate) const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("stagebox-client");
/// What belongs to a connection (RFC 9110, 7.6.1) or its body, not to what is asked.
const NOT_PASSED_ON: [HeaderName; 11] = [
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    CLIENT_AUTHORIZATION,
    CLIENT_ADDRESS,
];
/// What an answer carries beside its body.
const PASSED_BACK: [HeaderName; 6] =
    [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::RETRY_AFTER, header::ALLOW, REPLAYED];

/// Says that another process cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// It does not answer.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// It has another secret.
    #[error("another process has another `cluster.secret`")]
    Secret,
}

/// The way to other processes; cloned freely.
#[derive(Clone)]
pub(crate) struct Peers {
    client: reqwest::Client,
    secret: HeaderValue,
}

impl Peers {
    pub(super) fn new(secret: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .tcp_nodelay(true)
            .build()?;
        // A secret that no header may carry fits no process, which is told at each request.
        let bearer = HeaderValue::from_str(&format!("Bearer {secret}"));
        let mut secret = bearer.unwrap_or(HeaderValue::from_static("Bearer"));
        secret.set_sensitive(true);
        Ok(Self { client, secret })
    }

    /// A request that shows the secret; without an end of its own.
    pub(super) fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.client.request(method, url).header(header::AUTHORIZATION, self.secret.clone())
    }

    /// Has another process answer a client's request, in the client's own name.
    pub(crate) async fn pass_on(
        &self,
        address: &str,
        call: &Call,
        body: Bytes,
    ) -> Result<Response<Bytes>, PeerError> {
        let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
        let url = format!("http://{address}{}{query}", call.path);
        let mut headers = call.headers.clone();
        for name in &NOT_PASSED_ON {
            headers.remove(name);
        }
        if let Some(shown) = call.headers.get(header::AUTHORIZATION) {
            headers.insert(CLIENT_AUTHORIZATION, shown.clone());
        }
        let client = call.peer.map(|peer| peer.to_string()).unwrap_or_default();
        // An address is plain text.
        let client = HeaderValue::from_str(&client).unwrap_or(HeaderValue::from_static(""));
        headers.insert(CLIENT_ADDRESS, client);
        // Under the same name in the other's log; a client's own is not believed there either.
        headers.remove(REQUEST_ID);
        if let Some(id) = RequestId::current() {
            headers.insert(REQUEST_ID, id.value());
        }
        let request = self.request(call.method.clone(), &url).headers(headers).timeout(LIMIT).body(body);
        let answer = request.send().await?;
        if answer.headers().contains_key(super::internal::STRANGER) {
            return Err(PeerError::Secret);
        }
        let mut response = Response::default();
        *response.status_mut() = answer.status();
        for name in &PASSED_BACK {
            if let Some(value) = answer.headers().get(name) {
                response.headers_mut().insert(name.clone(), value.clone());
            }
        }
        *response.body_mut() = answer.bytes().await?;
        Ok(response)
    }

    /// The lines that another process goes on sending.
    pub(crate) async fn lines(
        &self,
        address: &str,
        path: &str,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), PeerError> {
        let answer = self.request(Method::GET, &format!("http://{address}{path}")).send().await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err(PeerError::Secret);
        }
        let mut pieces = answer.error_for_status()?.bytes_stream();
        let mut kept = Vec::new();
        while let Some(piece) = pieces.next().await {
            for byte in piece? {
                if byte == b'\n' {
                    each(&kept);
                    kept.clear();
                } else {
                    kept.push(byte);
                }
            }
        }
        Ok(())
    }
}
