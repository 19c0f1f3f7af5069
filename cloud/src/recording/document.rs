//! What the store keeps of a recording.

use serde::{Deserialize, Serialize};

use super::Gap;
use crate::clock::Timestamp;
use crate::id::{EventId, JobId, RecordingId};
use crate::store::{Account, Document, Index, IndexKey, Owner};
use utoipa::ToSchema;

/// The index of all recordings by account and number.
pub(crate) const BY_NUMBER: &str = "number";
/// The index by event.
pub(super) const BY_EVENT: &str = "event";
/// The index of an account's recordings by event, then number.
pub(super) const BY_OWN_EVENT: &str = "account_event";
/// The index of recordings that go on, by event.
pub(super) const RUNNING: &str = "running";

/// The index of recordings whose media are to be removed.
pub(super) const REMOVED: &str = "removed";

/// What of an event a recording is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RecordingKind)]
pub enum RecordingKind {
    /// A span in which it was started.
    #[default]
    Recording,
    /// All from the beginning of its broadcast on.
    Dvr,
}

/// A span of an event: which of the event's segments are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Its id.
    pub id: RecordingId,
    /// Whose.
    pub account: Account,
    /// Its number, for receivers that want numbers.
    pub number: u64,
    /// The event.
    pub event_id: EventId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What of the event it is.
    #[serde(default)]
    pub kind: RecordingKind,
    /// The first segment that viewers may see now, if they may see any; only of a DVR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_from: Option<u64>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; absent while it goes on.
    pub ended_at: Option<Timestamp>,
    /// The first segment.
    pub from_segment: u64,
    /// The first segment that is not in it any more.
    pub to_segment: Option<u64>,
    /// How long its media are; known when it has ended.
    pub duration_ms: Option<u64>,
    /// What is left out of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// When its item was removed: a job removes its media and then itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
    /// The job that removes its media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<JobId>,
}

impl Recording {
    /// The first segment that viewers of the event may see, while it goes on.
    pub(crate) fn first_shown(&self) -> Option<u64> {
        match self.kind {
            RecordingKind::Recording => Some(self.from_segment),
            RecordingKind::Dvr => self.shown_from,
        }
    }
}

impl Document for Recording {
    const KIND: &'static str = "recording";
    /// Before lists could be filtered there was one by number only.
    const INDEXES: u32 = 2;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let mut indexes = vec![
            Index::unique(BY_NUMBER, IndexKey::of(self.account).number(self.number)),
            Index::many(BY_EVENT, IndexKey::new().text(self.event_id).number(self.number)),
            Index::many(BY_OWN_EVENT, IndexKey::of(self.account).text(self.event_id).number(self.number)),
        ];
        if self.ended_at.is_none() {
            indexes.push(Index::many(RUNNING, IndexKey::new().text(self.event_id)));
        }
        if self.removed_at.is_some() {
            indexes.push(Index::many(REMOVED, IndexKey::new().number(self.number)));
        }
        indexes
    }
}
