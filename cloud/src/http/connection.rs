//! One connection: its requests one after the other, from its first byte to its end.
#![allow(clippy::disallowed_methods, reason = "a driver: it keeps time limits on sockets")]

use super::Response;
use super::call::Peer;
use super::content::FileRange;
use super::edge::{self, Edge};
use super::origin::{Https, Proxies};
use super::pace::BodyLimits;
use super::problem::ApiError;
use super::request_id::{Names, REQUEST_ID, RequestId};
use super::router::Router;
use super::sendfile::Carrier;
use super::sent::{Activity, Line, Rest, Sent};
use super::server::Counters;
use crate::access::Caller;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Http;
use crate::tls::PROOF_PROTOCOL;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// How long a client may take to begin TLS.
const SHAKE_LIMIT: Duration = Duration::from_secs(10);
/// A year without plaintext (RFC 6797), for browsers that saw a certificate they trust.
const HTTPS_FROM_NOW_ON: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What the HTTP library reads of a header before it refuses it: beyond what is refused in words.
const READ_BYTES: usize = 2 * edge::MAX_HEADER_BYTES;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Requests on one HTTP/2 connection that were given up by the client and not yet looked at (CVE-2023-44487).
const MAX_RESET: usize = 20;
/// Faults of the client on one HTTP/2 connection.
const MAX_FAULTS: usize = 256;
/// Bytes of answers that one HTTP/2 request has waiting.
const MAX_WAITING: usize = 256 * 1024;
/// How long a connection without a request waits for one that is on its way, once the server ends.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// What all connections share.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    router: Router,
    builder: auto::Builder<TokioExecutor>,
    counters: Arc<Counters>,
    proxies: Proxies,
    names: Names,
    clock: Clock,
    body: BodyLimits,
    idle: Duration,
    last_requests: Duration,
    shutdown: CancellationToken,
}

impl Connections {
    pub(super) fn new(app: &App, router: Router) -> Self {
        let config = &app.config.http;
        Self(Arc::new(Shared {
            router,
            builder: builder(config),
            counters: Arc::clone(&app.http_counters),
            proxies: Proxies::new(&config.trusted_proxies),
            names: Names::new(),
            clock: app.clock.clone(),
            body: config.body_limits(),
            idle: Duration::from_millis(config.idle_ms),
            last_requests: LAST_REQUESTS.min(Duration::from_millis(config.drain_ms / 2)),
            shutdown: app.shutdown.clone(),
        }))
    }

    /// Whether a connection comes from a proxy that is believed.
    pub(super) fn trusts(&self, peer: SocketAddr) -> bool {
        self.0.proxies.trust(peer.ip())
    }

    /// Answers one connection's requests, once it is encrypted where it is to be.
    pub(super) fn answer(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<TlsAcceptor>,
    ) -> impl Future<Output = ()> + use<> {
        let activity = Arc::default();
        let connection = Connection { shared: Arc::clone(&self.0), activity, peer, tls: acceptor.is_some() };
        async move {
            let Some(acceptor) = acceptor else { return connection.converse(stream).await };
            let shared = Arc::clone(&connection.shared);
            let ends = async {
                shared.shutdown.cancelled().await;
                tokio::time::sleep(shared.last_requests).await;
            };
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(SHAKE_LIMIT, acceptor.accept(stream)) => shaken,
                () = ends => return,
            };
            match shaken {
                // An authority has seen what it wanted to see.
                Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(PROOF_PROTOCOL) => {}
                Ok(Ok(stream)) => Box::pin(connection.converse(stream)).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a client"),
                Err(_) => tracing::debug!(%peer, "a client did not begin TLS in time"),
            }
        }
    }
}

fn builder(config: &Http) -> auto::Builder<TokioExecutor> {
    let header = Duration::from_millis(config.header_ms);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header).max_buf_size(READ_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(header)
        .keep_alive_timeout(header)
        .max_header_list_size(READ_BYTES as u32)
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET)
        .max_local_error_reset_streams(MAX_FAULTS)
        .max_send_buf_size(MAX_WAITING);
    builder
}

/// What the requests of one connection share.
#[derive(Clone)]
struct Connection {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    peer: SocketAddr,
    tls: bool,
}

impl Connection {
    async fn converse<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Carrier + Unpin + Send + 'static,
    {
        let Self { shared, activity, peer, .. } = self.clone();
        let service = service_fn(move |request| {
            let connection = self.clone();
            // Boxed, as the library keeps a place for it for as long as the connection is there.
            Box::pin(async move { Ok::<_, Infallible>(connection.answer(request).await) })
        });
        let stream = TokioIo::new(Edge::new(stream, Arc::clone(&activity)));
        let mut connection = std::pin::pin!(shared.builder.serve_connection_with_upgrades(stream, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = shared.has_to_end(&activity) => None,
            () = shared.is_stuck(&activity) => return,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = shared.is_stuck(&activity) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "an HTTP connection broke");
        }
    }

