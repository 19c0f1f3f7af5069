//! The listener: connections to requests, with limits and an end that drains.
#![allow(clippy::disallowed_methods, reason = "a driver: it keeps time limits on sockets")]

use super::Response;
use super::call::{BodyLimit, Peer};
use super::origin::{Https, Proxies};
use super::router::Router;
use crate::app::{Addresses, App};
use crate::config::{Http, Listen};
use crate::tls::PROOF_PROTOCOL;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use socket2::SockRef;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// How long a request's header may take to come, and how long an idle connection is kept.
const HEADER_LIMIT: Duration = Duration::from_secs(20);
/// How long a client may take to begin TLS.
const SHAKE_LIMIT: Duration = Duration::from_secs(10);
/// A year without plaintext (RFC 6797), for browsers that saw a certificate they trust.
const HTTPS_FROM_NOW_ON: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// Largest request header.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// How long a reader may take nothing of what was sent.
const STALLED: Duration = Duration::from_secs(60);

/// Says why the server does not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`{field}`): {source}{}", hint(source))]
pub struct ServeError {
    field: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "; another program has this port: end it, or set another one",
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: set a higher one",
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

/// What the server counts.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
}

impl Counters {
    /// Connections that are open.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Listeners that are bound but do not answer yet.
pub struct Server {
    plain: TcpListener,
    tls: Option<TcpListener>,
}

impl Server {
    /// Takes the addresses.
    pub async fn bind(config: &Http) -> Result<Self, ServeError> {
        let plain = bind("http.listen", config.listen).await?;
        let tls = match config.tls_listen {
            Listen::At(address) => Some(bind("http.tls_listen", address).await?),
            Listen::Off => None,
        };
        Ok(Self { plain, tls })
    }

    /// Tells the addresses with the ports that they got.
    pub fn tell(&self, addresses: &Addresses) {
        // A listener that was bound has an address.
        for (listener, place) in [(Some(&self.plain), &addresses.http), (self.tls.as_ref(), &addresses.https)]
        {
            if let Some(address) = listener.and_then(|listener| listener.local_addr().ok()) {
                let _ = place.set(address);
            }
        }
    }

    /// Answers until the app's shutdown, then lets running requests end.
    pub async fn run(self, app: App, router: Router) {
        let server = Serving {
            places: Arc::new(Semaphore::new(app.config.http.max_connections)),
            graceful: GracefulShutdown::new(),
            builder: builder(),
            proxies: Arc::new(Proxies::new(&app.config.http.trusted_proxies)),
            app,
            router,
        };
        let acceptor = server.app.tls.as_ref().map(|tls| tls.acceptor(&[b"h2", b"http/1.1"]));
        let encrypted = async {
            if let (Some(listener), Some(acceptor)) = (self.tls, acceptor) {
                server.accept(listener, Some(acceptor)).await;
            }
        };
        tokio::join!(server.accept(self.plain, None), encrypted);
        let limit = Duration::from_millis(server.app.config.http.drain_ms);
        if tokio::time::timeout(limit, server.graceful.shutdown()).await.is_err() {
            tracing::info!("ended while requests were running");
        }
    }
}

async fn bind(field: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError { field, address, source })
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT).max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_LIMIT)
        .max_header_list_size(MAX_HEADER_BYTES as u32)
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

/// What all connections share.
struct Serving {
    app: App,
    router: Router,
    places: Arc<Semaphore>,
    graceful: GracefulShutdown,
    builder: auto::Builder<TokioExecutor>,
    proxies: Arc<Proxies>,
}

impl Serving {
    /// Takes connections until the shutdown.
    async fn accept(&self, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
        loop {
            let place = tokio::select! {
                () = self.app.shutdown.cancelled() => return,
                place = Arc::clone(&self.places).acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = self.app.shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of files, most likely: wait for some to be closed.
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            // Parts of live streams are small answers that must leave at once.
            let _ = stream.set_nodelay(true);
            // A reader that takes nothing is cut off by the kernel, and with it what is held for it.
            let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED));
            let answered = self.answer(stream, peer, acceptor.clone());
            let counters = Arc::clone(&self.app.http_counters);
            tokio::spawn(async move {
                counters.connections.fetch_add(1, Ordering::Relaxed);
                answered.await;
                counters.connections.fetch_sub(1, Ordering::Relaxed);
                drop(place);
            });
        }
    }

    /// Answers one connection's requests, once it is encrypted where it is to be.
    fn answer(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<TlsAcceptor>,
    ) -> impl Future<Output = ()> + use<> {
        let (builder, watcher) = (self.builder.clone(), self.graceful.watcher());
        let service = Connection {
            router: self.router.clone(),
            counters: Arc::clone(&self.app.http_counters),
            proxies: Arc::clone(&self.proxies),
            limit: BodyLimit(self.app.config.http.max_body_bytes),
            peer,
            tls: acceptor.is_some(),
        };
        let shutdown = self.app.shutdown.clone();
        async move {
            let Some(acceptor) = acceptor else {
                return converse(&builder, watcher, stream, service).await;
            };
            let shaken = tokio::select! {
                () = shutdown.cancelled() => return,
                shaken = tokio::time::timeout(SHAKE_LIMIT, acceptor.accept(stream)) => shaken,
            };
            match shaken {
                // An authority has seen what it wanted to see.
                Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(PROOF_PROTOCOL) => {}
                Ok(Ok(stream)) => converse(&builder, watcher, stream, service).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a client"),
                Err(_) => tracing::debug!(%peer, "a client did not begin TLS in time"),
            }
        }
    }
}

async fn converse<S>(builder: &auto::Builder<TokioExecutor>, watcher: Watcher, stream: S, service: Connection)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = service.peer;
    let service = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%peer, %error, "an HTTP connection broke");
    }
}

/// What the requests of one connection share.
#[derive(Clone)]
struct Connection {
    router: Router,
    counters: Arc<Counters>,
    proxies: Arc<Proxies>,
    limit: BodyLimit,
    peer: SocketAddr,
    tls: bool,
}

impl Connection {
    async fn answer(&self, mut request: Request<Incoming>) -> Response {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let headers = request.headers();
        let origin = self.proxies.origin(headers, self.peer, self.tls);
        let origin = origin.and_then(|origin| origin.refuse_open_passwords(headers).map(|()| origin));
        let origin = match origin {
            Ok(origin) => origin,
            Err(refused) => return refused.into_response(),
        };
        let extensions = request.extensions_mut();
        extensions.insert(Peer(origin.client));
        extensions.insert(Https(origin.https));
        extensions.insert(self.limit);
        let mut response = self.router.call(request).await;
        if origin.https {
            response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_FROM_NOW_ON);
        }
        response
    }
}
