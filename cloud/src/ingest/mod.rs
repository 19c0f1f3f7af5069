//! RTMP ingest: takes broadcasts in, checks their stream keys and hands their frames on.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;

use stagebox_media::Packet;
use stagebox_media::rtmp::LeftOut;
use tokio::net::TcpListener;

mod broadcast;
mod connection;
mod counters;
mod limits;
mod listener;
mod occupancy;
mod pace;
mod phase;
#[cfg(test)]
mod tests;
mod wire;

pub use counters::Counters;
pub use limits::IngestLimits;
pub use listener::{Ingest, serve};

use crate::app::App;

/// The application of every URL that encoders push to.
pub const APP: &str = "live";

/// What asks to be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// The stream key, as the encoder sent it.
    pub key: String,
    /// Where the encoder connects from.
    pub source: SocketAddr,
    /// What the encoder calls itself.
    pub encoder: String,
}

/// Why a broadcast is not taken; the text is what the person at the encoder reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No event has this key.
    #[error("unknown stream key: copy it anew from the event's page")]
    UnknownKey,
    /// One publisher a key.
    #[error("already publishing: another encoder sends with this stream key")]
    AlreadyPublishing,
    /// The event is over.
    #[error("the event has ended: its stream key is no longer valid")]
    Ended,
    /// Whoever runs the server keeps the account out.
    #[error("the account of this event is suspended")]
    Suspended,
    /// The account has as many as it may.
    #[error(
        "the account's limit of broadcasts at a time, {0}, is reached: end one first, or have the limit raised"
    )]
    TooMany(u64),
    /// Another process takes the event in.
    #[error("{0}")]
    Elsewhere(String),
    /// Our fault, told without details.
    #[error("the server cannot take the stream now: try again soon")]
    Unavailable,
}

/// Decides on broadcasts; what lies behind it knows events and packaging.
pub trait Publishing: Clone + Send + Sync + 'static {
    /// Takes one broadcast's frames.
    type Publisher: Publisher;

    /// Looks the key up and begins.
    fn publish(&self, broadcast: &Broadcast)
    -> impl Future<Output = Result<Self::Publisher, Refused>> + Send;
}

/// One broadcast's way inwards.
pub trait Publisher: Send {
    /// Hands a packet on; waiting here slows the encoder down.
    fn send(&mut self, packet: Packet) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Tells what of the stream could not be used.
    fn left_out(&mut self, left_out: LeftOut) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Ends it; the key is free for the next one only afterwards.
    fn leave(self) -> impl Future<Output = ()> + Send;
}

/// The broadcast is not wanted any more: the reason, for the person at the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone(pub String);

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Listens at the configured addresses and takes broadcasts until the shutdown.
pub async fn start(app: App) -> std::io::Result<()> {
    let config = &app.config.rtmp;
    let plain = bind("rtmp.listen", config.listen).await?;
    let _ = app.addresses.rtmp.set(plain.local_addr()?);
    let ingest = Ingest::new(app.clone(), IngestLimits::default(), app.shutdown.clone());
    if let (Some(address), Some(tls)) = (config.tls_listen.address(), &app.tls) {
        let listener = bind("rtmp.tls_listen", address).await?;
        let _ = app.addresses.rtmps.set(listener.local_addr()?);
        tokio::spawn(serve(listener, Some(tls.acceptor(&[])), ingest.clone()));
    }
    tokio::spawn(serve(plain, None, ingest));
    Ok(())
}

async fn bind(field: &str, address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let text = format!("cannot listen on {address} (`{field}`): {error}");
        std::io::Error::new(error.kind(), text)
    })
}
