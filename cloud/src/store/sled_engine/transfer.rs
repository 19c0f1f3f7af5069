//! Everything out of the database and into it, as records.

use super::apply::{drop_entry, insert_entry};
use super::files::{Files, failed};
use super::layout::{self, Place};
use super::pending::{Changes, View};
use super::reading;
use super::record::Head;
use crate::store::heads::Journal;
use crate::store::{Account, Record, StoreError, keys};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use std::collections::HashMap;
use std::ops::{Bound, Range};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Records of one piece.
const PIECE: usize = 256;

/// Where an export is.
struct Walk {
    files: Arc<Files>,
    /// What is left to read, the next first.
    ranges: Vec<(Bound<Vec<u8>>, Vec<u8>)>,
}

fn all() -> Vec<Range<Vec<u8>>> {
    vec![layout::counters(), layout::journals_after(None), layout::documents()]
}

/// Reads everything, a piece at a time.
pub(super) fn export(files: &Arc<Files>) -> BoxStream<'static, Result<Vec<Record>, StoreError>> {
    let ranges = all().into_iter().map(|range| (Bound::Included(range.start), range.end)).collect();
    let walk = Walk { files: Arc::clone(files), ranges };
    stream::unfold(Some(walk), |walk| async move {
        let mut walk = walk?;
        let read = spawn_blocking(move || {
            let piece = walk.piece();
            (walk, piece)
        });
        match read.await {
            Ok((walk, Ok(Some(piece)))) => Some((Ok(piece), Some(walk))),
            Ok((_, Ok(None))) => None,
            Ok((_, Err(error))) => Some((Err(error), None)),
            Err(error) => Some((Err(StoreError::Engine(error.to_string())), None)),
        }
    })
    .boxed()
}

/// How many records an export gives.
pub(super) fn count(db: &sled::Db) -> Result<u64, StoreError> {
    let mut records = 0;
    for range in all() {
        for key in db.range(range).keys() {
            key.map_err(failed)?;
            records += 1;
        }
    }
    Ok(records)
}

impl Walk {
    fn piece(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        while let Some((from, to)) = self.ranges.pop() {
            let db = self.files.db()?;
            let mut records = Vec::with_capacity(PIECE);
            let mut last = None;
            for key in db.range((from, Bound::Excluded(to.clone()))).keys().take(PIECE) {
                let key = key.map_err(failed)?;
                records.extend(read(&db, &key)?);
                last = Some(key);
            }
            if let Some(last) = last {
                self.ranges.push((Bound::Excluded(last.to_vec()), to));
                return Ok(Some(records));
            }
        }
        Ok(None)
    }
}

/// Reads what a key names; nothing if it has gone since.
fn read(db: &sled::Db, key: &[u8]) -> Result<Option<Record>, StoreError> {
    let strange = || StoreError::Engine(format!("a key that is none of the store's: {}", hex::encode(key)));
    match layout::place(key).ok_or_else(strange)? {
        Place::Document { kind, id } => {
            let found = reading::document(db, &kind, &id)?;
            Ok(found.map(|(head, body)| Record::Document {
                kind,
                id,
                version: head.version,
                schema: head.schema,
                indexes: head.indexes,
                body,
            }))
        }
        Place::Journal(account, seq) => {
            let body = reading::entry(db, key)?;
            Ok(body.map(|body| Record::Entry { account, seq, body }))
        }
        Place::Counter(name) => {
            let value = db.get(key).map_err(failed)?;
            let value = value.and_then(|value| value.as_ref().try_into().ok()).map(u64::from_be_bytes);
            Ok(value.map(|value| Record::Counter { name, value }))
        }
        _ => Err(strange()),
    }
}

/// Puts a record over what is there; `journals` are kept in line with it.
pub(super) fn import(
    view: View<'_>,
    record: &Record,
    journals: &mut HashMap<Account, Journal>,
) -> Result<Changes, StoreError> {
    let mut changes = Changes::new();
    match record {
        Record::Document { kind, id, version, schema, indexes, body } => {
            let key = layout::document(kind, id)?;
            forget(view, &mut changes, kind, id, &key)?;
            for index in indexes {
                keys::check(&index.name, id)?;
                let place = layout::index_entry(kind, &index.name, &index.key, index.unique, id);
                changes.push((place, Some(id.clone().into_bytes())));
            }
            let (head, rest) = Head::split(*version, *schema, indexes.clone(), body)?;
            for (number, piece) in rest.into_iter().enumerate() {
                changes.push((layout::chunk(kind, id, *version, number as u16)?, Some(piece.to_vec())));
            }
            changes.push((key, Some(head.encode())));
        }
        Record::Gone { kind, id } => {
            let key = layout::document(kind, id)?;
            forget(view, &mut changes, kind, id, &key)?;
            changes.push((key, None));
        }
        Record::Entry { account, seq, body } => {
            let journal = journals.entry(*account).or_insert(Journal { seq: *seq, oldest: *seq });
            journal.seq = journal.seq.max(*seq);
            journal.oldest = journal.oldest.min(*seq);
            insert_entry(&mut changes, *account, *seq, body)?;
        }
        Record::Oldest { account, seq } => {
            let journal = journals.entry(*account).or_default();
            for old in journal.oldest..*seq {
                drop_entry(view, &mut changes, *account, old)?;
            }
            journal.oldest = journal.oldest.max(*seq);
        }
        Record::Counter { name, value } => {
            changes.push((layout::counter(name), Some(value.to_be_bytes().to_vec())));
        }
    }
    Ok(changes)
}

/// Takes back a document's chunks, and those index entries that are still its own.
fn forget(view: View<'_>, changes: &mut Changes, kind: &str, id: &str, key: &[u8]) -> Result<(), StoreError> {
    let Some(old) = view.get(key)? else { return Ok(()) };
    let old = Head::decode(&old)?;
    for index in &old.indexes {
        let place = layout::index_entry(kind, &index.name, &index.key, index.unique, id);
        // A unique key may have gone to another document that was written before this one.
        if view.get(&place)?.is_some_and(|owner| owner.as_ref() == id.as_bytes()) {
            changes.push((place, None));
        }
    }
    for number in 0..old.chunks {
        changes.push((layout::chunk(kind, id, old.version, number)?, None));
    }
    Ok(())
}
