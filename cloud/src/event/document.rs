//! What the store keeps of an event.

use super::{Details, EventStatus, Input, OnAir};
use crate::clock::Timestamp;
use crate::id::{BoxId, EventId, RecordingId};
use crate::secret::{HoldsSecrets, Sealed, Sealing, SecretError};
use crate::store::{Account, Document, Index, IndexKey, Owner, sort_key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The index of all events by account and number.
pub(super) const BY_NUMBER: &str = "number";
/// The index by a stream key's fingerprint.
pub(super) const BY_KEY: &str = "key";
/// What the stream keys are fingerprinted as.
pub(super) const KEY_CONTEXT: &str = "stream key";
/// The index by the box that is assigned.
pub(super) const BY_DEVICE: &str = "device";

/// The index of all events with something that the server does to them by itself, by when that is due.
pub(super) const BY_DUE: &str = "due";

/// The index of an account's events that are started or paused.
pub(super) const BY_ACCOUNT_LIVE: &str = "live";

/// The index of an account's events by title.
pub(super) const BY_TITLE: &str = "title";
/// The index of an account's events by their last change.
pub(super) const BY_UPDATE: &str = "updated";
/// The index of an account's events by status, then number.
pub(super) const BY_STATUS: &str = "status";
/// The index of an account's events by status, then title.
pub(super) const BY_STATUS_AND_TITLE: &str = "status_title";
/// The index of an account's events by box, then number.
pub(super) const BY_OWN_DEVICE: &str = "account_device";

/// A stream key as it is kept: sealed, and findable by its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptKey {
    pub(super) sealed: Sealed,
    pub(super) fingerprint: String,
}

impl KeptKey {
    pub(super) fn new(sealing: &Sealing<'_>, id: &EventId, input: Input, key: &[u8]) -> Self {
        Self {
            sealed: sealing.seal::<Event>(&context(id, input), key),
            fingerprint: hex::encode(sealing.fingerprint(KEY_CONTEXT, key)),
        }
    }
}

/// A key that was replaced and works for a while still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OldKey {
    pub(super) input: Input,
    pub(super) key: KeptKey,
    pub(super) until: Timestamp,
}

/// What a key is sealed for, so that one event's key cannot be put in another's place.
pub(super) fn context(id: &EventId, input: Input) -> String {
    format!("{id}/{input}")
}

impl HoldsSecrets for Event {
    fn reseal(&mut self, sealing: &Sealing<'_>) -> Result<bool, SecretError> {
        let id = self.id;
        let mut was = false;
        let old = self.old_keys.iter_mut().map(|old| (old.input, &mut old.key));
        for (input, kept) in
            [(Input::Main, &mut self.main), (Input::Backup, &mut self.backup)].into_iter().chain(old)
        {
            if let Some(key) = sealing.open_old(&context(&id, input), &kept.sealed)? {
                *kept = KeptKey::new(sealing, &id, input, &key);
                was = true;
            }
        }
        Ok(was)
    }
}

/// What users decide about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Whose.
    pub account: Account,
    /// Its number, for receivers that want numbers.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: EventStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The box that pushes to it.
    pub device_id: Option<BoxId>,
    /// When it was first started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// What else users decide about it.
    #[serde(default)]
    pub details: Details,
    pub(super) main: KeptKey,
    pub(super) backup: KeptKey,
    /// Keys that were replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) old_keys: Vec<OldKey>,
}

impl Event {
    pub(super) fn key(&self, input: Input) -> &KeptKey {
        match input {
            Input::Main => &self.main,
            Input::Backup => &self.backup,
        }
    }

    pub(super) fn key_mut(&mut self, input: Input) -> &mut KeptKey {
        match input {
            Input::Main => &mut self.main,
            Input::Backup => &mut self.backup,
        }
    }

    /// Whose key it is, if it works now.
    pub(super) fn input_of(&self, fingerprint: &str, now: Timestamp) -> Option<Input> {
        let new = Input::ALL.into_iter().find(|input| self.key(*input).fingerprint == fingerprint);
        let old = self.old_keys.iter().find(|old| old.key.fingerprint == fingerprint && old.until > now);
        new.or(old.map(|old| old.input))
    }
}

impl Document for Event {
    const KIND: &'static str = "event";
    /// Before lists could be sorted and filtered there was one by number only; schedules came after that.
    const INDEXES: u32 = 3;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let own = || IndexKey::of(self.account);
        let (title, status) = (sort_key(&self.title), self.status.to_string());
        let mut indexes = vec![
            Index::unique(BY_NUMBER, own().number(self.number)),
            Index::many(BY_TITLE, own().text(&title).number(self.number)),
            Index::many(BY_UPDATE, own().time(self.updated_at).number(self.number)),
            Index::many(BY_STATUS, own().text(&status).number(self.number)),
            Index::many(BY_STATUS_AND_TITLE, own().text(&status).text(&title).number(self.number)),
        ];
        for input in Input::ALL {
            indexes.push(Index::unique(BY_KEY, IndexKey::new().text(&self.key(input).fingerprint)));
        }
        for old in &self.old_keys {
            indexes.push(Index::unique(BY_KEY, IndexKey::new().text(&old.key.fingerprint)));
        }
        if let Some((at, _)) = self.details.due(self.status, self.started_at) {
            indexes.push(Index::many(BY_DUE, IndexKey::new().time(at)));
        }
        if matches!(self.status, EventStatus::Started | EventStatus::Paused) {
            indexes.push(Index::many(BY_ACCOUNT_LIVE, IndexKey::of(self.account).number(self.number)));
        }
        if let Some(device) = &self.device_id {
            indexes.push(Index::many(BY_DEVICE, IndexKey::new().text(device).number(self.number)));
            indexes.push(Index::many(BY_OWN_DEVICE, own().text(device).number(self.number)));
        }
        indexes
    }

    fn journal_view(&self) -> Value {
        json!({
            "id": self.id,
            "number": self.number,
            "title": self.title,
            "status": self.status,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "device_id": self.device_id,
            "details": self.details,
        })
    }
}

/// An encoder that broadcasts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its network address.
    pub address: String,
    /// What it calls itself.
    pub encoder: String,
    /// Since when.
    pub since: Timestamp,
}

/// What happens to an event by itself, apart from what users decide: it never disturbs their edits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The event.
    pub id: EventId,
    /// Whose.
    pub account: Account,
    /// The event's number.
    pub number: u64,
    /// Who broadcasts to which input.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<Input, Source>,
    /// Whether the main broadcast comes in.
    pub main: bool,
    /// Whether the backup broadcast comes in.
    pub backup: bool,
    /// The recordings so far, the oldest first.
    pub recordings: Vec<RecordingId>,
    /// What whoever runs the event should know, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_air: Option<OnAir>,
    /// Goes up with each change of its simulcasts.
    #[serde(default)]
    pub simulcasts: u64,
}

impl Activity {
    pub(super) fn receiving(&mut self, input: Input) -> &mut bool {
        match input {
            Input::Main => &mut self.main,
            Input::Backup => &mut self.backup,
        }
    }
}

impl Document for Activity {
    const KIND: &'static str = "broadcast";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        if self.main || self.backup { vec![Index::many(RECEIVING, IndexKey::new())] } else { Vec::new() }
    }
}

/// The index of activities with a broadcast coming in.
pub(super) const RECEIVING: &str = "receiving";
