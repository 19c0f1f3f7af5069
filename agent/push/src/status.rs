//! What an output does, for those who look at it.

use std::time::Instant;

/// How far an output came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputState {
    /// No target, or not live.
    Off,
    Connecting,
    /// The server takes the stream.
    Sending,
    /// It failed; it connects again by itself, or at once when told to.
    Waiting,
}

/// What an output does, and how well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputStatus {
    pub state: OutputState,
    /// Since when it has been off, has been sending, or has been trying to: attempts that fail one after another
    /// are one time of trying.
    pub since: Instant,
    /// The target's address without the stream key. Its path and query may be a secret all the same: some services
    /// put one there.
    pub url: Option<String>,
    /// What leaves.
    pub bitrate_kbps: u32,
    /// How much waits to be sent.
    pub queued_ms: u32,
    /// What was sent so far, over all connections.
    pub sent_bytes: u64,
    /// Frames that were left out because the line was too slow, over all connections.
    pub dropped_frames: u64,
    /// Streams begun after a failure.
    pub reconnects: u32,
    /// Why it failed last, until the server takes the stream again; in words, without the stream key.
    pub error: Option<String>,
}

impl OutputStatus {
    /// That of an output which was never told anything.
    pub(crate) fn idle(now: Instant) -> Self {
        Self {
            state: OutputState::Off,
            since: now,
            url: None,
            bitrate_kbps: 0,
            queued_ms: 0,
            sent_bytes: 0,
            dropped_frames: 0,
            reconnects: 0,
            error: None,
        }
    }
}