    async fn answer(&self, mut request: Request<Incoming>) -> http::Response<Sent> {
        let shared = &self.shared;
        shared.counters.requests.fetch_add(1, Ordering::Relaxed);
        let busy = self.activity.begin();
        let given =
            if shared.proxies.trust(self.peer.ip()) { RequestId::given(request.headers()) } else { None };
        let id = given.unwrap_or_else(|| shared.names.next());
        let mut line = Line::begin(request.method(), request.uri().path(), &shared.clock);
        let is_head = request.method() == Method::HEAD;
        let may_be_kept = request.version() == Version::HTTP_11;
        // HTTP/2 has frames of its own.
        let kernel_sends = !self.tls && request.version() <= Version::HTTP_11;
        // Of the level of errors, so that every line that is written has it.
        let span = tracing::error_span!("request", %id);
        let answer = async {
            let origin = match self.origin(&request) {
                Ok(origin) => origin,
                Err(refused) => return (refused.into_response(), self.tls),
            };
            let extensions = request.extensions_mut();
            extensions.insert(Peer(origin.client));
            extensions.insert(Https(origin.https));
            extensions.insert(shared.body);
            let answered = AssertUnwindSafe(shared.router.call(request)).catch_unwind().await;
            (answered.unwrap_or_else(|_| ApiError::panicked().into_response()), origin.https)
        };
        let (mut response, https) = id.clone().during(answer).instrument(span.clone()).await;
        if let Some(line) = &mut line {
            line.answered(response.status(), response.extensions().get::<Caller>().map(|caller| caller.user));
        }
        if is_early(&response) {
            self.activity.cut();
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id.value());
        if https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_FROM_NOW_ON);
        }
        if may_be_kept && (shared.shutdown.is_cancelled() || self.activity.is_cut()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let file = response.extensions_mut().remove::<FileRange>();
        let (mut head, body) = response.into_parts();
        let rest = match file {
            None => Rest::Made(body),
            Some(range) if kernel_sends => Rest::Kernel(range),
            Some(range) => Rest::Read(range),
        };
        let length = rest.size_hint().exact().filter(|length| is_head && *length > 0);
        if let Some(length) = length {
            // The library leaves the body out of HTTP/1.1 only.
            head.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
        }
        let rest = if is_head { Rest::Made(Response::default().into_body()) } else { rest };
        http::Response::from_parts(head, Sent::new(rest, line, span, busy))
    }

    /// Whom a request comes from, if it may come at all.
    fn origin(&self, request: &Request<Incoming>) -> Result<super::origin::Origin, ApiError> {
        edge::check_head(request)?;
        let origin = self.shared.proxies.origin(request.headers(), self.peer, self.tls)?;
        origin.refuse_open_passwords(request.headers())?;
        Ok(origin)
    }
}

impl Shared {
    /// Returns when a connection takes no more requests: it has been idle for long, or the server ends.
    async fn has_to_end(&self, activity: &Activity) {
        tokio::select! {
            () = self.shutdown.cancelled() => tokio::time::sleep(self.last_requests).await,
            () = self.idles(activity) => {}
        }
    }

    /// Returns when the client has for long taken next to nothing of what is there for it: an HTTP/2 client that opens
    /// no window looks alive to the kernel.
    async fn is_stuck(&self, activity: &Activity) {
        let every = self.idle / 2;
        let least = every.as_millis() as u64 * self.body.bytes_per_s / 1000;
        let mut before = activity.outbound();
        loop {
            tokio::time::sleep(every).await;
            let now = activity.outbound();
            if now.is_stuck_since(&before, least) {
                return;
            }
            before = now;
        }
    }

    async fn idles(&self, activity: &Activity) {
        loop {
            let begun = activity.begun();
            tokio::time::sleep(self.idle).await;
            if activity.is_idle() && activity.begun() == begun {
                return;
            }
        }
    }
}

/// Whether an answer came before the request was read to its end.
fn is_early(response: &Response) -> bool {
    matches!(
        response.status(),
        StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}

/// A problem as the bytes of an answer of HTTP/1.1 after which the connection ends.
pub(super) fn refusal(problem: &ApiError) -> Vec<u8> {
    let (status, body) = (problem.status(), problem.body());
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    );
    [head.into_bytes(), body].concat()
}
