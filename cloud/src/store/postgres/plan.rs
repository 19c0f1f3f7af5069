//! What a group of batches comes to, decided from what the database holds: pure, and alike to sled's rules.

use crate::store::engine::{Expect, RawIndex, RawOp, RawWrite, Receipt};
use crate::store::heads::Journal;
use crate::store::journal::{Change, Entry};
use crate::store::{Account, Record, StoreError, keys};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Old journal entries dropped with each entry that is added, at most.
const JOURNAL_DROP: u64 = 16;

/// What the database holds of what a group touches; its documents and journals are locked.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) documents: Vec<HeldDocument>,
    /// Places in unique indexes that the group wants: kind, index, place, and the id that has it.
    pub(super) places: Vec<(String, String, Vec<u8>, String)>,
    pub(super) journals: HashMap<Account, Journal>,
}

/// A document's head.
#[derive(Debug)]
pub(super) struct HeldDocument {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) indexes: Vec<RawIndex>,
}

/// A kind and an id.
pub(super) type Named<'a> = (&'a str, &'a str);
/// A kind, an index and a place in it.
pub(super) type Place<'a> = (&'a str, &'a str, Vec<u8>);

/// Places, each with the id that has it.
pub(super) type Owned<'p, 'a> = Vec<(&'p Place<'a>, &'a str)>;

/// A document as it will be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) version: u64,
    pub(super) schema: u32,
    pub(super) indexes: &'a [RawIndex],
    pub(super) body: &'a [u8],
}

/// What the group does to a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate<'a> {
    /// Whether the database has it.
    pub(super) existed: bool,
    /// What it is to become; none if it is to go.
    pub(super) row: Option<Row<'a>>,
}

/// Who has a place in an index before and after the group.
#[derive(Debug, Clone, Copy, Default)]
struct Owner<'a> {
    before: Option<&'a str>,
    now: Option<&'a str>,
}

/// Journal entries to be written, by their place.
type Entries = BTreeMap<(Account, u64), Vec<u8>>;

/// The journal entries of a batch.
#[derive(Default)]
struct Journalled {
    entries: Entries,
    /// The journals as they are after them.
    journals: BTreeMap<Account, Journal>,
    last_seq: Option<u64>,
}

/// The writes of a group, batch upon batch.
pub(super) struct Plan<'a> {
    held: HashMap<Named<'a>, &'a HeldDocument>,
    known: &'a HashMap<Account, Journal>,
    pub(super) documents: BTreeMap<Named<'a>, Fate<'a>>,
    places: BTreeMap<Place<'a>, Owner<'a>>,
    pub(super) journals: BTreeMap<Account, Journal>,
    pub(super) entries: Entries,
    pub(super) counters: BTreeMap<&'a str, u64>,
    /// Whether what is there is written over, whatever it is.
    pub(super) absolute: bool,
    /// What a tap is to be told, where there is one.
    records: Option<Vec<Record>>,
}

impl<'a> Plan<'a> {
    /// Begins with what the database holds; `tell` keeps records of what is written.
    pub(super) fn new(held: &'a Held, tell: bool) -> Self {
        let mut plan = Self {
            held: HashMap::with_capacity(held.documents.len()),
            known: &held.journals,
            documents: BTreeMap::new(),
            places: BTreeMap::new(),
            journals: BTreeMap::new(),
            entries: Entries::new(),
            counters: BTreeMap::new(),
            absolute: false,
            records: tell.then(Vec::new),
        };
        for document in &held.documents {
            let id = document.id.as_str();
            plan.held.insert((&document.kind, id), document);
            for index in &document.indexes {
                let place = keys::place(&index.key, index.unique, id);
                let owner = Owner { before: Some(id), now: Some(id) };
                plan.places.insert((&document.kind, &index.name, place), owner);
            }
        }
        for (kind, name, place, id) in &held.places {
            let owner = Owner { before: Some(id), now: Some(id) };
            plan.places.insert((kind, name, place.clone()), owner);
        }
        plan
    }

    /// The version and the index entries of a document as the plan has it so far.
    fn document(&self, kind: &str, id: &str) -> Option<(u64, &'a [RawIndex])> {
        match self.documents.get(&(kind, id)) {
            Some(fate) => fate.row.map(|row| (row.version, row.indexes)),
            None => self.held.get(&(kind, id)).map(|held| (held.version, held.indexes.as_slice())),
        }
    }

