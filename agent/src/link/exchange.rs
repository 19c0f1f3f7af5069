//! What goes into the link's core, and what comes out of it.

use bytes::Bytes;
use stagebox_protocol::{
    BoxEvent, BoxStatus, Command, CommandId, EventBody, Outcome, ReportedConfig, Timestamp,
};

use super::LinkState;
use super::applying::Kept;
use super::commands::Record;
use super::targets::{FetchError, Targets};
use crate::reconfigure::Wanted;

/// The time as the driver read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since the box's boot.
    pub mono_ms: u64,
    pub wall: Timestamp,
    pub clock_synced: bool,
}

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub retained: bool,
    pub response_topic: Option<String>,
    pub correlation: Option<Bytes>,
    /// What is left of the Message Expiry Interval.
    pub expiry_s: Option<u32>,
}

/// A message to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
    pub delivery: Guarantee,
    pub correlation: Option<Bytes>,
}

/// MQTT's quality of service, as far as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    Connected,
    Subscribed,
    /// The connection could not be made, or ended; the reason in a sentence.
    Lost(String),
    Message(Message),
    Executed(CommandId, Outcome),
    Fetched(Result<Targets, FetchError>),
    Status(Box<BoxStatus>),
    /// How far the box came with its configuration.
    Configured(Box<ReportedConfig>),
    /// An event was stored in the outbox, which now begins at `oldest`.
    Appended {
        seq: u64,
        oldest: u64,
    },
    /// What [`Action::ReadOutbox`] asked for.
    Batch(Vec<BoxEvent>),
    /// A deadline passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Connect with this last will.
    Connect {
        will: Publish,
    },
    Disconnect,
    Subscribe(Vec<String>),
    Publish(Publish),
    /// Write and sync before going on.
    KeepCommand(Record),
    ForgetCommand(u64),
    /// Write and sync before going on.
    KeepDesired(Kept),
    Execute {
        id: CommandId,
        command: Command,
        expires_at: Option<Timestamp>,
    },
    FetchTargets,
    UseTargets(Targets),
    Configure(Wanted),
    /// Store an event; its place comes back as [`Input::Appended`].
    Append(EventBody),
    ReadOutbox {
        from: u64,
        limit: u64,
    },
    ReleaseOutbox {
        up_to: u64,
    },
    /// Tell the panel and the log.
    Show(LinkState),
}
