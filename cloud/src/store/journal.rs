//! The journal of an account: what changed, in order, without a gap.

use crate::clock::Timestamp;
use crate::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use utoipa::ToSchema;

/// Whose journal: accounts have numbers, and each has a journal of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(as = AccountNumber)]
pub struct Account(pub u64);

impl Account {
    /// The account that an installation begins with.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there before.
    Created,
    /// It was changed.
    Updated,
    /// It is gone.
    Deleted,
}

impl Change {
    /// What a write does to a document that was there or not.
    pub(super) fn of(existed: bool, written: bool) -> Self {
        match (existed, written) {
            (false, true) => Self::Created,
            (true, true) => Self::Updated,
            (_, false) => Self::Deleted,
        }
    }
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// One more than the entry before it; the first is 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Whose request did it; none where the system did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// The document's kind.
    pub kind: String,
    /// The document's id.
    pub id: String,
    /// What happened.
    pub change: Change,
    /// The document's version after the change.
    pub version: u64,
    /// The journal's view of the document before; null if it was created.
    pub before: Value,
    /// The journal's view of the document after; null if it was deleted.
    pub after: Value,
}

/// A part of the journal.
#[derive(Debug, Clone, Default)]
pub struct JournalPage {
    /// Entries in order.
    pub entries: Vec<Entry>,
    /// Whether entries after the reader's cursor were dropped already: it must read the documents anew.
    pub reset: bool,
}
