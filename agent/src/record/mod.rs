//! The recorder: encoded frames to files on the box.
//!
//! Fragmented MP4, a fragment every half second, each on disk before the next:
//! a power cut costs no more than that. Files are split at keyframes. Beside
//! them lies `manifest.json`; the files alone are enough to rebuild it, but for
//! what people said of them. A USB disk may be recorded to instead of the box's
//! own; when it goes, the recording goes on without losing a frame.

mod chores;
mod details;
mod disk;
mod driver;
mod gaps;
mod handle;
mod hasher;
mod index;
mod jobs;
mod marks;
mod mounts;
mod name;
mod open_file;
mod repair;
mod retained;
mod room;
mod slow;
mod state;
mod taken;
mod uploads;
mod usb;
mod writer;
mod written;

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod full_tests;
#[cfg(test)]
mod moving_tests;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use stagebox_protocol::telemetry::{MarkStatus, RecordingState, RecordingStatus};

pub use details::{Details, Gap, Label, Mark};
pub use handle::{RecorderHandle, spawn};
pub use index::Recording;
pub use jobs::{Now as UploadNow, Standing, UploadError, UploadJob, UploadState};
pub use mounts::Places;
pub use room::{Room, WhenFull};
pub use taken::Taken;
pub use uploads::Uploads;

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
    /// Of each disk.
    pub room: Room,
    /// Where USB disks are looked for, which are recorded to instead while one is there; none to leave them alone.
    pub usb: Option<Places>,
    /// Whether recordings are put on the list of uploads once they are closed.
    pub upload: bool,
    /// A disk for which something waits longer is too slow.
    pub slow: Duration,
    /// What files are named after until somebody says otherwise.
    pub label: Label,
}

impl RecorderConfig {
    /// Records into a folder for as long as there is room on its disk.
    #[must_use]
    pub fn new(dir: PathBuf, segment_s: u32) -> Self {
        Self {
            dir,
            segment_s,
            segment_bytes: None,
            room: Room::new(0, None, WhenFull::Stop, None),
            usb: None,
            upload: false,
            slow: Duration::from_secs(2),
            label: Label { id: None, title: String::new() },
        }
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
    /// The folder that is recorded to, or will be.
    pub dir: PathBuf,
    /// The USB disk that the folder is on; none for the box's own.
    pub disk_id: Option<String>,
    /// What that disk is called, where there is a choice.
    pub disk: Option<String>,
    /// Why it is not the one that it should be, and what to do about it.
    pub disk_error: Option<String>,
    /// The disk is too slow, and what to do about it.
    pub slow: Option<String>,
    /// The moments of this recording that were marked last.
    pub marks: Vec<MarkStatus>,
    /// Recordings that wait to be uploaded.
    pub uploads_waiting: u64,
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
            disk: status.disk.clone(),
            disk_error: status.disk_error.clone(),
            slow: status.slow.clone(),
            dropped_frames: status.dropped_frames,
            marks: status.marks.clone(),
            uploads_waiting: status.uploads_waiting,
        }
    }
}
