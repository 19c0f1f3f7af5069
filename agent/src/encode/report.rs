//! What daemon and media child tell each other beside frames, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stagebox_hw::Encoder;
use stagebox_protocol::telemetry::{AudioLevel, SignalStatus};

use crate::capture::Mend;
use crate::config::{AlarmConfig, AudioConfig, SourceConfig, VideoConfig};

/// The first line on the child's standard input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaSetup {
    pub source: SourceConfig,
    pub video: VideoConfig,
    pub audio: AudioConfig,
    pub alarms: AlarmConfig,
    /// What the picture of the recording's own encode is to take, where the recording is to have one.
    #[serde(default)]
    pub recording_kbps: Option<u32>,
    /// Whether the machine encodes twice at once, where that is known.
    #[serde(default)]
    pub twice: Option<Result<(), String>>,
    /// What people call the box: it stands on the slate.
    pub name: String,
    /// The CLOCK_MONOTONIC moment at which the timeline has its zero: it goes on over restarts of the child.
    pub origin_ns: i64,
    /// Where the outcomes of trial encodes are kept.
    pub trials: Option<PathBuf>,
    /// Encoders that failed while they ran.
    #[serde(default)]
    pub avoid: Vec<Encoder>,
}

/// A further line on the child's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum MediaOrder {
    /// The picture is to take so many kbit/s from now on.
    Bitrate { kbps: u32 },
    /// Something is to be tried against a signal that does not come.
    Mend(Mend),
}

/// How an encoder failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderFailure {
    /// It ended, and perhaps the process with it: that may be a moment of the driver's.
    Ended,
    /// It takes pictures and gives none; trying that again costs seconds of picture.
    Hung,
}

/// What the child says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum MediaReport {
    /// Once a second.
    Stats(MediaStats),
    /// As soon as it changes.
    Signal(SignalStatus),
    /// Before the encoder is started: if the process dies of it, that is known.
    Encoder(Encoder),
    /// Before the first packet, where the recording is to have an encode of its own: whether it has, or why not.
    Twice(Result<(), String>),
    /// Twenty times a second, as far as there are so many pictures: what was heard since the last time.
    Levels { levels: Vec<AudioLevel> },
    /// Before it ends by itself.
    Failed {
        error: String,
        /// The encoder is to blame, and how.
        encoder: Option<EncoderFailure>,
        /// Starting it again does not help.
        configuration: bool,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaStats {
    /// What the recording's own encode made over the last second, both tracks.
    pub recording_kbps: Option<u32>,
    /// Why the recording has no encode of its own although it should.
    pub not_twice: Option<String>,
    /// The GStreamer elements in use.
    pub encoder: String,
    pub audio_encoder: String,
    /// Encoded pictures of the last second.
    pub fps: f32,
    /// Both tracks, over the last second.
    pub bitrate_kbps: u32,
    /// What the picture is to take while that is less than configured.
    pub lowered_to_kbps: Option<u32>,
    /// Encoded pictures since the child started.
    pub frames: u64,
    /// Pictures that were not encoded because there was no time.
    pub dropped_frames: u64,
    /// Of the last second.
    pub levels: Vec<AudioLevel>,
    pub signal: SignalStatus,
    /// Why there is no signal.
    pub trouble: Option<String>,
    /// That is the capture device's own: it is missing, fails or does not answer.
    pub device_fails: bool,
    /// Why there is no sound where there should be some.
    pub sound_trouble: Option<String>,
}
