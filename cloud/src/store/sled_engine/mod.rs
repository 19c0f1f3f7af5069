//! The embedded engine: sled, with one committer thread for all writers.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: it waits for the files of a run that is just ending"
)]

mod committer;
mod layout;
mod record;

use super::engine::{Engine, Order, RawDocument, RawOp, RawPage, RawScan, Receipt, StoreError};
use super::journal::{Entry, JournalPage};
use committer::{Committer, Job};
use futures_util::future::BoxFuture;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Batches that may wait for the committer before writers are held up.
const QUEUE: usize = 1024;
/// Memory for what was read lately.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// How often the files are tried when another process has them.
const LOCK_ATTEMPTS: u32 = 20;
/// How long to wait between.
const LOCK_WAIT: Duration = Duration::from_millis(100);
/// Entries that the journal keeps.
const JOURNAL_KEEP: u64 = 100_000;
/// How often a document is read again when its chunks change under the reader.
const READ_ATTEMPTS: usize = 64;

/// A sled database in a directory.
pub struct SledEngine {
    db: sled::Db,
    jobs: mpsc::Sender<Job>,
    head: watch::Receiver<u64>,
    healthy: Arc<AtomicBool>,
    ended: watch::Receiver<bool>,
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn failed(error: sled::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}

/// Opens the files, waiting a little for a run that is just ending to let go of them.
fn open_db(path: &Path) -> Result<sled::Db, String> {
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        let error = match stagebox_durable::open(path, CACHE_BYTES) {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        // sled has no kind of its own for a lock that is taken.
        let locked = matches!(&error, sled::Error::Io(io) if io.kind() == std::io::ErrorKind::Other);
        if !locked {
            return Err(error.to_string());
        }
        attempts -= 1;
        if attempts == 0 {
            return Err(format!("{error}; is another stagebox-cloud running on it?"));
        }
        std::thread::sleep(LOCK_WAIT);
    }
}

impl SledEngine {
    /// Opens or creates the database and starts its committer.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_keeping(path, JOURNAL_KEEP)
    }

    /// Opens it with another length of the journal.
    pub fn open_keeping(path: &Path, keep: u64) -> Result<Self, StoreError> {
        let wrong = |detail: String| StoreError::Open { path: path.display().to_string(), detail };
        let db = open_db(path).map_err(wrong)?;
        let healthy = Arc::new(AtomicBool::new(true));
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (ended_sender, ended) = watch::channel(false);
        let (committer, head) =
            Committer::new(db.clone(), path, keep, Arc::clone(&healthy)).map_err(wrong)?;
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                committer.run(queue);
                let _ = ended_sender.send(true);
            })
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { db, jobs, head, healthy, ended })
    }

    fn read(&self, kind: &str, id: &str) -> Result<Option<RawDocument>, StoreError> {
        let key = layout::document(kind, id)?;
        for _ in 0..READ_ATTEMPTS {
            let Some(value) = self.db.get(&key).map_err(failed)? else { return Ok(None) };
            let head = record::Head::decode(&value)?;
            // A chunk that is missing belongs to a version that was replaced after the head was read.
            if let Some(body) =
                head.body(|chunk| self.db.get(layout::chunk(kind, id, head.version, chunk)?).map_err(failed))?
            {
                return Ok(Some(RawDocument { version: head.version, body }));
            }
        }
        Err(StoreError::Engine(format!("the {kind} {id} lacks a part of its value")))
    }

    fn read_index(&self, scan: &RawScan) -> Result<RawPage, StoreError> {
        let start = layout::index(scan.kind, scan.index, &scan.prefix);
        let end = layout::successor(&start);
        let after = scan.after.as_ref().map(|after| layout::index(scan.kind, scan.index, after));
        let (mut low, mut high) = (Bound::Included(start.clone()), Bound::Excluded(end));
        if let Some(after) = after.filter(|after| after.starts_with(&start)) {
            match scan.order {
                Order::Rising => low = Bound::Excluded(after),
                Order::Falling => high = Bound::Excluded(after),
            }
        }
        let range = self.db.range((low, high));
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
            page.ids.push(String::from_utf8_lossy(value).into_owned());
            page.next = more.then(|| key[base..].to_vec());
        }
        Ok(page)
    }

    fn read_journal(&self, after: u64, limit: usize) -> Result<JournalPage, StoreError> {
        let head = *self.head.borrow();
        let mut page = JournalPage::default();
        if after >= head {
            return Ok(page);
        }
        let range = layout::journal(after + 1)..=layout::journal(head);
        for found in self.db.range(range).take(limit) {
            let (key, value) = found.map_err(failed)?;
            let stored = record::Head::decode(&value)?;
            let Some(body) =
                stored.body(|chunk| self.db.get(layout::journal_chunk(&key, chunk)).map_err(failed))?
            else {
                // Its end was dropped while it was read: so were all before it.
                page = JournalPage { entries: Vec::new(), reset: true };
                continue;
            };
            let entry: Entry = serde_json::from_slice(&body).map_err(|source| StoreError::Decode {
                kind: "journal entry".to_owned(),
                id: hex::encode(&key),
                source,
            })?;
            page.reset |= page.entries.is_empty() && entry.seq != after + 1;
            page.entries.push(entry);
        }
        Ok(page)
    }

    async fn ask<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(make(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Engine for SledEngine {
    fn get(&self, kind: &'static str, id: String) -> BoxFuture<'_, Result<Option<RawDocument>, StoreError>> {
        Box::pin(async move { self.read(kind, &id) })
    }

    fn scan(&self, scan: RawScan) -> BoxFuture<'_, Result<RawPage, StoreError>> {
        Box::pin(async move { self.read_index(&scan) })
    }

    fn commit(&self, ops: Vec<RawOp>) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(self.ask(|reply| Job::Commit { ops, reply }))
    }

    fn allocate(&self, counter: &'static str) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.ask(move |reply| Job::Allocate { counter, reply }))
    }

    fn journal(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<JournalPage, StoreError>> {
        Box::pin(async move { self.read_journal(after, limit) })
    }

    fn journal_head(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    fn size_on_disk(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.jobs.send(Job::Close).await;
            let _ = self.ended.clone().wait_for(|ended| *ended).await;
        })
    }
}
