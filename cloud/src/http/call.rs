//! A request as a handler sees it.
#![allow(clippy::disallowed_methods, reason = "a driver: a body that does not come is given up")]

use super::Response;
use super::fields::Fields;
use super::origin::Https;
use super::problem::ApiError;
use crate::access::Caller;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method, header};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use warp::Filter;

/// How long a body may take to come.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// The client's address; the server puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Largest body of the API; the server puts it into each request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimit(pub(super) u64);

/// A request whose body has not been read yet.
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, undecoded.
    pub path: String,
    /// The query without its `?`; empty if there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// Who asks, where the route needs to know.
    caller: Option<Caller>,
    /// Whether the client speaks HTTPS.
    pub https: bool,
    limit: u64,
    /// Behind a lock only so that handlers can share the call's address between threads.
    body: Mutex<BoxStream<'static, Result<Bytes, warp::Error>>>,
}

impl Call {
    /// Who asks: the router has looked that they may, so that this fails for public routes only.
    pub fn caller(&self) -> Result<Caller, ApiError> {
        self.caller.ok_or_else(|| ApiError::unauthorized("log in first"))
    }

    /// A header's value, if it is there and plain text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The query's pairs, decoded.
    pub fn query(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// Whether the method changes nothing (RFC 9110, 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// The version that the client wants to change (RFC 9110, 13.1.1); none if it does not say, or says `*`.
    pub fn if_match(&self) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.headers.get(header::IF_MATCH) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        version.and_then(|version| version.parse().ok()).map(Some).ok_or_else(|| {
            ApiError::bad_request("If-Match must be one ETag as this server gave it, such as \"3\"")
        })
    }

    /// Reads the whole body.
    pub async fn body(&mut self) -> Result<Bytes, ApiError> {
        let announced = self.header(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        if announced.is_some_and(|length| length > self.limit) {
            return Err(ApiError::too_large(self.limit));
        }
        let limit = self.limit;
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let read = async {
            let mut whole = BytesMut::new();
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(|_| ApiError::bad_request("the body broke off"))?;
                if (whole.len() + piece.len()) as u64 > limit {
                    return Err(ApiError::too_large(limit));
                }
                whole.extend_from_slice(&piece);
            }
            Ok(whole.freeze())
        };
        tokio::time::timeout(BODY_LIMIT, read).await.unwrap_or_else(|_| {
            Err(ApiError::new(http::StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not come in time"))
        })
    }

    /// Reads the body as a JSON object, to be taken apart field by field.
    pub async fn fields(&mut self) -> Result<Fields, ApiError> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::unsupported_media_type("application/json"));
        }
        Fields::parse(&self.body().await?)
    }

    /// Reads an optional JSON object: no body at all is an empty one.
    pub async fn optional_fields(&mut self) -> Result<Fields, ApiError> {
        if self.header(header::CONTENT_LENGTH) == Some("0")
            || (!self.headers.contains_key(header::CONTENT_LENGTH)
                && !self.headers.contains_key(header::CONTENT_TYPE))
        {
            return Ok(Fields::default());
        }
        self.fields().await
    }
}

/// A filter that takes the whole request, whatever its method.
///
/// Boxed, so that the compiler sees its many parts once and not in each route's type.
pub fn call() -> warp::filters::BoxedFilter<(Call,)> {
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or_else(|_| async { Ok::<_, warp::Rejection>((String::new(),)) }))
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::ext::optional::<Https>())
        .and(warp::ext::optional::<BodyLimit>())
        .and(warp::ext::optional::<Caller>())
        .and(warp::body::stream())
        .map(
            |method,
             path: warp::path::FullPath,
             query,
             headers,
             peer: Option<Peer>,
             https: Option<Https>,
             limit: Option<BodyLimit>,
             caller: Option<Caller>,
             body| {
                Call {
                    method,
                    path: path.as_str().to_owned(),
                    query,
                    headers,
                    peer: peer.map(|peer| peer.0),
                    caller,
                    https: https.is_some_and(|https| https.0),
                    limit: limit.map_or(1024 * 1024, |limit| limit.0),
                    body: Mutex::new(into_bytes(body)),
                }
            },
        )
        .boxed()
}

fn into_bytes<S, B>(body: S) -> BoxStream<'static, Result<Bytes, warp::Error>>
where
    S: futures_util::Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    body.map(|piece| piece.map(|mut piece| piece.copy_to_bytes(piece.remaining()))).boxed()
}

/// Turns what a handler returned into a response.
pub async fn answer(result: impl Future<Output = Result<Response, ApiError>>) -> Response {
    result.await.unwrap_or_else(ApiError::into_response)
}
