//! What the store keeps of an item.

use crate::clock::Timestamp;
use crate::id::{EventId, ItemId, RecordingId};
use crate::recording::Trim;
use crate::store::{Account, Document, Index, IndexKey, Owner, Versioned, sort_key};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The index of all items by account and number.
pub(super) const BY_NUMBER: &str = "number";
/// The index by recording.
pub(super) const BY_RECORDING: &str = "recording";
/// The index by event.
pub(super) const BY_EVENT: &str = "event";

/// The index of an account's items by title.
pub(super) const BY_TITLE: &str = "title";
/// The index of an account's items by their last change.
pub(super) const BY_UPDATE: &str = "updated";
/// The index of an account's items by event, then number.
pub(super) const BY_OWN_EVENT: &str = "account_event";

/// What a new item is made of.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Whose.
    pub account: Account,
    /// The event that was recorded.
    pub event_id: EventId,
    /// The recording.
    pub recording_id: RecordingId,
    /// Its title.
    pub title: String,
    /// How long it is.
    pub duration_ms: u64,
    /// The picture's width, if there is a picture.
    pub width: Option<u32>,
    /// The picture's height.
    pub height: Option<u32>,
}

/// Something to be watched on demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StoredItem)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// The number of the account that it belongs to.
    pub account: Account,
    /// Its number, for receivers that want numbers.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
    /// What is left out of the recording at its beginning, in milliseconds; whole segments only.
    #[serde(default)]
    #[schema(required)]
    pub trim_from_ms: Option<u64>,
    /// Where in the recording it ends, in milliseconds, if not with it; whole segments only.
    #[serde(default)]
    #[schema(required)]
    pub trim_to_ms: Option<u64>,
    /// The picture's width in pixels, if there is a picture.
    #[schema(required)]
    pub width: Option<u32>,
    /// The picture's height in pixels, if there is a picture.
    #[schema(required)]
    pub height: Option<u32>,
    /// The event that was recorded.
    pub event_id: EventId,
    /// The recording whose segments it plays.
    pub recording_id: RecordingId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Item {
    /// What of its recording it is.
    pub(crate) fn trim(&self) -> Trim {
        Trim { from_ms: self.trim_from_ms, to_ms: self.trim_to_ms }
    }

    pub(super) fn from_recording(id: ItemId, number: u64, new: NewItem, now: Timestamp) -> Self {
        Self {
            id,
            account: new.account,
            number,
            title: new.title,
            duration_ms: new.duration_ms,
            trim_from_ms: None,
            trim_to_ms: None,
            width: new.width,
            height: new.height,
            event_id: new.event_id,
            recording_id: new.recording_id,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Document for Item {
    const KIND: &'static str = "item";
    /// Before lists could be sorted and filtered there was one by number only.
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
            Index::many(BY_TITLE, own().text(sort_key(&self.title)).number(self.number)),
            Index::many(BY_UPDATE, own().time(self.updated_at).number(self.number)),
            Index::many(BY_OWN_EVENT, own().text(self.event_id).number(self.number)),
            Index::unique(BY_RECORDING, IndexKey::new().text(self.recording_id)),
            Index::many(BY_EVENT, IndexKey::new().text(self.event_id).number(self.number)),
        ]
    }
}

/// An item: something to be watched on demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Item)]
pub struct ItemView {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// Goes up with each change; also the ETag.
    pub version: u64,
    /// When it is deleted by itself; `null` where the account keeps recordings.
    #[schema(required)]
    pub deletes_at: Option<Timestamp>,
}

impl From<Versioned<Item>> for ItemView {
    fn from(item: Versioned<Item>) -> Self {
        Self { version: item.version, item: item.document, deletes_at: None }
    }
}

impl std::ops::Deref for ItemView {
    type Target = Item;

    fn deref(&self) -> &Item {
        &self.item
    }
}
