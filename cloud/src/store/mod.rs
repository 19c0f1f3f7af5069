//! The document store: typed documents, declared indexes, atomic batches and a journal.
//!
//! A slice declares its documents ([`Document`]) and knows no engine. A write is
//! acknowledged only when it is on disk, and each change of a journalled document
//! is an entry of the journal in the same batch.

mod backup;
mod batch;
mod belongings;
mod config;
#[cfg(test)]
mod conformance;
mod copy;
mod document;
mod editions;
mod engine;
mod error;
mod heads;
mod home;
mod journal;
mod keys;
#[cfg(test)]
mod model;
mod packed;
mod postgres;
mod progress;
mod queue;
mod recent;
mod record;
mod reindex;
pub(crate) mod rider;
mod seat;
mod sled_engine;
#[cfg(test)]
mod tests;
pub mod upkeep;
mod walk;
#[cfg(test)]
mod walk_tests;

pub use batch::Batch;
pub use belongings::Belongings;
pub use config::{StoreConfig, StoreKind};
pub use copy::Target;
pub use document::{Document, Index, IndexKey, Owner, Versioned};
pub use engine::{Engine, Expect, Order, Receipt, Tell};
pub use error::StoreError;
pub use journal::{Account, Change, Entry, JournalPage};
pub use postgres::{Node, PostgresEngine, PostgresOptions};
pub use progress::Progress;
pub use queue::{
    After, Backoff, EntryState, Lease, NewEntry, Priority, Pushed, Queue, QueueEntry, QueueError, Settle,
};
pub use record::{Fault, Record, Sum};
pub(crate) use reindex::{Reindexed, sort_key};
pub use sled_engine::{SledEngine, SledOptions};

use crate::clock::{Clock, Timestamp};
use crate::id::UserId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::RawScan;
use recent::Recent;
use seat::Seat;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// How often an update is tried again when another writer was quicker.
const UPDATE_ATTEMPTS: usize = 32;
/// Updates that may be under way at once: documents share a turn by their hash.
const TURNS: usize = 64;

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The documents, in the index's order.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page with each document turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

/// A place in a list, opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// Its longest text in characters.
    pub const LONGEST: usize = 400;
    /// What its text looks like: base64url without padding (RFC 4648, 5).
    pub const PATTERN: &'static str =
        "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$";

    /// A place in a journal.
    pub(crate) fn at_seq(seq: u64) -> Self {
        Self(seq.to_be_bytes().to_vec())
    }

    /// The place in a journal, if it is one.
    pub(crate) fn seq(&self) -> Option<u64> {
        self.0.as_slice().try_into().ok().map(u64::from_be_bytes)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl std::str::FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = "is no cursor that this server gave out";
        if text.len() > Self::LONGEST {
            return Err(error);
        }
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| error)
    }
}

/// Which part of an index to read.
#[derive(Debug, Clone)]
pub struct Scan {
    index: &'static str,
    prefix: IndexKey,
    order: Order,
    after: Option<Cursor>,
    limit: usize,
}

impl Scan {
    /// All of an index in rising order, 100 documents at a time.
    pub fn of(index: &'static str) -> Self {
        Self { index, prefix: IndexKey::new(), order: Order::Rising, after: None, limit: 100 }
    }

    /// Only keys that begin with `prefix`.
    pub fn within(mut self, prefix: IndexKey) -> Self {
        self.prefix = prefix;
        self
    }

    /// The highest keys first.
    pub fn falling(mut self) -> Self {
        self.order = Order::Falling;
        self
    }

    /// Goes on after a cursor.
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    /// At most this many documents.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// The store's handle; cloned freely.
#[derive(Clone)]
pub struct Store {
    seat: Arc<Seat>,
    clock: Clock,
    /// Updates of one document take turns here, so that only other processes can get in between.
    turns: Arc<[Mutex<()>]>,
    recent: Arc<Recent>,
}

impl Store {
    /// Opens the engine that the configuration names; the embedded one is in `<data>/store`.
    pub async fn open(config: &StoreConfig, data: &Path, clock: Clock) -> Result<Self, StoreError> {
        match config.kind {
            StoreKind::Sled => {
                let options = SledOptions { reserve_mib: config.reserve_mib, ..SledOptions::default() };
                Self::open_home(&data.join("store"), options, clock)
            }
            StoreKind::Postgres => {
                let engine = PostgresEngine::open(config, PostgresOptions::default()).await?;
                Ok(Self::new(Arc::new(engine), clock))
            }
        }
    }

    /// Opens or creates the embedded engine in a directory, run as is usual.
    pub fn open_sled(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self::new(Arc::new(SledEngine::open(path, SledOptions::default())?), clock))
    }

