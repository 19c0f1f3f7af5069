//! Gives stored documents the index entries that this version declares, once, as it starts.
//!
//! A kind counts the sets of index entries that it has had ([`Document::INDEXES`]); the store keeps for each kind which one
//! all its documents have. Only documents that lack something are written, so that a start that breaks off is gone on with
//! by the next one.

use super::Store;
use super::batch::{Batch, encode};
use super::document::{Document, Owner, Versioned};
use super::engine::{RawDocument, RawIndex};
use super::error::StoreError;
use super::record::Record;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// Documents that are written at a time.
const AT_ONCE: usize = 64;
/// How often a document is tried that others change meanwhile.
const TRIES: usize = 32;

/// Which index entries all documents of a kind have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct IndexState {
    kind: String,
    indexes: u32,
}

impl Document for IndexState {
    const KIND: &'static str = "index_state";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.kind.clone()
    }
}

/// A kind whose index entries have changed since an earlier version.
#[derive(Clone, Copy)]
pub(crate) struct Reindexed {
    kind: &'static str,
    indexes: u32,
    /// Whether a stored document lacks something.
    lacks: fn(&RawDocument, &str, &[RawIndex]) -> Result<bool, StoreError>,
    /// Adds to a batch what it lacks.
    add: for<'a> fn(&'a Store, Batch, &'a str) -> BoxFuture<'a, Result<Batch, StoreError>>,
}

impl Reindexed {
    /// Of a kind of documents.
    pub(crate) const fn of<D: Document>() -> Self {
        Self {
            kind: D::KIND,
            indexes: D::INDEXES,
            lacks: lacks::<D>,
            add: |store, batch, id| Box::pin(add::<D>(store, batch, id)),
        }
    }
}

fn lacks<D: Document>(raw: &RawDocument, id: &str, stored: &[RawIndex]) -> Result<bool, StoreError> {
    let document: Versioned<D> = raw.clone().decode(id)?;
    let wanted = encode(Some(&document.document))?.map(|write| write.indexes).unwrap_or_default();
    let has = |index: &RawIndex, of: &[RawIndex]| of.contains(index);
    Ok(wanted.len() != stored.len() || wanted.iter().any(|index| !has(index, stored)))
}

async fn add<D: Document>(store: &Store, batch: Batch, id: &str) -> Result<Batch, StoreError> {
    Ok(match store.get::<D>(id).await? {
        Some(found) => batch.rewrite(&found, &found.document),
        None => batch,
    })
}

impl Store {
    /// Whether all documents of a kind are found by the indexes that it declares.
    pub(crate) async fn is_indexed<D: Document>(&self) -> Result<bool, StoreError> {
        let known = self.get::<IndexState>(D::KIND).await?;
        Ok(known.is_some_and(|known| known.document.indexes >= D::INDEXES))
    }

    /// Has all documents of these kinds found by the indexes that they declare; how many were written.
    pub(crate) async fn reindex(&self, kinds: &[Reindexed]) -> Result<u64, StoreError> {
        let mut due = Vec::new();
        for kind in kinds {
            let known = self.get::<IndexState>(kind.kind).await?;
            if known.is_none_or(|known| known.document.indexes < kind.indexes) {
                due.push(*kind);
            }
        }
        if due.is_empty() {
            return Ok(0);
        }
        let _alone = self.seat.begin_walk()?;
        let mut export = self.engine().export();
        let mut written = 0;
        while let Some(piece) = export.next().await {
            let lacking = lacking(&due, piece?);
            for some in lacking.chunks(AT_ONCE) {
                self.write_lacking(some).await?;
                if written == 0 && !some.is_empty() {
                    tracing::info!(
                        "lists can be filtered and sorted in more ways than before: this takes a moment"
                    );
                }
                written += some.len() as u64;
            }
        }
        let states = due.iter().map(|kind| IndexState { kind: kind.kind.to_owned(), indexes: kind.indexes });
        self.commit(states.fold(self.batch(), |batch, state| batch.put(&state))).await?;
        Ok(written)
    }

    async fn write_lacking(&self, some: &[(Reindexed, String)]) -> Result<(), StoreError> {
        let mut batch = self.batch();
        for (kind, id) in some {
            batch = (kind.add)(self, batch, id).await?;
        }
        match self.commit(batch).await {
            Err(StoreError::Conflict { .. }) => {}
            committed => return committed.map(|_| ()),
        }
        // Another process has changed one of them.
        for (kind, id) in some {
            for tried in 1.. {
                match self.commit((kind.add)(self, self.batch(), id).await?).await {
                    Err(StoreError::Conflict { .. }) if tried < TRIES => {}
                    committed => {
                        committed?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Which of these records lack index entries.
fn lacking(due: &[Reindexed], records: Vec<Record>) -> Vec<(Reindexed, String)> {
    let lacks = |record| {
        let Record::Document { kind, id, version, schema, indexes, body } = record else { return None };
        let kind = *due.iter().find(|due| due.kind == kind)?;
        match (kind.lacks)(&RawDocument { version, schema, body }, &id, &indexes) {
            Ok(lacks) => lacks.then_some((kind, id)),
            Err(error) => {
                // It is no use to any list as it is.
                tracing::warn!(kind = kind.kind, id, %error, "a document cannot be indexed");
                None
            }
        }
    };
    records.into_iter().filter_map(lacks).collect()
}

/// A text as lists are sorted by it: without regard to case, and by its beginning only, since keys are short.
pub(crate) fn sort_key(text: &str) -> String {
    /// What leaves room for an account, a filter's value and a number.
    const LONGEST: usize = 48;
    let mut key = String::new();
    for character in text.trim().chars().flat_map(char::to_lowercase) {
        if key.len() + character.len_utf8() > LONGEST {
            break;
        }
        key.push(character);
    }
    key
}
