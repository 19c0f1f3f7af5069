//! The recorder: encoded frames to files on the box.
//!
//! Fragmented MP4, a fragment every half second, each on disk before the next:
//! a power cut costs no more than that. Files are split at keyframes. Beside
//! them lies `manifest.json`; the files alone are enough to rebuild it.

mod driver;
mod index;
mod name;
mod repair;
mod room;
mod state;
mod writer;

#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use stagebox_protocol::telemetry::{RecordingState, RecordingStatus};

pub use driver::{RecorderHandle, spawn};
pub use index::Recording;
pub use room::{Room, WhenFull};

use crate::durable::DurableError;

/// Where and how to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderConfig {
    /// Made if it is not there.
    pub dir: PathBuf,
    /// Seconds after which the next keyframe begins a new file.
    pub segment_s: u32,
    /// Bytes after which it does; what FAT32 can hold where not given.
    pub segment_bytes: Option<u64>,
    pub room: Room,
}

impl RecorderConfig {
    /// Records into a folder for as long as there is room on its disk.
    #[must_use]
    pub fn new(dir: PathBuf, segment_s: u32) -> Self {
        Self { dir, segment_s, segment_bytes: None, room: Room::new(0, None, WhenFull::Stop, None) }
    }
}

/// Why the recorder cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot keep the index of recordings: {0}")]
    Index(#[from] DurableError),
    #[error("cannot start the recorder's thread: {0}")]
    Thread(std::io::Error),
}

/// What the recorder is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RecorderState {
    #[default]
    Off,
    /// Meant to record, and waiting for a keyframe.
    Starting,
    Recording,
    /// It cannot write, and tries again by itself.
    Failed,
}

/// The recorder's state and what it has on disk since the last start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecorderStatus {
    pub state: RecorderState,
    /// The file being written, without its folder.
    pub file: Option<String>,
    pub duration_ms: u64,
    pub bytes: u64,
    /// Video frames.
    pub frames: u64,
    /// Frames that were lost because the disk was too slow.
    pub dropped_frames: u64,
    /// Room on the disk, where it could be asked.
    pub free_bytes: Option<u64>,
    /// What went wrong, and what to do about it.
    pub error: Option<String>,
}

impl From<&RecorderStatus> for RecordingStatus {
    /// Who asked for it is for others to say.
    fn from(status: &RecorderStatus) -> Self {
        Self {
            state: match status.state {
                RecorderState::Off => RecordingState::Off,
                RecorderState::Starting => RecordingState::Starting,
                RecorderState::Recording => RecordingState::Recording,
                RecorderState::Failed => RecordingState::Failed,
            },
            origin: None,
            file: status.file.clone(),
            duration_ms: status.duration_ms,
            bytes: status.bytes,
            error: status.error.clone(),
        }
    }
}
