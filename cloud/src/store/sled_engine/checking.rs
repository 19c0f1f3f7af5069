//! Looks for what does not fit together in the database.

use super::files::{Files, failed};
use super::layout::{self, Place};
use super::reading;
use super::record::Head;
use crate::store::engine::Tell;
use crate::store::{Account, Fault, StoreError};
use std::collections::HashMap;

/// Faults that are told; more are the same story.
const MAX_FAULTS: usize = 1000;
/// How often a key that looks wrong is looked at again: a writer may just be changing what belongs to it.
const LOOKS: usize = 3;

struct Check<'a> {
    db: &'a sled::Db,
    faults: Vec<Fault>,
    journals: HashMap<Account, u64>,
}

/// Walks through all keys once and holds each against what it belongs to.
pub(super) fn check(files: &Files, tell: &Tell) -> Result<Vec<Fault>, StoreError> {
    let db = files.db()?;
    let mut check = Check { db: &db, faults: Vec::new(), journals: HashMap::new() };
    for (number, key) in (1..).zip(db.iter().keys()) {
        let key = key.map_err(failed)?;
        if number % 256 == 0 && !tell(number) {
            return Err(StoreError::Cancelled);
        }
        check.key(&key)?;
        if check.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    if let Ok(mut blobs) = std::fs::read_dir(files.path().join("blobs"))
        && blobs.next().is_some()
    {
        check.fault("blobs/", "a value was too long to be synced with the others");
    }
    Ok(check.faults)
}

impl Check<'_> {
    fn fault(&mut self, place: impl Into<String>, detail: impl Into<String>) {
        self.faults.push(Fault { place: place.into(), detail: detail.into() });
    }

    fn key(&mut self, key: &[u8]) -> Result<(), StoreError> {
        match layout::place(key) {
            None => self.fault(hex::encode(key), "is no key of the store"),
            Some(Place::Document { kind, id }) => self.document(&kind, &id)?,
            Some(Place::Index { kind, name }) => self.index(key, &kind, &name)?,
            Some(Place::Chunk { kind, id, version }) => {
                let known = |head: &Head| head.version == version && head.chunks > 0;
                if !self.fits(&kind, &id, known)? && self.still_there(key)? {
                    self.fault(format!("{kind} {id}"), format!("a part of version {version} is left over"));
                }
            }
            Some(Place::Journal(account, seq)) => self.entry(key, account, seq)?,
            Some(Place::JournalChunk(account, seq)) => {
                if !self.still_there(&layout::journal(account, seq))? && self.still_there(key)? {
                    self.fault(format!("journal {account}"), format!("a part of entry {seq} is left over"));
                }
            }
            Some(Place::Counter(_) | Place::Format) => {}
        }
        Ok(())
    }

    fn document(&mut self, kind: &str, id: &str) -> Result<(), StoreError> {
        match reading::document(self.db, kind, id) {
            Ok(None) => {}
            Ok(Some((_, body))) => {
                if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
                    self.fault(format!("{kind} {id}"), format!("is no JSON: {error}"));
                }
            }
            Err(error) => self.fault(format!("{kind} {id}"), error.to_string()),
        }
        for _ in 0..LOOKS {
            let Some(value) = self.db.get(layout::document(kind, id)?).map_err(failed)? else {
                return Ok(());
            };
            let head = Head::decode(&value)?;
            let missing = head.indexes.iter().find_map(|index| {
                let place = layout::index_entry(kind, &index.name, &index.key, index.unique, id);
                let found = self.db.get(place).ok().flatten();
                found.is_none_or(|owner| owner.as_ref() != id.as_bytes()).then(|| index.name.clone())
            });
            let Some(name) = missing else { return Ok(()) };
            if self.db.get(layout::document(kind, id)?).map_err(failed)?.as_ref() == Some(&value) {
                self.fault(format!("{kind} {id}"), format!("is missing in its index {name}"));
                return Ok(());
            }
        }
        Ok(())
    }

    fn index(&mut self, key: &[u8], kind: &str, name: &str) -> Result<(), StoreError> {
        let Some(owner) = self.db.get(key).map_err(failed)? else { return Ok(()) };
        let id = String::from_utf8_lossy(&owner).into_owned();
        let lists = |head: &Head| {
            head.indexes
                .iter()
                .any(|index| layout::index_entry(kind, &index.name, &index.key, index.unique, &id) == key)
        };
        if !self.fits(kind, &id, lists)? && self.still_there(key)? {
            self.fault(
                format!("{kind} {id}"),
                format!("the index {name} has a place that it does not claim"),
            );
        }
        Ok(())
    }

    fn entry(&mut self, key: &[u8], account: Account, seq: u64) -> Result<(), StoreError> {
        if reading::entry(self.db, key)?.is_none() && self.still_there(key)? {
            self.fault(format!("journal {account}"), format!("entry {seq} lacks a part"));
        }
        if let Some(last) = self.journals.insert(account, seq)
            && last + 1 != seq
        {
            self.fault(format!("journal {account}"), format!("after entry {last} comes {seq}"));
        }
        Ok(())
    }

    /// Whether a document is as wanted, on one of a few looks.
    fn fits(&self, kind: &str, id: &str, wanted: impl Fn(&Head) -> bool) -> Result<bool, StoreError> {
        for _ in 0..LOOKS {
            let value = self.db.get(layout::document(kind, id)?).map_err(failed)?;
            if value.map(|value| Head::decode(&value)).transpose()?.is_some_and(|head| wanted(&head)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn still_there(&self, key: &[u8]) -> Result<bool, StoreError> {
        self.db.contains_key(key).map_err(failed)
    }
}