    /// Puts the store on an engine.
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        Self {
            seat: Arc::new(Seat::new(engine, None)),
            clock,
            turns: (0..TURNS).map(|_| Mutex::new(())).collect(),
            recent: Arc::default(),
        }
    }

    /// Reads a document.
    pub async fn get<D: Document>(&self, id: impl ToString) -> Result<Option<Versioned<D>>, StoreError> {
        let id = id.to_string();
        self.seat.engine().get(D::KIND, id.clone()).await?.map(|raw| raw.decode(&id)).transpose()
    }

    /// Reads a document of an account: another account's is as good as none.
    pub async fn get_of<D: Document>(
        &self,
        account: Account,
        id: impl ToString,
    ) -> Result<Option<Versioned<D>>, StoreError> {
        Ok(self.get::<D>(id).await?.filter(|found| found.document.account() == account))
    }

    /// Reads a part of an index, with the documents.
    pub async fn scan<D: Document>(&self, scan: Scan) -> Result<Page<Versioned<D>>, StoreError> {
        let raw = self
            .engine()
            .scan(RawScan {
                kind: D::KIND,
                index: scan.index,
                prefix: scan.prefix.into_bytes()?,
                order: scan.order,
                after: scan.after.map(|cursor| cursor.0),
                limit: scan.limit,
            })
            .await?;
        let items = raw.documents.into_iter().map(|(id, document)| document.decode(&id));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next: raw.next.map(Cursor) })
    }

    /// Reads the first document under exactly this index key.
    pub async fn find<D: Document>(
        &self,
        index: &'static str,
        key: IndexKey,
    ) -> Result<Option<Versioned<D>>, StoreError> {
        let page = self.scan(Scan::of(index).within(key).limit(1)).await?;
        Ok(page.items.into_iter().next())
    }

    /// What documents are dated with.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Begins a batch that is dated now.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clock.now())
    }

    /// Carries out a batch as a whole or not at all, and returns once it is on disk.
    pub async fn commit(&self, batch: Batch) -> Result<Receipt, StoreError> {
        let ops = batch.into_ops()?;
        if ops.is_empty() {
            return Ok(Receipt::default());
        }
        rider::along(ops, |ops| self.seat.commit(ops)).await
    }

    /// Writes a new document; its id must be free.
    pub async fn create<D: Document>(&self, document: D) -> Result<Versioned<D>, StoreError> {
        let receipt = self.commit(self.batch().create(&document)).await?;
        Ok(Versioned { version: receipt.versions.first().copied().unwrap_or(1), document })
    }

    /// Changes a document, again when another writer was quicker.
    ///
    /// `change` returns whether there is anything to write. `None` means that there is no such document.
    pub async fn update<D, E>(
        &self,
        id: impl ToString,
        by: Option<UserId>,
        mut change: impl FnMut(&mut D, u64, Timestamp) -> Result<bool, E>,
    ) -> Result<Option<Versioned<D>>, E>
    where
        D: Document + Clone,
        E: From<StoreError>,
    {
        let id = id.to_string();
        let mut hasher = DefaultHasher::new();
        (D::KIND, &id).hash(&mut hasher);
        let _turn = self.turns[hasher.finish() as usize % TURNS].lock().await;
        for _ in 0..UPDATE_ATTEMPTS {
            let Some(old) = self.get::<D>(&id).await? else { return Ok(None) };
            let mut new = old.document.clone();
            if !change(&mut new, old.version, self.clock.now())? {
                return Ok(Some(old));
            }
            match self.commit(self.batch().by(by).update(&old, &new)).await {
                Ok(receipt) => {
                    let version = receipt.versions.first().copied().unwrap_or(old.version + 1);
                    return Ok(Some(Versioned { version, document: new }));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { kind: D::KIND, id }.into())
    }

    /// Draws the next number of a kind, from 1 up; a number is given out once only.
    pub async fn next_number(&self, counter: &'static str) -> Result<u64, StoreError> {
        self.seat.allocate(counter).await
    }

    /// Reads an account's journal after `seq`.
    pub async fn journal(
        &self,
        account: Account,
        after: u64,
        limit: usize,
    ) -> Result<JournalPage, StoreError> {
        self.seat.engine().journal(account, after, limit).await
    }

    /// The `seq` of an account's last entry that is on disk.
    pub fn journal_seq(&self, account: Account) -> u64 {
        *self.seat.engine().journal_head(account).borrow()
    }

    /// The `seq` of an account's last entry that is on disk, and word of each new one.
    pub fn journal_head(&self, account: Account) -> watch::Receiver<u64> {
        self.seat.follow(account)
    }

    /// The engine below, for what concerns it as a whole.
    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        self.seat.engine()
    }

    /// Looks for what does not fit together; also how many records there are.
    pub async fn check(&self, progress: Progress) -> Result<(Vec<Fault>, u64), StoreError> {
        let engine = self.engine();
        let records = engine.count().await?;
        let teller = progress.clone();
        let tell = move |done| {
            teller.tell(0, format!("{done} keys looked at"));
            teller.check().is_ok()
        };
        let faults = engine.check(Arc::new(tell)).await?;
        progress.check()?;
        Ok((faults, records))
    }

    /// Whether writes can be taken.
    pub fn is_healthy(&self) -> bool {
        self.seat.engine().is_healthy()
    }

    /// Why new documents would be refused just now, where that is for the operator to know.
    pub(crate) fn trouble(&self) -> Option<StoreError> {
        self.engine().trouble()
    }

    /// Has an engine that is broken try whether it can go on.
    pub(crate) async fn mend(&self) {
        // Whether it can is seen by its health.
        let _ = self.engine().settle().await;
    }

    /// How many records it holds, about.
    pub(crate) async fn count(&self) -> Result<u64, StoreError> {
        self.engine().count().await
    }

    /// Bytes on disk, as far as the engine knows.
    pub async fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.seat.engine().size_on_disk().await
    }

    /// Ends the engine once what was accepted is written.
    pub async fn close(&self) {
        self.seat.engine().close().await;
    }
}
