//! What one client, and all together, may take.

use std::time::Duration;

use stagebox_media::rtmp::Limits;

/// Bounds of time, number, size and rate.
#[derive(Debug, Clone, Copy)]
pub struct IngestLimits {
    /// Connections at the same time.
    pub max_connections: usize,
    /// Connections of one address at the same time.
    pub max_connections_per_address: usize,
    /// For the handshake, from the first byte awaited to the last.
    pub handshake: Duration,
    /// From the handshake to the wish to publish.
    pub request: Duration,
    /// Without a byte from a publisher.
    pub idle: Duration,
    /// For the client to take what we answer.
    pub write: Duration,
    /// A silent publisher makes way for a new one with the same key after this time.
    pub give_way: Duration,
    /// Bytes a second that a client may send; faster ones are slowed down, not cut off.
    pub max_bytes_per_s: u64,
    /// Sizes within the protocol.
    pub rtmp: Limits,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_connections_per_address: 64,
            handshake: Duration::from_secs(5),
            request: Duration::from_secs(10),
            idle: Duration::from_secs(20),
            write: Duration::from_secs(5),
            give_way: Duration::from_secs(3),
            max_bytes_per_s: 12_500_000,
            rtmp: Limits::default(),
        }
    }
}
