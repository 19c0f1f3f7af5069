//! Turns a batch of the store into changes of keys, checking what it expects.

use super::layout;
use super::pending::{Changes, View};
use super::record::Head;
use crate::store::engine::{Expect, RawChange, RawOp, Receipt};
use crate::store::heads::Journal;
use crate::store::journal::{Change, Entry};
use crate::store::{Account, Record, StoreError, keys};
use std::collections::{HashMap, HashSet};

/// Old entries dropped with each batch that adds some, at most.
const JOURNAL_DROP: usize = 16;

/// What a batch comes to.
pub(super) struct Applied {
    pub(super) changes: Changes,
    pub(super) receipt: Receipt,
    /// The journals that grew, as they are after it.
    pub(super) journals: HashMap<Account, Journal>,
    /// What it wrote, where somebody wants to know.
    pub(super) records: Vec<Record>,
}

struct Build<'a> {
    view: View<'a>,
    applied: Applied,
    known: &'a HashMap<Account, Journal>,
    taken: HashSet<Vec<u8>>,
    freed: HashSet<Vec<u8>>,
    tell: bool,
}

/// Checks a batch against the database and builds what is to be written.
pub(super) fn batch(
    view: View<'_>,
    ops: &[RawOp],
    journals: &HashMap<Account, Journal>,
    keep: u64,
    tell: bool,
) -> Result<Applied, StoreError> {
    let applied = Applied {
        changes: Changes::new(),
        receipt: Receipt::default(),
        journals: HashMap::new(),
        records: Vec::new(),
    };
    let (taken, freed) = (HashSet::new(), HashSet::new());
    let mut build = Build { view, applied, known: journals, taken, freed, tell };
    let mut seen = HashSet::new();
    let mut heads = Vec::with_capacity(ops.len());
    for op in ops {
        let key = layout::document(op.kind, &op.id)?;
        if !seen.insert(key.clone()) {
            return Err(StoreError::Key { detail: format!("two changes of {} in one batch", op.id) });
        }
        let old = view.get(&key)?.map(|value| Head::decode(&value)).transpose()?;
        let fits = match op.expect {
            Expect::Any => true,
            Expect::Absent => old.is_none(),
            Expect::Version(version) => old.as_ref().is_some_and(|old| old.version == version),
        };
        if !fits {
            return Err(StoreError::Conflict { kind: op.kind, id: op.id.clone() });
        }
        if let Some(old) = &old {
            build.remove(op, old)?;
        }
        heads.push((key, old));
    }
    for (op, (key, old)) in ops.iter().zip(heads) {
        build.write(op, key, old.as_ref())?;
    }
    build.trim(keep)?;
    Ok(build.applied)
}

