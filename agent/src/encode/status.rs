//! What the supervisor of the media process is told, and what it tells.

use std::path::PathBuf;

use stagebox_protocol::telemetry::{EncoderState, EncoderStatus};
use stagebox_push::Hub;

use super::{MediaSetup, MediaStats};

/// Where frames go: to the outputs, and to the recorder, which gets the same ones unless it has an encode of its own.
#[derive(Debug, Clone, Default)]
pub struct Hubs {
    pub stream: Hub,
    pub recording: Hub,
}

impl Hubs {
    #[must_use]
    pub fn new() -> Self {
        Self { stream: Hub::new(), recording: Hub::new() }
    }

    /// Ends everything that reads from them.
    pub fn close(&self) {
        self.stream.close();
        self.recording.close();
    }
}

/// How to run the child.
#[derive(Debug, Clone)]
pub struct EncoderSetup {
    /// The agent's own program.
    pub program: PathBuf,
    pub media: MediaSetup,
}

/// How capture and encoding are doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaStatus {
    pub state: EncoderState,
    pub stats: MediaStats,
    pub restarts: u32,
    /// Why it failed last; gone once it runs.
    pub error: Option<String>,
    /// The failure will stay until configuration or installation change.
    pub configuration: bool,
    /// Which encoder does not encode although it should, and why.
    pub degraded: Option<String>,
    /// The number of the setup that the process was started with; 0 for the first.
    pub setup: u64,
    /// The process that captures and encodes.
    pub pid: Option<u32>,
}

impl MediaStatus {
    /// The part of the box's status about the encoder.
    #[must_use]
    pub fn encoder(&self) -> EncoderStatus {
        EncoderStatus {
            state: self.state,
            name: self.stats.encoder.clone(),
            bitrate_kbps: self.stats.bitrate_kbps,
            lowered_to_kbps: self.stats.lowered_to_kbps,
            fps: self.stats.fps,
            frames: self.stats.frames,
            dropped_frames: self.stats.dropped_frames,
            restarts: self.restarts,
            error: self
                .error
                .clone()
                .or_else(|| self.stats.trouble.clone())
                .or_else(|| self.stats.sound_trouble.clone()),
            degraded: self.degraded.clone(),
            recording_kbps: self.stats.recording_kbps,
            not_twice: self.stats.not_twice.clone(),
        }
    }
}
