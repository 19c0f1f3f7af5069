//! `telemetry`, and the status of a box that panel, dashboard and cloud see alike.

use crate::machine::{InterfaceStatus, MachineWarning, MemoryStatus, PowerStatus};
use crate::{command::Origin, id::BootId, preflight::Preflight, timestamp::Timestamp};
use serde::{Deserialize, Serialize};

/// The payload of `telemetry`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxTelemetry))]
pub struct Telemetry {
    /// The run of the box that this is of.
    pub boot_id: BootId,
    /// Milliseconds since the box started.
    pub mono_ms: u64,
    /// When it was measured, by the box's clock.
    pub ts: Timestamp,
    /// Whether that clock is right.
    pub clock_synced: bool,
    #[serde(flatten)]
    pub status: BoxStatus,
}

/// What a box is doing now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BoxStatus {
    /// Whether the box means to push.
    pub live: LiveStatus,
    /// Whether it records onto its own disk.
    pub recording: RecordingStatus,
    /// What is plugged in.
    pub signal: SignalStatus,
    /// What encodes it.
    pub encoder: EncoderStatus,
    /// One entry a target.
    pub outputs: Vec<OutputStatus>,
    /// One entry a channel; empty without sound.
    pub audio: Vec<AudioLevel>,
    /// The disk for recordings.
    pub storage: StorageStatus,
    /// Of the processor, in degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Of all cores together, 0 to 100.
    pub cpu_percent: Option<f32>,
    /// How long the box still blinks so that it is found; 0 when it does not.
    pub identify_ms: u32,
    /// The machine's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStatus>,
    /// Whether it has the power and the cooling that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerStatus>,
    /// Its network interfaces that are up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<InterfaceStatus>,
    /// What is wrong with the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<MachineWarning>,
    /// The test before going live that runs, or ran last since the box's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
}

/// Whether the box means to push, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxLive))]
pub struct LiveStatus {
    /// How far it came.
    pub state: LiveState,
    /// How long it has been so, in milliseconds.
    pub since_ms: Option<u64>,
    /// Who changed the intent last.
    pub origin: Option<Origin>,
}

/// The box's intent to push, and how far it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxLiveState))]
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

/// Whether a box records onto its own disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxRecording))]
pub struct RecordingStatus {
    /// How far it came.
    pub state: RecordingState,
    /// Who changed the intent last.
    pub origin: Option<Origin>,
    /// The file being written, without its folder.
    pub file: Option<String>,
    /// How long the file is so far, in milliseconds.
    pub duration_ms: u64,
    /// Its length so far.
    pub bytes: u64,
    /// Why it does not record although it should.
    pub error: Option<String>,
    /// Which disk it is on, where the box may choose: `internal`, or `USB` and the disk's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Why it is not on the disk that it should be on, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_error: Option<String>,
    /// The disk takes it more slowly than it is made, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<String>,
    /// Frames that were lost because the disk was too slow.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_frames: u64,
    /// The moments that were marked last, the newest at the end; eight at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkStatus>,
    /// Recordings that wait to be uploaded.
    #[serde(skip_serializing_if = "is_zero")]
    pub uploads_waiting: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A moment of a recording that was marked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxMark))]