impl Build<'_> {
    /// Takes back the index entries and chunks of the version that a change replaces.
    fn remove(&mut self, op: &RawOp, old: &Head) -> Result<(), StoreError> {
        for index in &old.indexes {
            let place = layout::index_entry(op.kind, &index.name, &index.key, index.unique, &op.id);
            self.applied.changes.push((place.clone(), None));
            self.freed.insert(place);
        }
        for number in 0..old.chunks {
            let key = layout::chunk(op.kind, &op.id, old.version, number)?;
            self.applied.changes.push((key, None));
        }
        Ok(())
    }

    fn write(&mut self, op: &RawOp, key: Vec<u8>, old: Option<&Head>) -> Result<(), StoreError> {
        let version = old.map_or(0, |old| old.version) + 1;
        match &op.write {
            None => self.applied.changes.push((key, None)),
            Some(write) => {
                for index in &write.indexes {
                    self.claim(op, &index.name, &index.key, index.unique)?;
                }
                let (head, rest) = Head::split(version, write.schema, write.indexes.clone(), &write.body)?;
                for (number, piece) in rest.into_iter().enumerate() {
                    let key = layout::chunk(op.kind, &op.id, version, number as u16)?;
                    self.applied.changes.push((key, Some(piece.to_vec())));
                }
                self.applied.changes.push((key, Some(head.encode())));
            }
        }
        self.applied.receipt.versions.push(version);
        if self.tell {
            let (kind, id) = (op.kind.to_owned(), op.id.clone());
            self.applied.records.push(match &op.write {
                None => Record::Gone { kind, id },
                Some(write) => Record::Document {
                    kind,
                    id,
                    version,
                    schema: write.schema,
                    indexes: write.indexes.clone(),
                    body: write.body.clone(),
                },
            });
        }
        match &op.journal {
            Some(change) => self.journal(op, change, old.is_some(), version),
            None => Ok(()),
        }
    }

    /// Takes a place in an index; in a unique one nobody else may have it.
    fn claim(&mut self, op: &RawOp, name: &str, key: &[u8], unique: bool) -> Result<(), StoreError> {
        keys::check(name, &op.id)?;
        let place = layout::index_entry(op.kind, name, key, unique, &op.id);
        let occupied = unique && !self.freed.contains(&place) && self.view.get(&place)?.is_some();
        if occupied || (!self.taken.insert(place.clone()) && unique) {
            return Err(StoreError::Taken { kind: op.kind, index: name.to_owned() });
        }
        self.applied.changes.push((place, Some(op.id.clone().into_bytes())));
        Ok(())
    }

    fn journal(
        &mut self,
        op: &RawOp,
        change: &RawChange,
        existed: bool,
        version: u64,
    ) -> Result<(), StoreError> {
        let known = self.known.get(&change.account).copied().unwrap_or_default();
        let journal = self.applied.journals.entry(change.account).or_insert(known);
        journal.seq += 1;
        let entry = Entry {
            seq: journal.seq,
            at: change.at,
            actor: change.actor,
            kind: op.kind.to_owned(),
            id: op.id.clone(),
            change: Change::of(existed, op.write.is_some()),
            version,
            before: change.before.clone(),
            after: change.after.clone(),
        };
        self.applied.receipt.last_seq = Some(entry.seq);
        let body =
            serde_json::to_vec(&entry).map_err(|source| StoreError::Encode { kind: op.kind, source })?;
        insert_entry(&mut self.applied.changes, change.account, entry.seq, &body)?;
        if self.tell {
            self.applied.records.push(Record::Entry { account: change.account, seq: entry.seq, body });
        }
        Ok(())
    }

    /// Drops the oldest entries beyond what is kept, a few at a time.
    fn trim(&mut self, keep: u64) -> Result<(), StoreError> {
        for (account, journal) in &mut self.applied.journals {
            let first = journal.oldest;
            for _ in 0..JOURNAL_DROP {
                if journal.seq < journal.oldest + keep {
                    break;
                }
                drop_entry(self.view, &mut self.applied.changes, *account, journal.oldest)?;
                journal.oldest += 1;
            }
            if self.tell && journal.oldest != first {
                self.applied.records.push(Record::Oldest { account: *account, seq: journal.oldest });
            }
        }
        Ok(())
    }
}

/// Writes a journal entry.
pub(super) fn insert_entry(
    changes: &mut Changes,
    account: Account,
    seq: u64,
    body: &[u8],
) -> Result<(), StoreError> {
    let (head, rest) = Head::split(0, 1, Vec::new(), body)?;
    let key = layout::journal(account, seq);
    for (number, piece) in rest.into_iter().enumerate() {
        changes.push((layout::journal_chunk(&key, number as u16), Some(piece.to_vec())));
    }
    changes.push((key, Some(head.encode())));
    Ok(())
}

/// Removes a journal entry with all that belongs to it.
pub(super) fn drop_entry(
    view: View<'_>,
    changes: &mut Changes,
    account: Account,
    seq: u64,
) -> Result<(), StoreError> {
    let key = layout::journal(account, seq);
    if let Some(value) = view.get(&key)? {
        for number in 0..Head::decode(&value)?.chunks {
            changes.push((layout::journal_chunk(&key, number), None));
        }
    }
    changes.push((key, None));
    Ok(())
}
