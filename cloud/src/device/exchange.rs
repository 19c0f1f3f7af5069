//! What goes into a box's state and what comes out of it.

use super::document::Cursor;
use serde_json::{Map, Value};
use stagebox_protocol::{
    BoxEvent, CommandId, CommandResponse, Desired, Reported, Status, Telemetry, Timestamp,
};

/// A message to the broker, QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: String,
    /// JSON.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// For commands.
    pub command: Option<CommandProperties>,
}

/// The MQTT 5 properties of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandProperties {
    /// Where the answer is to go.
    pub response_topic: String,
    /// Comes back with the answer.
    pub correlation: Vec<u8>,
    /// Message Expiry Interval in seconds.
    pub expiry_s: u32,
}

/// A command for the box.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its id; the answer names it.
    pub id: CommandId,
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Map<String, Value>,
    /// When it was asked for.
    pub issued_at: Timestamp,
    /// How long somebody waits for the answer.
    pub limit_ms: u64,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The box answered.
    Response(CommandResponse),
    /// The box is known to be away: it was not sent.
    Offline,
    /// Too many wait already.
    Busy,
    /// No answer came in time.
    TimedOut,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The connection to the broker is there, and its retained messages may be gone.
    BrokerUp,
    /// The connection is gone.
    BrokerDown,
    /// From the box, or its last will.
    Status(Status),
    /// From the box.
    Reported(Reported),
    /// From the box.
    Telemetry(Box<Telemetry>),
    /// From the box.
    Event(BoxEvent),
    /// From the box.
    Response(CommandResponse),
    /// From a user.
    Ask(Asked),
    /// What is wanted of the box changed.
    Desire(Desired),
    /// The event being written is in the journal.
    Journaled(Cursor),
    /// The event being written is not in the journal.
    JournalFailed,
    /// The broker has ended its session and lets it in no more; its last will is not told then.
    ShutOut,
    /// A deadline passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Tell the broker.
    Publish(Message),
    /// Write this event and the cursor in one batch.
    Journal(BoxEvent, Cursor),
    /// Tell whoever asked.
    Answer(CommandId, Answer),
    /// The box came or went.
    Presence(bool),
}
