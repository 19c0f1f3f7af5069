//! What an engine does for the store: documents as bytes, nothing about their meaning.

use super::document::{Document, Versioned};
use super::error::StoreError;
use super::journal::{Account, JournalPage};
use super::record::{Fault, Record};
use crate::clock::Timestamp;
use crate::id::UserId;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// A document with more bytes takes room that counts, also one that is kept for a time only.
const LARGE: usize = 256 * 1024;

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

/// Whether a batch takes something new in, which is refused first where room is scarce.
///
/// Whatever also removes something may go on longer: it is how space is made. Sessions and the like are no
/// matter: an administrator must get in to make space. What is large is, whatever else is done with it.
pub(super) fn takes_in(ops: &[RawOp]) -> bool {
    let is_new = |op: &&RawOp| op.expect == Expect::Absent;
    let is_large = |op: &RawOp| op.write.as_ref().is_some_and(|write| write.body.len() > LARGE);
    let has_new = ops.iter().filter(is_new).any(|op| op.journal.is_some());
    (has_new && ops.iter().all(|op| op.write.is_some())) || ops.iter().filter(is_new).any(is_large)
}

/// A document's bytes and where it is found.
#[derive(Debug, Clone)]
pub struct RawWrite {
    /// The shape of the body, as the document's kind counts them.
    pub schema: u32,
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
    /// In whose journal.
    pub account: Account,
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
    /// The shape that the body was written in.
    pub schema: u32,
    /// The document as JSON.
    pub body: Vec<u8>,
}

impl RawDocument {
    /// Turns the bytes into the document: one of an older shape is brought up to date, a newer one refused.
    pub(super) fn decode<D: Document>(self, id: &str) -> Result<Versioned<D>, StoreError> {
        let wrong =
            |detail: String| StoreError::Decode { kind: D::KIND.to_owned(), id: id.to_owned(), detail };
        if self.schema > D::SCHEMA {
            return Err(StoreError::Newer {
                kind: D::KIND,
                id: id.to_owned(),
                schema: self.schema,
                known: D::SCHEMA,
            });
        }
        let document = if self.schema == D::SCHEMA {
            serde_json::from_slice(&self.body).map_err(|error| wrong(error.to_string()))?
        } else {
            let mut value: Value =
                serde_json::from_slice(&self.body).map_err(|error| wrong(error.to_string()))?;
            for schema in self.schema..D::SCHEMA {
                value = D::upgrade(schema, value).map_err(&wrong)?;
            }
            serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?
        };
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
    /// Documents with their ids, in the index's order.
    pub documents: Vec<(String, RawDocument)>,
    /// Where the next part begins, if there is one.
    pub next: Option<Vec<u8>>,
}

/// Told how many keys or rows a check has looked at; answers whether it is still wanted.
pub type Tell = Arc<dyn Fn(u64) -> bool + Send + Sync>;

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

    /// Reads entries of an account after `after` that are on disk.
    fn journal(
        &self,
        account: Account,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<JournalPage, StoreError>>;

    /// The last `seq` of an account that is on disk, and word of each new one.
    fn journal_head(&self, account: Account) -> watch::Receiver<u64>;

    /// Whether writes can be taken.
    fn is_healthy(&self) -> bool;

    /// A number that stays the same while nothing of these kinds changes; none where others write to the same database.
    fn edition(&self, _kinds: &[&str]) -> Option<u64> {
        None
    }

    /// Why what is new would be refused just now, where that is for the operator to know.
    fn trouble(&self) -> Option<StoreError> {
        None
    }

    /// Bytes on disk.
    fn size_on_disk(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// How many records [`Engine::export`] will give, about.
    fn count(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Reads everything, a few hundred records at a time and in no particular order.
    ///
    /// Together with what the tap tells from a moment before it began, it is the state at
    /// any later moment: a record may show a later state than the beginning's.
    fn export(&self) -> BoxStream<'static, Result<Vec<Record>, StoreError>>;

    /// Whether an export is of one moment, that of its beginning, whoever writes meanwhile.
    fn exports_a_moment(&self) -> bool {
        false
    }

    /// Tells every record that is written from now on, in order and once it is on disk.
    fn tap(&self) -> BoxFuture<'_, Result<mpsc::UnboundedReceiver<Vec<Record>>, StoreError>>;

    /// How many other processes use the same database now: what they write, the tap does not tell.
    fn others(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async { Ok(0) })
    }

    /// Waits until all that a reader may have seen is on disk, and told by the taps.
    fn settle(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Writes records as they are over what is there, and returns once they are on disk.
    fn import(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Looks for what does not fit together; as it runs, writers may go on.
    fn check(&self, tell: Tell) -> BoxFuture<'_, Result<Vec<Fault>, StoreError>>;

    /// Finishes what was accepted and ends.
    fn close(&self) -> BoxFuture<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_and_new_is_taken_in_whatever_goes_for_it() {
        let op = |expect, size: Option<usize>| RawOp {
            kind: "thing",
            id: "a".to_owned(),
            expect,
            write: size.map(|size| RawWrite { schema: 1, body: vec![0; size], indexes: Vec::new() }),
            journal: None,
        };
        let (gone, small) = (op(Expect::Version(1), None), op(Expect::Absent, Some(400)));
        let large = op(Expect::Absent, Some(LARGE + 1));
        assert!(!takes_in(&[small]) && !takes_in(std::slice::from_ref(&gone)));
        assert!(takes_in(std::slice::from_ref(&large)) && takes_in(&[large, gone]));
        assert!(!takes_in(&[op(Expect::Version(1), Some(LARGE + 1))]));
    }
}
