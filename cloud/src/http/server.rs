//! The listener: connections to requests, with limits and an end that drains.
#![allow(clippy::disallowed_methods, reason = "a driver: it keeps time limits on sockets")]

use super::call::{BodyLimit, Peer};
use super::router::Router;
use crate::app::App;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::SockRef;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How long a request's header may take to come, and how long an idle connection is kept.
const HEADER_LIMIT: Duration = Duration::from_secs(20);
/// Largest request header.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// How long a reader may take nothing of what was sent.
const STALLED: Duration = Duration::from_secs(60);

/// Says why the server does not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`http.listen`): {source}{}", hint(source))]
pub struct ServeError {
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

/// A listener that is bound but does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let wrong = |source| ServeError { address, source };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, address })
    }

    /// The address with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the app's shutdown, then lets running requests end.
    pub async fn run(self, app: App, router: Router) {
        let places = Arc::new(Semaphore::new(app.config.http.max_connections));
        let graceful = GracefulShutdown::new();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_LIMIT)
            .max_buf_size(MAX_HEADER_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HEADER_LIMIT)
            .max_header_list_size(MAX_HEADER_BYTES as u32)
            .max_concurrent_streams(MAX_STREAMS);
        loop {
            let place = tokio::select! {
                () = app.shutdown.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = app.shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
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
            let service = connection(stream, peer, &app, &router);
            let connection = builder.serve_connection_with_upgrades(service.0, service.1);
            let connection = graceful.watch(connection.into_owned());
            let counters = Arc::clone(&app.http_counters);
            tokio::spawn(async move {
                counters.connections.fetch_add(1, Ordering::Relaxed);
                if let Err(error) = connection.await {
                    tracing::debug!(%peer, %error, "an HTTP connection broke");
                }
                counters.connections.fetch_sub(1, Ordering::Relaxed);
                drop(place);
            });
        }
        drop(self.listener);
        let limit = Duration::from_millis(app.config.http.drain_ms);
        if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
            tracing::info!("ended while requests were running");
        }
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: &App,
    router: &Router,
) -> (
    TokioIo<TcpStream>,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = super::Response,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + use<>,
) {
    // Parts of live streams are small answers that must leave at once.
    let _ = stream.set_nodelay(true);
    // A reader that takes nothing is cut off by the kernel, and with it what is held for it.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED));
    let limit = BodyLimit(app.config.http.max_body_bytes);
    let (router, counters) = (router.clone(), Arc::clone(&app.http_counters));
    let service = service_fn(move |mut request: Request<Incoming>| {
        counters.requests.fetch_add(1, Ordering::Relaxed);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(limit);
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.call(request).await) }
    });
    (TokioIo::new(stream), service)
}