    /// Takes a batch in as a whole, or refuses it and is as it was.
    pub(super) fn commit(&mut self, ops: &'a [RawOp]) -> Result<Receipt, StoreError> {
        self.expected(ops)?;
        self.free(ops)?;
        let Journalled { entries, journals, last_seq } = self.entries(ops)?;
        let mut receipt = Receipt { versions: Vec::with_capacity(ops.len()), last_seq };
        for op in ops {
            self.leave(op.kind, &op.id);
        }
        for op in ops {
            let version = self.document(op.kind, &op.id).map_or(0, |(version, _)| version) + 1;
            receipt.versions.push(version);
            self.write(op.kind, &op.id, op.write.as_ref().map(|write| row(version, write)));
            if let Some(records) = &mut self.records {
                records.push(record(op, version));
            }
        }
        if let Some(records) = &mut self.records {
            records.extend(entries.iter().map(|((account, seq), body)| Record::Entry {
                account: *account,
                seq: *seq,
                body: body.clone(),
            }));
        }
        self.entries.extend(entries);
        self.journals.extend(journals);
        Ok(receipt)
    }

    /// Whether each document is as its change expects it.
    fn expected(&self, ops: &[RawOp]) -> Result<(), StoreError> {
        for op in ops {
            let version = self.document(op.kind, &op.id).map(|(version, _)| version);
            let fits = match op.expect {
                Expect::Any => true,
                Expect::Absent => version.is_none(),
                Expect::Version(wanted) => version == Some(wanted),
            };
            if !fits {
                return Err(StoreError::Conflict { kind: op.kind, id: op.id.clone() });
            }
        }
        Ok(())
    }

    /// Whether the places that the batch wants are free once its own documents have left theirs.
    fn free(&self, ops: &'a [RawOp]) -> Result<(), StoreError> {
        let mut freed = HashSet::new();
        for op in ops {
            let indexes = self.document(op.kind, &op.id).map_or(&[][..], |(_, indexes)| indexes);
            for index in indexes.iter().filter(|index| index.unique) {
                let place: Place = (op.kind, &index.name, index.key.clone());
                if self.places.get(&place).is_some_and(|owner| owner.now == Some(&op.id)) {
                    freed.insert(place);
                }
            }
        }
        let mut taken = HashSet::new();
        for op in ops {
            let indexes = op.write.as_ref().map_or(&[][..], |write| &write.indexes);
            for index in indexes.iter().filter(|index| index.unique) {
                let place: Place = (op.kind, &index.name, index.key.clone());
                let owned = self.places.get(&place).is_some_and(|owner| owner.now.is_some());
                if (owned && !freed.contains(&place)) || !taken.insert(place) {
                    return Err(StoreError::Taken { kind: op.kind, index: index.name.clone() });
                }
            }
        }
        Ok(())
    }

    /// Writes the batch's journal entries.
    fn entries(&self, ops: &[RawOp]) -> Result<Journalled, StoreError> {
        let mut done = Journalled::default();
        for op in ops {
            let Some(change) = &op.journal else { continue };
            let (account, old) = (change.account, self.document(op.kind, &op.id));
            let journal = done.journals.entry(account).or_insert_with(|| self.journal(account));
            journal.seq += 1;
            let entry = Entry {
                seq: journal.seq,
                at: change.at,
                actor: change.actor,
                kind: op.kind.to_owned(),
                id: op.id.clone(),
                change: Change::of(old.is_some(), op.write.is_some()),
                version: old.map_or(0, |(version, _)| version) + 1,
                before: change.before.clone(),
                after: change.after.clone(),
            };
            let body =
                serde_json::to_vec(&entry).map_err(|source| StoreError::Encode { kind: op.kind, source })?;
            keys::check_value(body.len(), 0)?;
            done.entries.insert((account, entry.seq), body);
            done.last_seq = Some(entry.seq);
        }
        Ok(done)
    }

    fn journal(&self, account: Account) -> Journal {
        let known = self.journals.get(&account).or_else(|| self.known.get(&account));
        known.copied().unwrap_or_default()
    }

    /// Gives up a document's places in indexes.
    fn leave(&mut self, kind: &'a str, id: &'a str) {
        let indexes = self.document(kind, id).map_or(&[][..], |(_, indexes)| indexes);
        for index in indexes {
            let place = (kind, index.name.as_str(), keys::place(&index.key, index.unique, id));
            let owner = self.places.entry(place).or_default();
            // A place may have gone to another document that was written over what was there.
            if owner.now == Some(id) {
                owner.now = None;
            }
        }
    }

