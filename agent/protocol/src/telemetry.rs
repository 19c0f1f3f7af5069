//! `telemetry`, and the status of a box that panel, dashboard and cloud see alike.

use crate::{command::Origin, id::BootId, timestamp::Timestamp};
use serde::{Deserialize, Serialize};

/// The payload of `telemetry`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    pub boot_id: BootId,
    pub mono_ms: u64,
    pub ts: Timestamp,
    pub clock_synced: bool,
    #[serde(flatten)]
    pub status: BoxStatus,
}

/// What a box is doing now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoxStatus {
    pub live: LiveStatus,
    pub recording: RecordingStatus,
    pub signal: SignalStatus,
    pub encoder: EncoderStatus,
    pub outputs: Vec<OutputStatus>,
    /// One entry a channel; empty without sound.
    pub audio: Vec<AudioLevel>,
    pub storage: StorageStatus,
    pub temperature_c: Option<f32>,
    /// Of all cores together, 0 to 100.
    pub cpu_percent: Option<f32>,
    /// How long the box still blinks so that it is found; 0 when it does not.
    pub identify_ms: u32,
}

/// Whether the box means to push, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveStatus {
    pub state: LiveState,
    pub since_ms: Option<u64>,
    /// Who changed the intent last.
    pub origin: Option<Origin>,
}

/// The box's intent to push, and how far it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    #[default]
    Off,
    /// Meant to be live, and no output is connected yet.
    Connecting,
    /// At least one output sends, another does not.
    Degraded,
    /// All outputs send.
    Live,
    /// A state of a newer contract.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordingStatus {
    pub state: RecordingState,
    /// Who changed the intent last.
    pub origin: Option<Origin>,
    /// The file being written, without its folder.
    pub file: Option<String>,
    pub duration_ms: u64,
    pub bytes: u64,
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    #[default]
    Off,
    /// Meant to record, and no frame is written yet.
    Starting,
    Recording,
    /// It does not record although it should; `error` says why.
    Failed,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalStatus {
    pub state: SignalState,
    /// What is plugged in, in words: `HDMI`, a file's name, `test pattern`.
    pub source: String,
    pub width: u32,
    pub height: u32,
    pub fps: f32,
    pub audio: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalState {
    #[default]
    None,
    /// Something is plugged in that is not stable yet.
    Unstable,
    Locked,
    /// A signal that the box cannot take.
    OutOfRange,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderStatus {
    pub state: EncoderState,
    /// The encoder's name, `x264enc`.
    pub name: String,
    pub bitrate_kbps: u32,
    pub fps: f32,
    pub frames: u64,
    pub dropped_frames: u64,
    pub restarts: u32,
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderState {
    #[default]
    Stopped,
    Starting,
    Running,
    Failed,
    #[serde(other)]
    Unknown,
}

/// Which of a box's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputRole {
    Main,
    Backup,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputStatus {
    pub role: OutputRole,
    #[serde(default)]
    pub state: OutputState,
    /// Without the stream key.
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub bitrate_kbps: u32,
    #[serde(default)]
    pub queued_ms: u32,
    #[serde(default)]
    pub sent_bytes: u64,
    #[serde(default)]
    pub dropped_frames: u64,
    #[serde(default)]
    pub reconnects: u32,
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputState {
    /// No target, or not live.
    #[default]
    Off,
    Connecting,
    /// The server takes the stream.
    Sending,
    /// It failed; the box connects again soon, or at once on `reconnect`.
    Waiting,
    #[serde(other)]
    Unknown,
}

/// The level of one audio channel over the last second, in dB below full scale; silence is -120.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AudioLevel {
    pub peak_dbfs: f32,
    pub rms_dbfs: f32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageStatus {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// How long the box can still record at the present bitrate.
    pub remaining_s: Option<u64>,
}
