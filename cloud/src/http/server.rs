//! The listener: connections to requests, with limits and an end that drains.
#![allow(clippy::disallowed_methods, reason = "a driver: it keeps time limits on sockets")]

use super::connection::{self, Connections};
use super::places::{Place, Places};
use super::problem::ApiError;
use super::quota::source;
use super::router::Router;
use crate::app::{Addresses, App};
use crate::config::{Http, Listen};
use futures_util::FutureExt as _;
use socket2::SockRef;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

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
    pub(super) requests: AtomicU64,
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
    ///
    /// Whoever has connected by then is answered still, and told to go elsewhere with what comes next.
    pub async fn run(self, app: App, router: Router) {
        let config = &app.config.http;
        let limit = Duration::from_millis(config.drain_ms);
        let server = Arc::new(Serving {
            places: Arc::new(Semaphore::new(config.max_connections)),
            of_address: Places::new(usize::MAX, config.max_connections_per_address),
            connections: Connections::new(&app, router),
            running: TaskTracker::new(),
            app,
        });
        let acceptor = server.app.tls.as_ref().map(|tls| tls.acceptor(&[b"h2", b"http/1.1"]));
        let encrypted = async {
            if let (Some(listener), Some(acceptor)) = (self.tls, acceptor) {
                server.accept(listener, Some(acceptor)).await;
            }
        };
        tokio::join!(server.accept(self.plain, None), encrypted);
        server.running.close();
        if tokio::time::timeout(limit, server.running.wait()).await.is_err() {
            tracing::info!("ended while requests were running");
        }
    }
}

async fn bind(field: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError { field, address, source })
}

/// A connection that is counted until this is dropped.
struct Open(Arc<Counters>);

impl Open {
    fn one_more(counters: &Arc<Counters>) -> Self {
        counters.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What both listeners share.
struct Serving {
    app: App,
    places: Arc<Semaphore>,
    of_address: Places<IpAddr>,
    connections: Connections,
    running: TaskTracker,
}

impl Serving {
    /// Takes connections until the shutdown, and then those that have come before it.
    async fn accept(&self, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
        loop {
            let place = tokio::select! {
                () = self.app.shutdown.cancelled() => break,
                place = Arc::clone(&self.places).acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = self.app.shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.begin(stream, peer, acceptor.clone(), place.ok()),
                Err(error) => {
                    // Out of files, most likely: wait for some to be closed.
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        let Ok(listener) = listener.into_std() else { return };
        // Not blocking: it ends when nobody waits to be taken.
        while let (Ok((stream, peer)), Ok(place)) =
            (listener.accept(), Arc::clone(&self.places).try_acquire_owned())
        {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.begin(stream, peer, acceptor.clone(), Some(place));
            }
        }
    }

    fn begin(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<TlsAcceptor>,
        place: Option<tokio::sync::OwnedSemaphorePermit>,
    ) {
        let Ok(of_address) = self.place(peer) else {
            tracing::debug!(%peer, "an address has all its connections");
            if acceptor.is_none() {
                // As far as it goes at once: nobody waits for whoever has too many already.
                let _ = stream.try_write(&connection::refusal(&too_many_connections()));
            }
            return;
        };
        // Parts of live streams are small answers that must leave at once.
        let _ = stream.set_nodelay(true);
        // A reader that takes nothing is cut off by the kernel, and with it what is held for it.
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED));
        let answered = self.connections.answer(stream, peer, acceptor);
        let open = Open::one_more(&self.app.http_counters);
        // Not within another block, which would hold its state twice.
        self.running.spawn(answered.map(move |()| drop((open, place, of_address))));
    }

    /// Behind a trusted proxy are many clients: it needs no place of its address.
    fn place(&self, peer: SocketAddr) -> Result<Option<Place<IpAddr>>, ()> {
        if self.connections.trusts(peer) {
            return Ok(None);
        }
        self.of_address.take(source(Some(peer))).map(Some).ok_or(())
    }
}

fn too_many_connections() -> ApiError {
    let words = "your address has too many connections (`http.max_connections_per_address`): close some";
    ApiError::too_many(words, 1)
}