    /// Sets what a document is to become, and takes its places.
    fn write(&mut self, kind: &'a str, id: &'a str, row: Option<Row<'a>>) {
        let existed = self.held.contains_key(&(kind, id));
        for index in row.map_or(&[][..], |row| row.indexes) {
            let place = (kind, index.name.as_str(), keys::place(&index.key, index.unique, id));
            self.places.entry(place).or_default().now = Some(id);
        }
        self.documents.insert((kind, id), Fate { existed, row });
    }

    /// Takes a record in over what is there.
    pub(super) fn import(&mut self, record: &'a Record) -> Result<(), StoreError> {
        // What only takes away writes nothing over.
        self.absolute |= record.takes_room();
        match record {
            Record::Document { kind, id, version, schema, indexes, body } => {
                keys::check(kind, id)?;
                keys::check_value(body.len(), indexes.len())?;
                for index in indexes {
                    keys::check(&index.name, id)?;
                }
                self.leave(kind, id);
                self.write(kind, id, Some(Row { version: *version, schema: *schema, indexes, body }));
            }
            Record::Gone { kind, id } => {
                keys::check(kind, id)?;
                self.leave(kind, id);
                self.write(kind, id, None);
            }
            Record::Entry { account, seq, body } => {
                let known = self.journal(*account);
                // A journal that has had no entry yet begins with this one.
                let known =
                    if known == Journal::default() { Journal { seq: *seq, oldest: *seq } } else { known };
                let journal = Journal { seq: known.seq.max(*seq), oldest: known.oldest.min(*seq) };
                self.journals.insert(*account, journal);
                self.entries.insert((*account, *seq), body.clone());
            }
            Record::Oldest { account, seq } => {
                let known = self.journal(*account);
                self.journals.insert(*account, Journal { oldest: known.oldest.max(*seq), ..known });
            }
            Record::Counter { name, value } => {
                self.counters.insert(name, *value);
            }
        }
        if let Some(records) = &mut self.records {
            records.push(record.clone());
        }
        Ok(())
    }

    /// Drops the oldest entries of journals beyond what is kept.
    pub(super) fn trim(&mut self, keep: u64) {
        for (account, journal) in &mut self.journals {
            let before = self.known.get(account).copied().unwrap_or_default();
            let most = before.oldest + JOURNAL_DROP * journal.seq.saturating_sub(before.seq);
            let oldest = (journal.seq + 1).saturating_sub(keep).min(most);
            if oldest > journal.oldest {
                journal.oldest = oldest;
                if let Some(records) = &mut self.records {
                    records.push(Record::Oldest { account: *account, seq: oldest });
                }
            }
        }
    }

    /// Notes a number that was drawn.
    pub(super) fn drawn(&mut self, counter: &str, value: u64) {
        if let Some(records) = &mut self.records {
            records.push(Record::Counter { name: counter.to_owned(), value });
        }
    }

    /// The places to give up and the ones to take, each with the id that has it.
    pub(super) fn moves(&self) -> (Owned<'_, 'a>, Owned<'_, 'a>) {
        let (mut leave, mut take) = (Vec::new(), Vec::new());
        for (place, owner) in &self.places {
            if owner.before != owner.now {
                leave.extend(owner.before.map(|id| (place, id)));
            }
            if owner.before != owner.now || self.absolute {
                take.extend(owner.now.map(|id| (place, id)));
            }
        }
        (leave, take)
    }

    /// Whether there is anything to write.
    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.journals.is_empty() && self.counters.is_empty()
    }

    /// What a tap is told of it.
    pub(super) fn take_records(&mut self) -> Vec<Record> {
        self.records.take().unwrap_or_default()
    }
}

fn row(version: u64, write: &RawWrite) -> Row<'_> {
    Row { version, schema: write.schema, indexes: &write.indexes, body: &write.body }
}

fn record(op: &RawOp, version: u64) -> Record {
    let (kind, id) = (op.kind.to_owned(), op.id.clone());
    match &op.write {
        None => Record::Gone { kind, id },
        Some(write) => Record::Document {
            kind,
            id,
            version,
            schema: write.schema,
            indexes: write.indexes.clone(),
            body: write.body.clone(),
        },
    }
}

/// Refuses what no plan could carry out: names, lengths, and two changes of one document.
pub(super) fn check(ops: &[RawOp]) -> Result<(), StoreError> {
    let mut seen = HashSet::with_capacity(ops.len());
    for op in ops {
        keys::check(op.kind, &op.id)?;
        if !seen.insert((op.kind, op.id.as_str())) {
            return Err(StoreError::Key { detail: format!("two changes of {} in one batch", op.id) });
        }
        let Some(write) = &op.write else { continue };
        keys::check_value(write.body.len(), write.indexes.len())?;
        for index in &write.indexes {
            keys::check(&index.name, &op.id)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
