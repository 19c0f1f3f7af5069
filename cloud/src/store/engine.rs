//! What an engine does for the store: documents as bytes, nothing about their meaning.

use super::document::{Document, Versioned};
use super::journal::JournalPage;
use crate::clock::Timestamp;
use crate::id::UserId;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

/// Says why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was quicker, or the document is there or absent against what was expected.
    #[error("the {kind} {id} has been changed meanwhile")]
    Conflict {
        /// The kind of document.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// Another document has the same key in a unique index.
    #[error("another {kind} has the same {index}")]
    Taken {
        /// The kind of document.
        kind: &'static str,
        /// The index.
        index: String,
    },
    /// A stored document cannot be read.
    #[error("the stored {kind} {id} cannot be read: {source}")]
    Decode {
        /// The kind of document.
        kind: String,
        /// Its id.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A document cannot be written as JSON.
    #[error("a {kind} cannot be written: {source}")]
    Encode {
        /// The kind of document.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A key, an id or a batch that the store does not take.
    #[error("the store does not take {detail}")]
    Key {
        /// What it was.
        detail: String,
    },
    /// The directory cannot be opened.
    #[error("cannot open the store in {path} (`data_dir`): {detail}")]
    Open {
        /// The directory.
        path: String,
        /// Why, and what to do.
        detail: String,
    },
    /// The disk or the engine failed; nothing of the batch is promised.
    #[error("the store failed: {0}")]
    Engine(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// What must be true of a document for a batch to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It is not there.
    Absent,
    /// It has this version.
    Version(u64),
    /// Nothing.
    Any,
}

/// The direction in which an index is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The lowest keys first.
    Rising,
    /// The highest keys first.
    Falling,
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The version of each document after the batch, in the batch's order.
    pub versions: Vec<u64>,
    /// The last `seq` of the batch's journal entries, if it has any.
    pub last_seq: Option<u64>,
}

/// One change of a batch.
#[derive(Debug, Clone)]
pub struct RawOp {
    /// The document's kind.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What must be true.
    pub expect: Expect,
    /// What to write; none deletes.
    pub write: Option<RawWrite>,
    /// What the journal says of it.
    pub journal: Option<RawChange>,
}

/// A document's bytes and where it is found.
#[derive(Debug, Clone)]
pub struct RawWrite {
    /// The document as JSON.
    pub body: Vec<u8>,
    /// Its index entries.
    pub indexes: Vec<RawIndex>,
}

/// An index entry as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawIndex {
    /// The index's name.
    pub name: String,
    /// The place in it.
    pub key: Vec<u8>,
    /// Whether no two documents may have this key.
    pub unique: bool,
}

/// A journal entry without what the engine adds.
#[derive(Debug, Clone)]
pub struct RawChange {
    /// When.
    pub at: Timestamp,
    /// Whose request did it.
    pub actor: Option<UserId>,
    /// The view before.
    pub before: Value,
    /// The view after.
    pub after: Value,
}

/// A document as it was read.
#[derive(Debug, Clone)]
pub struct RawDocument {
    /// Its version.
    pub version: u64,
    /// The document as JSON.
    pub body: Vec<u8>,
}

impl RawDocument {
    pub(super) fn decode<D: Document>(self, id: &str) -> Result<Versioned<D>, StoreError> {
        let document = serde_json::from_slice(&self.body).map_err(|source| StoreError::Decode {
            kind: D::KIND.to_owned(),
            id: id.to_owned(),
            source,
        })?;
        Ok(Versioned { version: self.version, document })
    }
}

/// Which part of an index to read.
#[derive(Debug, Clone)]
pub struct RawScan {
    /// The kind of document.
    pub kind: &'static str,
    /// The index.
    pub index: &'static str,
    /// What keys begin with.
    pub prefix: Vec<u8>,
    /// The direction.
    pub order: Order,
    /// Where the last part ended.
    pub after: Option<Vec<u8>>,
    /// At most this many.
    pub limit: usize,
}

/// A part of an index.
#[derive(Debug, Clone, Default)]
pub struct RawPage {
    /// The ids of documents, in order.
    pub ids: Vec<String>,
    /// Where the next part begins, if there is one.
    pub next: Option<Vec<u8>>,
}

/// A place where documents are kept; each engine passes the same suite of tests.
pub trait Engine: Send + Sync + 'static {
    /// Reads a document.
    fn get(&self, kind: &'static str, id: String) -> BoxFuture<'_, Result<Option<RawDocument>, StoreError>>;

    /// Reads a part of an index.
    fn scan(&self, scan: RawScan) -> BoxFuture<'_, Result<RawPage, StoreError>>;

    /// Carries out all of the batch or nothing, durably.
    fn commit(&self, ops: Vec<RawOp>) -> BoxFuture<'_, Result<Receipt, StoreError>>;

    /// Draws the next number of a counter, durably.
    fn allocate(&self, counter: &'static str) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Reads entries after `after` that are on disk.
    fn journal(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<JournalPage, StoreError>>;

    /// The last `seq` on disk.
    fn journal_head(&self) -> watch::Receiver<u64>;

    /// Whether writes can be taken.
    fn is_healthy(&self) -> bool;

    /// Bytes on disk.
    fn size_on_disk(&self) -> u64;

    /// Finishes what was accepted and ends.
    fn close(&self) -> BoxFuture<'_, ()>;
}
