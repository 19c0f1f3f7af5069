//! `event/<kind>` and `ack`: what happened on a box, kept until the cloud has it.

use crate::{
    command::Origin,
    id::{BootId, OutboxId},
    machine::WarningKind,
    preflight::PreflightState,
    telemetry::OutputRole,
    timestamp::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The payload of `event/<kind>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxEvent {
    /// Counts from 1 without a gap within an outbox.
    pub seq: u64,
    pub outbox: OutboxId,
    /// The first `seq` that the outbox still has: what came before was acknowledged or given up, so nobody waits for it.
    pub oldest: u64,
    pub boot_id: BootId,
    /// Milliseconds since the boot: the order holds even where the wall clock jumped.
    pub mono_ms: u64,
    pub ts: Timestamp,
    pub clock_synced: bool,
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened; `kind` in JSON, and the last level of the topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventBody {
    /// The daemon started.
    Started {
        software: String,
    },
    SignalLocked {
        width: u32,
        height: u32,
        fps: f32,
    },
    SignalLost,
    LiveStarted {
        origin: Option<Origin>,
    },
    LiveStopped {
        origin: Option<Origin>,
    },
    RecordingStarted {
        origin: Option<Origin>,
    },
    RecordingStopped {
        origin: Option<Origin>,
        duration_ms: u64,
        bytes: u64,
    },
    RecordingFailed {
        error: String,
    },
    /// A moment of the recording was marked.
    RecordingMarked {
        file: String,
        /// From the beginning of the file.
        at_ms: u64,
        label: Option<String>,
    },
    /// The disk takes the recording more slowly than it is made.
    RecordingSlow {
        error: String,
    },
    /// The recording goes on onto another disk.
    RecordingMoved {
        disk: String,
        /// What became of the one before; none where a better one came.
        error: Option<String>,
    },
    OutputConnected {
        role: OutputRole,
    },
    OutputLost {
        role: OutputRole,
        error: String,
    },
    EncoderRestarted {
        error: String,
    },
    /// An encoder failed while it ran, and another one stands in for it.
    EncoderDegraded {
        /// What failed, and how.
        reason: String,
    },
    /// The box does something by itself about a trouble that stays.
    SelfHealing {
        step: HealingStep,
        /// What is wrong.
        reason: String,
    },
    /// The trouble is over, for a minute already.
    SelfHealed {
        /// The last thing that was done about it.
        step: HealingStep,
    },
    /// The trouble stays, and nothing is left to try for now.
    SelfHealingExhausted {
        reason: String,
    },
    /// A command that could not be answered where it asked to be.
    CommandRefused {
        command: String,
        code: u16,
        error: String,
    },
    /// A test before going live has ended, or was ended.
    PreflightFinished {
        state: PreflightState,
        /// What its outcome is to be blamed on, in words; none where it passed.
        error: Option<String>,
        upload_kbps: Option<u32>,
    },
    /// Events that did not fit the outbox while the cloud was away.
    EventsLost {
        count: u64,
    },
    /// Something is wrong with the machine.
    WarningRaised {
        warning: WarningKind,
        words: String,
    },
    /// It is over.
    WarningCleared {
        warning: WarningKind,
    },
    /// A configuration that the box was given is not used: why, and what it does instead.
    ConfigNotUsed {
        reason: String,
    },
    /// A kind of a newer contract, kept as it came.
    #[serde(untagged)]
    Unknown(UnknownEvent),
}

/// What a box does by itself about a trouble that stays; each costs more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealingStep {
    /// Closes the capture and opens it again.
    RestartCapture,
    /// Has the source believe that it was plugged in anew.
    ToggleEdid,
    /// Passes over the encoder.
    NextEncoder,
    /// Starts the agent anew.
    RestartAgent,
    /// Starts the machine anew.
    Reboot,
    #[serde(other)]
    Unknown,
}

/// An event of a kind that this version does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnknownEvent {
    pub kind: String,
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl EventBody {
    /// The last level of the event's topic.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Started { .. } => "started",
            Self::SignalLocked { .. } => "signal_locked",
            Self::SignalLost => "signal_lost",
            Self::LiveStarted { .. } => "live_started",
            Self::LiveStopped { .. } => "live_stopped",
            Self::RecordingStarted { .. } => "recording_started",
            Self::RecordingStopped { .. } => "recording_stopped",
            Self::RecordingFailed { .. } => "recording_failed",
            Self::RecordingMarked { .. } => "recording_marked",
            Self::RecordingSlow { .. } => "recording_slow",
            Self::RecordingMoved { .. } => "recording_moved",
            Self::OutputConnected { .. } => "output_connected",
            Self::OutputLost { .. } => "output_lost",
            Self::EncoderRestarted { .. } => "encoder_restarted",
            Self::EncoderDegraded { .. } => "encoder_degraded",
            Self::SelfHealing { .. } => "self_healing",
            Self::SelfHealed { .. } => "self_healed",
            Self::SelfHealingExhausted { .. } => "self_healing_exhausted",
            Self::CommandRefused { .. } => "command_refused",
            Self::PreflightFinished { .. } => "preflight_finished",
            Self::EventsLost { .. } => "events_lost",
            Self::WarningRaised { .. } => "warning_raised",
            Self::WarningCleared { .. } => "warning_cleared",
            Self::ConfigNotUsed { .. } => "config_not_used",
            Self::Unknown(event) => &event.kind,
        }
    }
}

/// The payload of `ack`: the cloud's journal has this outbox's events up to and with `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    pub seq: u64,
    pub outbox: OutboxId,
}
