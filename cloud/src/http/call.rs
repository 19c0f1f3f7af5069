//! A request as a handler sees it.
#![allow(clippy::disallowed_methods, reason = "a driver: a body that does not come is given up")]

use super::Response;
use super::fields::Fields;
use super::origin::Https;
use super::pace::BodyLimits;
use super::problem::ApiError;
use crate::access::Caller;
use crate::config::Http;
use crate::store::{Document, Versioned};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyDataStream, Either, Empty, Full};
use hyper::body::Incoming;
use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use warp::Filter;

/// Bytes of a body that is too large that are read and thrown away.
const DRAINED: usize = 8 * 1024 * 1024;
/// How long that may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// The client's address; the server puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A request's body as it comes, or as it was read before.
pub(super) type Inbound = Either<Incoming, Full<Bytes>>;

/// The document that a request's path names; the router puts it into the request's extensions.
#[derive(Clone)]
pub(crate) struct Named(Arc<dyn Any + Send + Sync>);

impl Named {
    pub(crate) fn new<D: Document>(found: Arc<Versioned<D>>) -> Self {
        Self(found)
    }
}

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
    named: Option<Named>,
    /// Whether the client speaks HTTPS.
    pub https: bool,
    limits: Option<BodyLimits>,
    /// Behind a lock only so that handlers can share the call's address between threads.
    body: Mutex<BodyDataStream<Inbound>>,
}

impl Call {
    /// Who asks: the router has looked that they may, so that this fails for public routes only.
    pub fn caller(&self) -> Result<Caller, ApiError> {
        self.caller.ok_or_else(|| ApiError::unauthorized("log in first"))
    }

    /// The document that the path names, as the router found it when it looked whether it is the caller's own; it can be
    /// taken once.
    pub(crate) fn named<D: Document + Clone>(&mut self) -> Result<Versioned<D>, ApiError> {
        let named = self.named.take().and_then(|named| Arc::downcast(named.0).ok());
        named
            .map(Arc::unwrap_or_clone)
            .ok_or_else(|| ApiError::not_found(format!("there is no such {}", D::KIND)))
    }

    /// A header's value, if it is there and plain text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The headers that show who asks, copied: whoever looks at them again and again does not hold what was read with
    /// them.
    pub(crate) fn login(&self) -> HeaderMap {
        let names = [header::AUTHORIZATION, header::COOKIE];
        let mut kept = HeaderMap::with_capacity(names.len());
        for name in names {
            for value in self.headers.get_all(&name) {
                // A header's value can be one again.
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    kept.append(&name, value);
                }
            }
        }
        kept
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
        let announced = Announced::by(&self.headers);
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        whole(body, announced, self.limits.unwrap_or_else(|| Http::default().body_limits())).await
    }

    /// The next piece of the body as it comes, until then; nothing at its end.
    pub(crate) async fn piece(&mut self, deadline: Instant) -> Result<Option<Bytes>, ApiError> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Ok(piece) = tokio::time::timeout_at(deadline.into(), body.next()).await else {
            return Err(ApiError::new(
                http::StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body took too long",
            ));
        };
        piece.transpose().map_err(|_| ApiError::bad_request("the body broke off"))
    }

    /// Reads on for a while, so that whoever still sends can read why that was in vain.
    pub(crate) async fn throw_away(&mut self) {
        drain(self.body.get_mut().unwrap_or_else(PoisonError::into_inner)).await;
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

/// Reads on for a while: whoever still sends when the connection is closed cannot read why (RFC 9112, 9.6).
async fn drain<E>(body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
    let mut left = DRAINED;
    let read = async {
        while let Some(Ok(piece)) = body.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_LIMIT, read).await;
}

/// A request on its way to its handler.
#[derive(Clone)]
struct Enclosed(Arc<Mutex<Option<Call>>>);

impl Call {
    /// Takes a request apart. What filters look at to find its handler is a request of its own, with this one enclosed.
    pub(super) fn enclose(request: Request<Inbound>) -> Request<Empty<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let call = Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            peer: parts.extensions.get::<Peer>().map(|peer| peer.0),
            caller: parts.extensions.get::<Caller>().copied(),
            named: parts.extensions.remove::<Named>(),
            https: parts.extensions.get::<Https>().is_some_and(|https| https.0),
            limits: parts.extensions.get::<BodyLimits>().copied(),
            body: Mutex::new(BodyDataStream::new(body)),
        };
        let mut found = Request::new(Empty::new());
        (*found.method_mut(), *found.uri_mut()) = (parts.method, parts.uri);
        found.extensions_mut().insert(Enclosed(Arc::new(Mutex::new(Some(call)))));
        found
    }
}

/// A filter that takes the whole request, whatever its method.
///
/// Boxed, so that the compiler sees its parts once and not in each route's type.
pub fn call() -> warp::filters::BoxedFilter<(Call,)> {
    warp::ext::get::<Enclosed>()
        .and_then(async |enclosed: Enclosed| {
            let call = enclosed.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            call.ok_or_else(warp::reject::not_found)
        })
        .boxed()
}

/// What a request's header says of its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    bytes: Option<u64>,
    waits: bool,
}

impl Announced {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let bytes = length.and_then(|text| text.parse().ok());
        Self { bytes, waits: headers.contains_key(header::EXPECT) }
    }
}

/// Reads a body to its end, unless it is larger or slower than it may be.
pub(super) async fn whole<E>(
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    announced: Announced,
    limits: BodyLimits,
) -> Result<Bytes, ApiError> {
    if announced.bytes.is_some_and(|length| length > limits.bytes) {
        // Whoever waits for a 100 has sent nothing yet.
        if !announced.waits {
            drain(body).await;
        }
        return Err(ApiError::too_large(limits.bytes));
    }
    let (began, mut whole) = (Instant::now(), BytesMut::new());
    let mut last = began;
    loop {
        let deadline = limits.deadline(began, last, whole.len() as u64);
        let Ok(piece) = tokio::time::timeout_at(deadline.into(), body.next()).await else {
            let words =
                format!("the body came too slowly: send at least {} bytes a second", limits.bytes_per_s);
            return Err(ApiError::new(http::StatusCode::REQUEST_TIMEOUT, "timeout", words));
        };
        let Some(piece) = piece else { return Ok(whole.freeze()) };
        let piece = piece.map_err(|_| ApiError::bad_request("the body broke off"))?;
        if (whole.len() + piece.len()) as u64 > limits.bytes {
            drain(body).await;
            return Err(ApiError::too_large(limits.bytes));
        }
        whole.extend_from_slice(&piece);
        last = Instant::now();
    }
}

/// Turns what a handler returned into a response.
pub async fn answer(result: impl Future<Output = Result<Response, ApiError>>) -> Response {
    result.await.unwrap_or_else(ApiError::into_response)
}
