//! Documents, indexes and journals as they are read: each by one statement along one primary key.

use super::link::Link;
use crate::store::engine::{Order, RawDocument, RawPage, RawScan};
use crate::store::journal::{Account, Entry, JournalPage};
use crate::store::{StoreError, keys};
use std::sync::Arc;
use tokio_postgres::{Error, Row};

/// Where the statements are on a reading connection.
const GET: usize = 0;
const RISING: usize = 1;
const FALLING: usize = 2;
const JOURNAL: usize = 3;

/// The statements of a reading connection: row by row, so that the planner cannot do otherwise on any table.
pub(super) const TEXTS: [&str; 4] = [
    "SELECT version, schema, body FROM document WHERE kind = $1 AND id = $2",
    "SELECT i.place, i.id, d.version, d.schema, d.body FROM (
         SELECT place, id FROM document_index
         WHERE kind = $1 AND name = $2 AND place >= $3 AND place < $4 ORDER BY place LIMIT $5
     ) i LEFT JOIN LATERAL (
         SELECT version, schema, body FROM document WHERE kind = $1 AND id = i.id OFFSET 0
     ) d ON true ORDER BY i.place",
    "SELECT i.place, i.id, d.version, d.schema, d.body FROM (
         SELECT place, id FROM document_index
         WHERE kind = $1 AND name = $2 AND place >= $3 AND place < $4 ORDER BY place DESC LIMIT $5
     ) i LEFT JOIN LATERAL (
         SELECT version, schema, body FROM document WHERE kind = $1 AND id = i.id OFFSET 0
     ) d ON true ORDER BY i.place DESC",
    "SELECT seq, entry FROM journal WHERE account = $1 AND seq > $2 ORDER BY seq LIMIT $3",
];

/// Higher than every place: longer than the longest, of the highest bytes.
const BEYOND: [u8; 256] = [u8::MAX; 256];

/// Reads a document.
pub(super) async fn get(link: Arc<Link>, kind: &str, id: &str) -> Result<Option<RawDocument>, Error> {
    let row = link.client.query_opt(link.statement(GET), &[&kind, &id]).await?;
    row.map(|row| document(&row, 0)).transpose()
}

fn document(row: &Row, place: usize) -> Result<RawDocument, Error> {
    Ok(RawDocument {
        version: row.try_get::<_, i64>(place)?.cast_unsigned(),
        schema: row.try_get::<_, i64>(place + 1)? as u32,
        body: row.try_get(place + 2)?,
    })
}

/// The places that a scan reads: from the first, up to but not including the second.
fn range(scan: &RawScan) -> (Vec<u8>, Vec<u8>) {
    let mut low = scan.prefix.clone();
    let mut high = keys::successor(&scan.prefix);
    if high.is_empty() {
        high = BEYOND.to_vec();
    }
    if let Some(after) = scan.after.as_ref().filter(|after| after.starts_with(&scan.prefix)) {
        match scan.order {
            Order::Rising => {
                // The very next place that there can be.
                low.clone_from(after);
                low.push(0);
            }
            Order::Falling => high.clone_from(after),
        }
    }
    (low, high)
}

/// Reads a part of an index, with the documents.
pub(super) async fn scan(link: Arc<Link>, scan: &RawScan) -> Result<RawPage, Error> {
    let (low, high) = range(scan);
    let order = match scan.order {
        Order::Rising => RISING,
        Order::Falling => FALLING,
    };
    let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX - 1) + 1;
    let rows =
        link.client.query(link.statement(order), &[&scan.kind, &scan.index, &low, &high, &limit]).await?;
    let mut page = RawPage::default();
    let more = rows.len() > scan.limit;
    for row in rows.iter().take(scan.limit) {
        if row.try_get::<_, Option<i64>>(2)?.is_some() {
            page.documents.push((row.try_get(1)?, document(row, 2)?));
        }
        if more {
            page.next = Some(row.try_get(0)?);
        }
    }
    Ok(page)
}

/// Reads entries of a journal: each with its `seq`.
pub(super) async fn entries(
    link: Arc<Link>,
    account: Account,
    after: i64,
    limit: i64,
) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let rows =
        link.client.query(link.statement(JOURNAL), &[&account.0.cast_signed(), &after, &limit]).await?;
    rows.iter().map(|row| Ok((row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get(1)?))).collect()
}

/// Makes a page of entries that come after `after`.
pub(super) fn page(
    account: Account,
    after: u64,
    entries: Vec<(u64, Vec<u8>)>,
) -> Result<JournalPage, StoreError> {
    let mut page = JournalPage::default();
    for (seq, body) in entries {
        let entry: Entry = serde_json::from_slice(&body).map_err(|error| StoreError::Decode {
            kind: "journal entry".to_owned(),
            id: format!("{account}:{seq}"),
            detail: error.to_string(),
        })?;
        page.reset |= page.entries.is_empty() && seq != after + 1;
        page.entries.push(entry);
    }
    Ok(page)
}

/// Bytes on disk of the tables with all that belongs to them.
pub(super) async fn size(link: Arc<Link>) -> Result<u64, Error> {
    let text = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
    Ok(link.client.query_one(text, &[]).await?.try_get::<_, i64>(0)?.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_reads_from_its_cursor_within_its_prefix() {
        let scan = |prefix: &[u8], order, after: Option<&[u8]>| RawScan {
            kind: "thing",
            index: "name",
            prefix: prefix.to_vec(),
            order,
            after: after.map(<[u8]>::to_vec),
            limit: 1,
        };

        let is = |prefix: &[u8], order, after, low: &[u8], high: &[u8]| {
            assert_eq!(range(&scan(prefix, order, after)), (low.to_vec(), high.to_vec()));
        };
        is(b"ab", Order::Rising, None, b"ab", b"ac");
        is(b"ab", Order::Rising, Some(b"abx"), b"abx\0", b"ac");
        is(b"ab", Order::Falling, Some(b"abx"), b"ab", b"abx");
        is(b"ab", Order::Rising, Some(b"xyz"), b"ab", b"ac");
        is(b"", Order::Falling, None, b"", &BEYOND);
        is(b"\xff", Order::Rising, None, b"\xff", &BEYOND);
    }
}
