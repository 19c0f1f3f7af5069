//! An event as slices see it, and as the API shows it.

use super::{EventStatus, Input, OnAir, StreamKey};
use crate::clock::Timestamp;
use crate::id::{BoxId, EventId, RecordingId};
use crate::store::Account;
use serde::Serialize;
use utoipa::ToSchema;

/// An event with what is happening to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Whose.
    pub account: Account,
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: EventStatus,
    /// Goes up with each change that a user makes.
    pub version: u64,
    /// Goes up with each change that happens by itself.
    pub activity_version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a user last changed it.
    pub updated_at: Timestamp,
    /// The box that pushes to it.
    pub device_id: Option<BoxId>,
    /// Its two inputs.
    pub inputs: Inputs,
    /// Its recordings so far, the oldest first.
    pub recordings: Vec<RecordingId>,
    /// What whoever runs it should know, in words.
    pub warning: Option<String>,
    /// What it shows.
    pub on_air: Option<OnAir>,
}

/// An event's inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The broadcast itself.
    pub main: InputView,
    /// The one that takes over.
    pub backup: InputView,
}

/// One input of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputView {
    /// The key to push with.
    pub key: StreamKey,
    /// Whether a broadcast comes in.
    pub receiving: bool,
    /// Where to push to, without the key.
    pub url: String,
}

impl EventView {
    /// One of the inputs.
    pub fn input(&self, input: Input) -> &InputView {
        match input {
            Input::Main => &self.inputs.main,
            Input::Backup => &self.inputs.backup,
        }
    }

    /// Whether any broadcast comes in.
    pub fn is_receiving(&self) -> bool {
        self.inputs.main.receiving || self.inputs.backup.receiving
    }

    /// The event as the API shows it to administrators: with its keys.
    pub fn admin(&self) -> AdminView {
        let input = |input: &InputView| AdminInput {
            key: input.key.reveal().to_owned(),
            receiving: input.receiving,
            url: input.url.clone(),
        };
        AdminView {
            id: self.id,
            number: self.number,
            title: self.title.clone(),
            status: self.status,
            allowed_statuses: self.status.next(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            device_id: self.device_id,
            inputs: AdminInputs { main: input(&self.inputs.main), backup: input(&self.inputs.backup) },
            recordings: self.recordings.clone(),
            warning: self.warning.clone(),
            on_air: self.on_air,
        }
    }
}

/// A live event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct AdminView {
    /// The event's id.
    id: EventId,
    /// Its number, for receivers that want numbers.
    number: u64,
    /// Its title, which viewers see.
    title: String,
    /// Where it stands.
    status: EventStatus,
    /// What its status can become next.
    allowed_statuses: &'static [EventStatus],
    /// Goes up with each change that a user makes; also the ETag.
    version: u64,
    /// When it was made.
    created_at: Timestamp,
    /// When a user last changed it.
    updated_at: Timestamp,
    /// The box that pushes to it.
    #[schema(required)]
    device_id: Option<BoxId>,
    /// Where to push to.
    inputs: AdminInputs,
    /// The ids of its recordings so far, the oldest first.
    recordings: Vec<RecordingId>,
    /// What whoever runs it should know, such as why it is not recorded; `null` if all is well.
    #[schema(required)]
    warning: Option<String>,
    /// What it shows: one of its inputs, or the slate; `null` while nothing has come, or the event does not run.
    #[schema(required)]
    on_air: Option<OnAir>,
}

/// The two inputs of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventInputs)]
struct AdminInputs {
    /// The broadcast itself.
    main: AdminInput,
    /// The one that takes over when the main one fails.
    backup: AdminInput,
}

/// Where to push a broadcast to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventInput)]
struct AdminInput {
    /// The stream key: a secret.
    key: String,
    /// Whether a broadcast comes in.
    receiving: bool,
    /// The RTMP or RTMPS URL without the key.
    url: String,
}