pub struct MarkStatus {
    /// Counts from 1 for as long as the daemon runs.
    pub number: u64,
    /// The file, without its folder.
    pub file: String,
    /// From the beginning of the file, in milliseconds.
    pub at_ms: u64,
    /// What happens there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// The box's intent to record, and how far it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxRecordingState))]
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

/// What is plugged into a box.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxSignal))]
pub struct SignalStatus {
    /// Whether it can be used.
    pub state: SignalState,
    /// What is plugged in, in words: `HDMI`, a file's name, `test pattern`.
    pub source: String,
    /// The picture's width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: f32,
    /// Whether there is sound.
    pub audio: bool,
    /// Why there is no picture, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong with a picture or sound that is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<SignalAlarm>,
}

/// What can be wrong with a picture or sound that is there, for as long as the box was told to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxSignalAlarm))]
pub enum SignalAlarm {
    /// Nothing is to be heard.
    Silent,
    /// The picture is black.
    Black,
    /// The picture stands still.
    Frozen,
    #[serde(other)]
    Unknown,
}

/// Whether a signal can be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxSignalState))]
pub enum SignalState {
    /// Nothing comes through the cable, if there is one.
    #[default]
    None,
    /// Something is plugged in that is not stable yet.
    Unstable,
    Locked,
    /// A signal that the box cannot take.
    OutOfRange,
    /// No cable is plugged in.
    NoCable,
    /// The source protects its picture (HDCP).
    Protected,
    #[serde(other)]
    Unknown,
}

/// A box's encoder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxEncoder))]
pub struct EncoderStatus {
    /// Whether it runs.
    pub state: EncoderState,
    /// The encoder's name, `x264enc`.
    pub name: String,
    /// What it makes, in kbit/s.
    pub bitrate_kbps: u32,
    /// What the recording's own encode makes, in kbit/s; nothing where the recording is what is pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_kbps: Option<u32>,
    /// Why the recording has no encode of its own although it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_twice: Option<String>,
    /// What its picture is to take while main's line carries no more, in kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowered_to_kbps: Option<u32>,
    /// Frames a second.
    pub fps: f32,
    /// Frames so far.
    pub frames: u64,
    /// Frames that were left out because it was too slow.
    pub dropped_frames: u64,
    /// How often it was started anew.
    pub restarts: u32,
    /// Why it failed.
    pub error: Option<String>,
    /// Which encoder failed while it ran, so that this one stands in for it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
}

/// Whether an encoder runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxEncoderState))]
pub enum EncoderState {
    #[default]
    Stopped,
    Starting,
    Running,
    Failed,
    #[serde(other)]
    Unknown,
}

/// Which of a box's four outputs: two of a broadcast, and two of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxOutputRole))]
pub enum OutputRole {
    Main,
    /// The same stream once more, beside main or in its place.
    Backup,
    /// A server of its own, by the box's configuration alone.
    Third,
    Fourth,
}

impl OutputRole {
    pub const ALL: [Self; 4] = [Self::Main, Self::Backup, Self::Third, Self::Fourth];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Backup => "backup",
            Self::Third => "third",
            Self::Fourth => "fourth",
        }
    }

    /// Whether it feeds the broadcast of the cloud, which merges main and backup.
    #[must_use]
    pub fn is_of_broadcast(self) -> bool {
        matches!(self, Self::Main | Self::Backup)
    }
}

/// One of a box's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxOutput))]
pub struct OutputStatus {
    /// Which target.
    pub role: OutputRole,
    /// How far it came.
    #[serde(default)]
    pub state: OutputState,
    /// Without the stream key.
    #[serde(default)]
    pub url: Option<String>,
    /// What leaves, in kbit/s.
    #[serde(default)]
    pub bitrate_kbps: u32,
    /// How much waits to be sent, in milliseconds.
    #[serde(default)]
    pub queued_ms: u32,
    /// What was sent so far.
    #[serde(default)]
    pub sent_bytes: u64,
    /// Frames that were left out because the line was too slow.
    #[serde(default)]
    pub dropped_frames: u64,
    /// How often it connected anew.
    #[serde(default)]
    pub reconnects: u32,
    /// Why it failed last.
    #[serde(default)]
    pub error: Option<String>,
}

/// How far an output came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxOutputState))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxAudioLevel))]
pub struct AudioLevel {
    /// The loudest moment.
    pub peak_dbfs: f32,
    /// The mean.
    pub rms_dbfs: f32,
}

/// A box's disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxStorage))]
pub struct StorageStatus {
    /// What recordings may still take of it.
    pub free_bytes: u64,
    /// What there is in all.
    pub total_bytes: u64,
    /// How long the box can still record at the present bitrate.
    pub remaining_s: Option<u64>,
}
