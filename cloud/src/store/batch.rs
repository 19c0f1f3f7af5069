//! Several changes that happen together or not at all.

use super::document::{Document, Versioned};
use super::engine::{Expect, RawChange, RawIndex, RawOp, RawWrite};
use super::error::StoreError;
use super::journal::Account;
use crate::clock::Timestamp;
use crate::id::UserId;
use serde_json::Value;

/// Collects changes; a mistake in one is reported by the commit.
#[derive(Debug)]
pub struct Batch {
    at: Timestamp,
    actor: Option<UserId>,
    ops: Vec<RawOp>,
    error: Option<StoreError>,
}

impl Batch {
    pub(super) fn new(at: Timestamp) -> Self {
        Self { at, actor: None, ops: Vec::new(), error: None }
    }

    /// When the batch's changes are dated.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Names the user whose request the following changes carry out.
    pub fn by(mut self, actor: Option<UserId>) -> Self {
        self.actor = actor;
        self
    }

    /// Writes a new document; the batch fails if its id is taken.
    pub fn create<D: Document>(self, new: &D) -> Self {
        self.push(new.id(), Expect::Absent, None, Some(new))
    }

    /// Replaces a document that was read; the batch fails if it has changed since.
    pub fn update<D: Document>(self, old: &Versioned<D>, new: &D) -> Self {
        self.push(old.document.id(), Expect::Version(old.version), Some(&old.document), Some(new))
    }

    /// Removes a document that was read; the batch fails if it has changed since.
    pub fn delete<D: Document>(self, old: &Versioned<D>) -> Self {
        self.push(old.document.id(), Expect::Version(old.version), Some(&old.document), None)
    }

    /// Changes how a document is kept, not what it says: nobody is told.
    pub(crate) fn rewrite<D: Document>(mut self, old: &Versioned<D>, new: &D) -> Self {
        if old.document.journal_view() != new.journal_view() {
            self.error = Some(StoreError::Key { detail: format!("an untold change of {}", D::KIND) });
            return self;
        }
        let told = self.ops.len();
        self = self.push(new.id(), Expect::Version(old.version), None, Some(new));
        for op in &mut self.ops[told..] {
            op.journal = None;
        }
        self
    }

    /// Removes a document without a word: its account has been told of it, and it was kept for a time only.
    pub(crate) fn forget<D: Document>(mut self, old: &Versioned<D>) -> Self {
        let told = self.ops.len();
        self = self.delete(old);
        for op in &mut self.ops[told..] {
            op.journal = None;
        }
        self
    }

    /// Writes a document whatever was there; only for kinds that are not journalled.
    pub fn put<D: Document>(mut self, new: &D) -> Self {
        if D::JOURNALED {
            self.error = Some(StoreError::Key { detail: format!("a blind write of {}", D::KIND) });
            return self;
        }
        self.push(new.id(), Expect::Any, None, Some(new))
    }

    fn push<D: Document>(mut self, id: String, expect: Expect, old: Option<&D>, new: Option<&D>) -> Self {
        match encode(new) {
            Ok(write) => {
                let account = new.or(old).map_or(Account::FIRST, Document::account);
                let journal = D::JOURNALED.then(|| RawChange {
                    account,
                    at: self.at,
                    actor: self.actor,
                    before: old.map_or(Value::Null, Document::journal_view),
                    after: new.map_or(Value::Null, Document::journal_view),
                });
                self.ops.push(RawOp { kind: D::KIND, id, expect, write, journal });
            }
            Err(error) => self.error = Some(error),
        }
        self
    }

    pub(super) fn into_ops(self) -> Result<Vec<RawOp>, StoreError> {
        self.error.map_or(Ok(self.ops), Err)
    }
}

pub(super) fn encode<D: Document>(new: Option<&D>) -> Result<Option<RawWrite>, StoreError> {
    let Some(new) = new else { return Ok(None) };
    let body = serde_json::to_vec(new).map_err(|source| StoreError::Encode { kind: D::KIND, source })?;
    let indexes = new
        .indexes()
        .into_iter()
        .chain(new.owner().index())
        .map(|index| {
            Ok(RawIndex { name: index.name.to_owned(), key: index.key.into_bytes()?, unique: index.unique })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Some(RawWrite { schema: D::SCHEMA, body, indexes }))
}
