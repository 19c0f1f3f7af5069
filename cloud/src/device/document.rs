//! What the store keeps of a box.

use super::change::WantedConfig;
use crate::broker::Verifier;
use crate::clock::Timestamp;
use crate::id::{BoxId, EventId};
use crate::store::{Account, Document, Index, IndexKey, Owner, sort_key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stagebox_protocol::{BoxEvent, OutboxId};

/// The index of all boxes by account and number.
pub(super) const BY_NUMBER: &str = "number";

/// The index of an account's boxes by name.
pub(super) const BY_NAME: &str = "name";
/// The index of an account's boxes by whether they have a connection, then number.
pub(super) const BY_ONLINE: &str = "online";

/// What users decide about a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: BoxId,
    /// Whose.
    pub account: Account,
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// A box that is not enabled can neither connect nor fetch anything.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a user last changed it.
    pub updated_at: Timestamp,
    /// How it is to be configured; nothing until somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<WantedConfig>,
    /// Its secret's hash.
    pub(super) secret: Verifier,
}

impl Document for Device {
    const KIND: &'static str = "device";
    /// Before lists could be sorted there was one by number only.
    const INDEXES: u32 = 2;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let own = || IndexKey::of(self.account);
        vec![
            Index::unique(BY_NUMBER, own().number(self.number)),
            Index::many(BY_NAME, own().text(sort_key(&self.name)).number(self.number)),
        ]
    }

    fn journal_view(&self) -> Value {
        json!({
            "id": self.id,
            "number": self.number,
            "name": self.name,
            "enabled": self.enabled,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "config": self.config.as_ref().map(|config| &config.change),
        })
    }
}

/// Whether a box has a connection, and since when; written when that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The box.
    pub id: BoxId,
    /// Whose.
    pub account: Account,
    /// The box's number; 0 where an earlier version wrote it.
    #[serde(default)]
    pub number: u64,
    /// Whether it is there.
    pub online: bool,
    /// When it came or went.
    pub changed_at: Timestamp,
    /// Whether it was ever there.
    #[serde(default = "was_there")]
    pub came: bool,
}

/// An earlier version noted nothing of a box before it came.
fn was_there() -> bool {
    true
}

impl Presence {
    /// Of a box that was never there.
    pub(super) fn of_new(device: &Device, now: Timestamp) -> Self {
        let (id, account, number) = (device.id, device.account, device.number);
        Self { id, account, number, online: false, changed_at: now, came: false }
    }
}

impl Document for Presence {
    const KIND: &'static str = "presence";
    /// At first it was found by its id only.
    const INDEXES: u32 = 2;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let online = IndexKey::of(self.account).text(self.online);
        vec![Index::many(BY_ONLINE, online.number(self.number))]
    }
}

/// How far the journal has a box's events; each of its changes is one event's entry in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxJournal {
    /// The box.
    pub id: BoxId,
    /// Whose.
    pub account: Account,
    /// The last event that was taken.
    pub cursor: Cursor,
    /// That event.
    pub event: BoxEvent,
}

impl Document for BoxJournal {
    const KIND: &'static str = "device_event";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn journal_view(&self) -> Value {
        serde_json::to_value(&self.event).unwrap_or(Value::Null)
    }
}

/// Outboxes of a box that are remembered as done with.
const RETIRED: usize = 8;

/// A place in a box's outboxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The outbox that is being read.
    pub outbox: OutboxId,
    /// The last event that was taken from it.
    pub seq: u64,
    /// Outboxes from before the box's disk was replaced: nothing of them is taken any more.
    #[serde(default)]
    pub retired: Vec<OutboxId>,
}

impl Cursor {
    /// The place after an event was taken.
    pub fn after(before: Option<&Self>, event: &BoxEvent) -> Self {
        let mut retired = before.map(|cursor| cursor.retired.clone()).unwrap_or_default();
        if let Some(before) = before
            && before.outbox != event.outbox
        {
            retired.insert(0, before.outbox.clone());
            retired.truncate(RETIRED);
        }
        Self { outbox: event.outbox.clone(), seq: event.seq, retired }
    }
}

/// What a box is wanted to be; the version grows with each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRecord {
    /// The box.
    pub id: BoxId,
    /// Of `desired`.
    pub version: u64,
    /// The box's name.
    pub name: String,
    /// The event that it pushes to.
    pub event_id: Option<EventId>,
    /// What that event is called.
    #[serde(default)]
    pub event_title: Option<String>,
    /// The version with which the targets changed last.
    pub targets_version: u64,
    /// SHA-256 of the targets, to see that they changed.
    pub targets_hash: String,
    /// How it is to be configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<WantedConfig>,
    /// The version with which that changed last.
    #[serde(default)]
    pub config_version: u64,
}

impl Document for DesiredRecord {
    const KIND: &'static str = "desired";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(self.id)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}
