//! Accepts connections, as many as there may be.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::occupancy::Occupancy;
use super::wire::Wire;
use super::{Counters, IngestLimits, Publishing};

/// How long connections get to say goodbye at shutdown.
const FAREWELL: Duration = Duration::from_secs(2);
/// Rest after a failed accept: mostly too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What all connections share.
#[derive(Debug, Clone)]
pub struct Ingest<P> {
    pub(super) publishing: P,
    pub(super) limits: IngestLimits,
    pub(super) counters: Arc<Counters>,
    pub(super) shutdown: CancellationToken,
    pub(super) occupancy: Occupancy,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl<P: Publishing> Ingest<P> {
    /// Makes it ready; nothing listens yet.
    pub fn new(publishing: P, limits: IngestLimits, shutdown: CancellationToken) -> Self {
        Self {
            publishing,
            limits,
            counters: Arc::default(),
            shutdown,
            occupancy: Occupancy::new(Instant::now()),
            addresses: Arc::default(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Counts a connection in; `None` when there are too many.
    fn admit(&self, address: IpAddr) -> Option<Seat> {
        let mut seats = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = seats.values().sum();
        let own = seats.entry(address).or_insert(0);
        if total >= self.limits.max_connections || *own >= self.limits.max_connections_per_address {
            if *own == 0 {
                seats.remove(&address);
            }
            return None;
        }
        *own += 1;
        Some(Seat { address, addresses: Arc::clone(&self.addresses) })
    }
}

/// A connection's place among the admitted; given back when dropped.
struct Seat {
    address: IpAddr,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = seats.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                seats.remove(&self.address);
            }
        }
    }
}

/// Takes connections until the shutdown, then waits a moment for the last ones; with an acceptor they are encrypted.
pub async fn serve<P: Publishing>(listener: TcpListener, acceptor: Option<TlsAcceptor>, ingest: Ingest<P>) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ingest.shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(task) = take(&ingest, stream, acceptor.clone(), peer) {
                    tasks.spawn(task);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an RTMP connection");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(FAREWELL, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "RTMP connections did not end in time");
    }
}

fn take<P: Publishing>(
    ingest: &Ingest<P>,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    peer: SocketAddr,
) -> Option<impl Future<Output = ()> + use<P>> {
    let Some(seat) = ingest.admit(peer.ip()) else {
        ingest.counters.turned_away();
        tracing::warn!(%peer, "too many RTMP connections: turned away");
        return None;
    };
    ingest.counters.connected();
    let ingest = ingest.clone();
    Some(async move {
        if let Some(wire) = wire(&ingest, stream, acceptor, peer).await {
            Connection::new(wire, peer, ingest).run().await;
        }
        drop(seat);
    })
}

/// The connection to speak RTMP over, once it is encrypted where it is to be.
async fn wire<P: Publishing>(
    ingest: &Ingest<P>,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    peer: SocketAddr,
) -> Option<Wire> {
    let Some(acceptor) = acceptor else { return Some(Wire::Plain(stream)) };
    let shaken = tokio::select! {
        () = ingest.shutdown.cancelled() => return None,
        shaken = tokio::time::timeout(ingest.limits.handshake, acceptor.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => return Some(Wire::Tls(Box::new(stream))),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with an encoder"),
        Err(_) => tracing::debug!(%peer, "an encoder did not begin TLS in time"),
    }
    None
}
