//! Documents, indexes and journals as they are read.

use super::files::failed;
use super::layout;
use super::record::Head;
use crate::store::engine::{Order, RawDocument, RawPage, RawScan};
use crate::store::heads::Heads;
use crate::store::journal::{Account, Entry, JournalPage};
use crate::store::{StoreError, keys};
use std::ops::Bound;

/// How often a document is read again when its chunks change under the reader.
const READ_ATTEMPTS: usize = 64;

/// Reads a document's head and its whole body.
pub(super) fn document(db: &sled::Db, kind: &str, id: &str) -> Result<Option<(Head, Vec<u8>)>, StoreError> {
    let key = layout::document(kind, id)?;
    for _ in 0..READ_ATTEMPTS {
        let Some(value) = db.get(&key).map_err(failed)? else { return Ok(None) };
        let head = Head::decode(&value)?;
        // A chunk that is missing belongs to a version that was replaced after the head was read.
        let chunk = |chunk| db.get(layout::chunk(kind, id, head.version, chunk)?).map_err(failed);
        if let Some(body) = head.body(chunk)? {
            return Ok(Some((head, body)));
        }
    }
    Err(StoreError::Engine(format!("the {kind} {id} lacks a part of its value")))
}

/// Reads a document.
pub(super) fn get(db: &sled::Db, kind: &str, id: &str) -> Result<Option<RawDocument>, StoreError> {
    let found = document(db, kind, id)?;
    Ok(found.map(|(head, body)| RawDocument { version: head.version, schema: head.schema, body }))
}

/// Reads a part of an index, with the documents.
pub(super) fn scan(db: &sled::Db, scan: &RawScan) -> Result<RawPage, StoreError> {
    let start = layout::index(scan.kind, scan.index, &scan.prefix);
    let end = keys::successor(&start);
    let after = scan.after.as_ref().map(|after| layout::index(scan.kind, scan.index, after));
    let (mut low, mut high) = (Bound::Included(start.clone()), Bound::Excluded(end));
    if let Some(after) = after.filter(|after| after.starts_with(&start)) {
        match scan.order {
            Order::Rising => low = Bound::Excluded(after),
            Order::Falling => high = Bound::Excluded(after),
        }
    }
    let range = db.range((low, high));
    let take = scan.limit.saturating_add(1);
    let found: Vec<_> = match scan.order {
        Order::Rising => range.take(take).collect::<Result<_, _>>(),
        Order::Falling => range.rev().take(take).collect::<Result<_, _>>(),
    }
    .map_err(failed)?;
    let more = found.len() > scan.limit;
    let base = layout::index(scan.kind, scan.index, &[]).len();
    let mut page = RawPage::default();
    for (key, value) in found.iter().take(scan.limit) {
        let id = String::from_utf8_lossy(value).into_owned();
        // It may have been deleted since its index entry was read.
        if let Some(document) = get(db, scan.kind, &id)? {
            page.documents.push((id, document));
        }
        page.next = more.then(|| key[base..].to_vec());
    }
    Ok(page)
}

/// Reads a journal entry's body; `None` if it has been dropped.
pub(super) fn entry(db: &sled::Db, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(value) = db.get(key).map_err(failed)? else { return Ok(None) };
    let head = Head::decode(&value)?;
    head.body(|chunk| db.get(layout::journal_chunk(key, chunk)).map_err(failed))
}

/// Reads a part of an account's journal, as far as it is on disk.
pub(super) fn journal(
    db: &sled::Db,
    heads: &Heads,
    account: Account,
    after: u64,
    limit: usize,
) -> Result<JournalPage, StoreError> {
    let head = heads.last(account);
    let mut page = JournalPage::default();
    if after >= head {
        return Ok(page);
    }
    let range = layout::journal(account, after + 1)..=layout::journal(account, head);
    for key in db.range(range).keys().take(limit) {
        let key = key.map_err(failed)?;
        let Some(body) = entry(db, &key)? else {
            // Its end was dropped while it was read: so were all before it.
            page = JournalPage { entries: Vec::new(), reset: true };
            continue;
        };
        let entry: Entry = serde_json::from_slice(&body).map_err(|error| StoreError::Decode {
            kind: "journal entry".to_owned(),
            id: hex::encode(&key),
            detail: error.to_string(),
        })?;
        page.reset |= page.entries.is_empty() && entry.seq != after + 1;
        page.entries.push(entry);
    }
    Ok(page)
}
