//! What the front panel and the agent say to each other, over a Unix socket or a serial line.
//!
//! The agent owns every fact and every decision; the panel shows the last
//! [`Status`] and asks for [`Intent`]s. Nothing here needs an allocator.
//!
//! The contract only grows: fields are added at the end of a frame, variants
//! at the end of an enum. A reader skips bytes after what it knows and reports
//! a kind it does not know as [`FrameError::UnknownKind`]. Whatever cannot be
//! said that way gets a new [`VERSION`].

mod frame;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use frame::{Decoder, FrameError, MAX_FRAME, PanelFrame, encode};

/// Version of this contract, the first byte of every frame.
pub const VERSION: u8 = 1;
/// The agent says something at least this often; a panel that hears nothing for [`SILENCE_MS`] calls it dead.
pub const HEARTBEAT_MS: u32 = 500;
/// After this long without a frame the other side counts as gone.
pub const SILENCE_MS: u32 = 2_000;

/// Text of at most `N` bytes.
pub type Text<const N: usize> = heapless::String<N>;

/// Cuts text to `N` bytes, at a character's border.
#[must_use]
pub fn text<const N: usize>(full: &str) -> Text<N> {
    let mut cut = Text::new();
    for character in full.chars() {
        if cut.push(character).is_err() {
            break;
        }
    }
    cut
}

/// A frame from the agent to the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromAgent {
    /// First frame after the panel's own hello.
    Hello(Hello),
    /// All the panel shows: twice a second, and at once when something changes.
    Status(Status),
    /// Make this box findable in the rack: light and display flash for so long.
    Identify { duration_ms: u32 },
    /// The agent lives, though it has no status to give.
    Ping,
    /// What became of an intent.
    Outcome { id: u16, outcome: Outcome },
    /// The test before going live, beside each status for as long as it is worth a word.
    Preflight(Preflight),
}

/// A frame from the panel to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    /// First frame of each connection.
    Hello(Hello),
    /// Somebody wants something; `id` comes back in [`FromAgent::Outcome`].
    Intent { id: u16, intent: Intent },
    /// The panel lives.
    Ping,
}

/// Who speaks, so that a mismatch can be named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the speaker's program, as people read it.
    pub program: Text<16>,
}

/// What a person at the panel wants; buttons are mapped to these by the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// Push to the outputs, and record if the box is set to.
    GoLive,
    /// Stop pushing.
    Stop,
    StartRecording,
    StopRecording,
    /// Drop waiting times of outputs that are down.
    Reconnect,
    /// Look whether everything is fit for going live.
    Preflight,
    /// End the test that runs.
    CancelPreflight,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Done,
    Rejected { reason: Text<64> },
}

/// All that the panel can show about the box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub device: Text<32>,
    pub broadcast: Broadcast,
    pub recording: Recording,
    pub input: Input,
    pub main: Output,
    pub backup: Output,
    /// Loudest sample of each channel since the last status; `None` without sound.
    pub audio: Option<AudioPeaks>,
    pub storage: Option<Storage>,
    pub cloud: Cloud,
    /// Where the box can be reached, as people type it; empty without a network.
    pub address: Text<48>,
    /// Code to claim the box with; empty when it belongs to somebody.
    pub claim: Text<16>,
    /// What is wrong, most important first; empty when all is well.
    pub trouble: Text<64>,
}

/// Is the box on the air?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Broadcast {
    #[default]
    Off,
    /// Wanted, but no server has the stream yet.
    Starting,
    /// At least one server gets the stream.
    OnAir { elapsed_s: u32 },
    /// Wanted and once there, but no server gets the stream now.
    Lost { elapsed_s: u32 },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recording {
    #[default]
    Off,
    On {
        elapsed_s: u32,
    },
    /// Wanted, but nothing can be written.
    Failed,
}

/// The test before going live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    pub state: PreflightState,
    /// What it is to blame on, or looks at just now: `disk`, `main server`; empty where nothing is wrong.
    pub what: Text<24>,
}

/// How far the test came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PreflightState {
    Running { percent: u8 },
    Passed { ago_s: u32 },
    Warned { ago_s: u32 },
    Failed { ago_s: u32 },
    Cancelled,
}

/// What comes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    #[default]
    NoSignal,
    /// A cable is in, but the picture cannot be captured (yet).
    Unstable,
    Locked(VideoMode),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoMode {
    pub width: u16,
    pub height: u16,
    /// Frames in 1000 seconds: 29970 is 29.97 a second.
    pub rate_milli: u32,
    pub interlaced: bool,
}

/// One output as the panel shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub state: OutputState,
    /// What reached the server over the last second.
    pub bitrate_kbps: u32,
    /// Frames that were dropped since the broadcast began.
    pub dropped_frames: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputState {
    /// No server is set.
    #[default]
    Unset,
    /// A server is set, nothing is pushed.
    Idle,
    Connecting,
    Streaming,
    /// The server is away; the next attempt is in so long, or at a time that is not told (0).
    Waiting {
        retry_ms: u32,
    },
    /// The server said no.
    Refused,
}

/// Peaks in whole dBFS, 0 is full scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioPeaks {
    pub left_dbfs: i8,
    pub right_dbfs: i8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    pub free_mb: u32,
    /// How long a recording at the present bitrate can go on, if that is known.
    pub left_min: Option<u32>,
}

/// The box's tie to its cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cloud {
    /// The box works alone.
    #[default]
    Unset,
    Connecting,
    Online,
    /// The cloud refuses the box's identity.
    Refused,
}
