//! What a group of batches writes: seen by the batches that follow, given to sled as one.
//!
//! sled seals a buffer of its log and has it written for each batch that it is given, so a
//! batch a group is many times quicker than a batch a writer.

use super::files::failed;
use crate::store::StoreError;
use sled::IVec;
use std::collections::BTreeMap;

/// Keys with what is to stand under them; none removes.
pub(super) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The changes of a group so far.
#[derive(Default)]
pub(super) struct Pending {
    changes: BTreeMap<Vec<u8>, Option<IVec>>,
    bytes: usize,
    /// The places of the kinds that it changes.
    places: u64,
}

impl Pending {
    /// Takes a batch in.
    pub(super) fn add(&mut self, changes: Changes) {
        for (key, value) in changes {
            self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            self.changes.insert(key, value.map(IVec::from));
        }
    }

    /// Notes the places of the kinds that a batch changes.
    pub(super) fn touch(&mut self, places: u64) {
        self.places |= places;
    }

    /// The places of all kinds that it changes.
    pub(super) fn places(&self) -> u64 {
        self.places
    }

    /// Bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes all of it or nothing; it is not on disk yet.
    pub(super) fn apply(self, db: &sled::Db) -> Result<(), StoreError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in self.changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        db.apply_batch(batch).map_err(failed)
    }
}

/// The database as it will be after a group's changes so far.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) db: &'a sled::Db,
    pub(super) pending: &'a Pending,
}

impl View<'_> {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self.pending.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.db.get(key).map_err(failed),
        }
    }
}
