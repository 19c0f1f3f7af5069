//! Queues: entries that are leased, worked on and completed, by any process on the store.
//!
//! - An entry is leased by compare-and-swap on its version; nothing that a process has in
//!   memory is trusted. Times are the store's clock's: clocks that differ by more than a lease
//!   cost work that is done twice, never an effect that happens twice.
//! - Each lease has a token that grows. Whatever a leaseholder does — saying that it still
//!   works, completing, failing — is refused with [`QueueError::Stale`] once another lease was
//!   given out or the entry is over, together with the whole batch that it came in.
//! - Effects belong into the same batch as the completion ([`Queue::settle`]): they happen
//!   once, however often the work was done.
//! - Entries are not journalled.

mod backoff;
mod claim;
#[cfg(test)]
pub(in crate::store) mod conformance;
mod entry;
mod error;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use entry::{After, EntryState, Priority, QueueEntry, Settle};
pub use error::QueueError;

use super::{Batch, Cursor, Document, IndexKey, Page, Scan, Store, StoreError, Versioned};
use crate::clock::Timestamp;
use entry::{DEAD, DONE, HELD, KEY, by_key};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::sync::Notify;

/// Largest payload, as JSON.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;
/// Longest name of a queue, of an entry and of a holder.
const MAX_NAME: usize = 40;
/// Entries that are leased or completed in one batch.
const MAX_TOGETHER: usize = 100;
/// How often a change of one entry is tried when others are quicker.
const ATTEMPTS: usize = 16;

/// What is pushed.
#[derive(Debug, Clone, Default)]
pub struct NewEntry {
    /// Its id, which must never have been used; drawn if absent.
    pub id: Option<String>,
    /// A second push with the same key changes nothing.
    pub key: Option<String>,
    /// What it is about.
    pub payload: Value,
    /// Its priority.
    pub priority: Priority,
    /// How long it is not to be leased.
    pub delay: Duration,
    /// How often it is tried at most; without it the leaseholder decides.
    pub max_attempts: Option<u32>,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// There is a new entry with this id.
    New(String),
    /// An entry with the same key is there already, or was completed not long ago.
    Already(String),
}

/// An entry to be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The entry.
    pub id: String,
    /// The lease's token.
    pub fence: u64,
    /// Which attempt this is, from 1 up.
    pub attempts: u32,
    /// What it is about.
    pub payload: Value,
    /// From then on anybody may lease it, unless the lease is extended.
    pub until: Timestamp,
}

/// One queue; cloned freely.
#[derive(Clone)]
pub struct Queue {
    store: Store,
    name: Arc<str>,
    /// Shortens the wait of this process's workers; other processes look by themselves.
    wake: Arc<Notify>,
    /// Above zero while others were quicker not long ago: then entries are not all taken from the front.
    crowd: Arc<AtomicU32>,
}

impl Queue {
    /// The queue of this name, which need not exist before.
    pub fn new(store: Store, name: impl Into<Arc<str>>) -> Result<Self, QueueError> {
        let name = name.into();
        checked(&name)?;
        Ok(Self { store, name, wake: Arc::default(), crowd: Arc::default() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds an entry, unless there is one with the same key.
    pub async fn push(&self, new: NewEntry) -> Result<Pushed, QueueError> {
        loop {
            let (batch, id) = self.push_in(self.store.batch(), new.clone())?;
            match (self.store.commit(batch).await, &new.key) {
                (Ok(_), _) => {
                    self.wake();
                    return Ok(Pushed::New(id));
                }
                (Err(StoreError::Taken { .. }), Some(key)) => {
                    let found = self.store.find::<QueueEntry>(KEY, by_key(&self.name, key)).await?;
                    // Gone in between: then this push is the first again.
                    let Some(found) = found else { continue };
                    return Ok(Pushed::Already(found.document.id));
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
    }

    /// Adds an entry as part of a batch; once that is committed, [`Queue::wake`] spares workers of this process a wait.
    ///
    /// If there is an entry with the same key, the whole batch fails with [`StoreError::Taken`].
    pub fn push_in(&self, batch: Batch, new: NewEntry) -> Result<(Batch, String), QueueError> {
        let bytes = new.payload.to_string().len();
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(QueueError::TooLarge { bytes, limit: MAX_PAYLOAD_BYTES });
        }
        let id = new.id.unwrap_or_else(|| hex::encode(crate::id::random_bytes::<16>()));
        checked(&id)?;
        let now = batch.at();
        let entry = QueueEntry {
            id: id.clone(),
            queue: self.name.to_string(),
            priority: new.priority,
            key: new.key,
            payload: new.payload,
            attempts: 0,
            max_attempts: new.max_attempts,
            fence: 0,
            pushed_at: now,
            state: EntryState::Waiting { run_at: now.plus(new.delay), error: None },
        };
        Ok((batch.create(&entry), id))
    }

    /// Tells a worker of this process that there is something to lease.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns when there may be something to lease; what other processes push is not heard.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Says that the leaseholder still works, for `length` from now; returns until when the lease holds.
    pub async fn heartbeat(&self, lease: &Lease, length: Duration) -> Result<Timestamp, QueueError> {
        let after = self.settle(lease, &Settle::Extend(length), |batch, _| batch).await?;
        match after {
            After::Kept(QueueEntry { state: EntryState::Leased { until, .. }, .. }) => Ok(until),
            _ => Err(stale(lease)),
        }
    }

    /// Does what the leaseholder wants with its entry, together with `effects`: all of it or, if the lease is over, nothing.
    ///
    /// `effects` may be asked several times, of which one counts. A conflict in what it adds is
    /// returned as it is.
    pub async fn settle(
        &self,
        lease: &Lease,
        how: &Settle,
        effects: impl Fn(Batch, &After) -> Batch + Send,
    ) -> Result<After, QueueError> {
        for _ in 0..ATTEMPTS {
            let old = self.held(lease).await?;
            let batch = self.store.batch();
            let after = old.document.settle(batch.at(), how);
            let batch = match &after {
                After::Gone => batch.delete(&old),
                After::Kept(new) => batch.update(&old, new),
            };
            match self.store.commit(effects(batch, &after)).await {
                Ok(_) => {
                    if matches!(how, Settle::GiveBack | Settle::Fail { .. }) {
                        self.wake();
                    }
                    return Ok(after);
                }
                Err(error) if is_about(&error, &lease.id) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(conflict(&lease.id))
    }

    /// Completes many entries, a batch at a time, and returns the leases that were over already.
    pub async fn complete_all(&self, leases: &[Lease]) -> Result<Vec<Lease>, QueueError> {
        let mut refused = Vec::new();
        for leases in leases.chunks(MAX_TOGETHER) {
            refused.extend(self.complete_chunk(leases).await?);
        }
        Ok(refused)
    }

    async fn complete_chunk(&self, leases: &[Lease]) -> Result<Vec<Lease>, QueueError> {
        for _ in 0..ATTEMPTS {
            let mut refused = Vec::new();
            let mut batch = self.store.batch();
            let now = batch.at();
            for lease in leases {
                match self.held(lease).await {
                    Ok(old) => {
                        batch = match old.document.settle(now, &Settle::Complete) {
                            After::Gone => batch.delete(&old),
                            After::Kept(new) => batch.update(&old, &new),
                        };
                    }
                    Err(QueueError::Stale { .. }) => refused.push(lease.clone()),
                    Err(error) => return Err(error),
                }
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(refused),
                // One was taken over in between: look which.
                Err(StoreError::Conflict { kind: QueueEntry::KIND, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(conflict(&leases.first().map(|lease| lease.id.clone()).unwrap_or_default()))
    }

    /// Reads an entry of this queue.
    pub async fn get(&self, id: &str) -> Result<Option<Versioned<QueueEntry>>, QueueError> {
        let found = self.store.get::<QueueEntry>(id).await?;
        Ok(found.filter(|found| found.document.queue == *self.name))
    }

    /// Lists dead letters, the oldest first.
    pub async fn dead(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned<QueueEntry>>, QueueError> {
        let within = IndexKey::new().text(&self.name);
        Ok(self.store.scan(Scan::of(DEAD).within(within).after(after).limit(limit)).await?)
    }

    /// Has a dead letter tried anew, with all its attempts, together with `effects`.
    pub async fn put_back(
        &self,
        id: &str,
        effects: impl Fn(Batch) -> Batch + Send,
    ) -> Result<QueueEntry, QueueError> {
        for _ in 0..ATTEMPTS {
            let not_dead = || QueueError::NotDead { id: id.to_owned() };
            let old = self.get(id).await?.ok_or_else(not_dead)?;
            let batch = self.store.batch();
            let new = old.document.put_back(batch.at()).ok_or_else(not_dead)?;
            match self.store.commit(effects(batch.update(&old, &new))).await {
                Ok(_) => {
                    self.wake();
                    return Ok(new);
                }
                Err(error) if is_about(&error, id) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(conflict(id))
    }

    /// Frees what `holder` had leased when it ended; returns how many entries these were.
    ///
    /// Whoever calls it knows that nobody works under that name.
    pub async fn take_back(&self, holder: &str) -> Result<usize, QueueError> {
        let mut freed = 0;
        loop {
            let within = IndexKey::new().text(&self.name).text(holder);
            let page = self.store.scan::<QueueEntry>(Scan::of(HELD).within(within)).await?;
            if page.items.is_empty() {
                return Ok(freed);
            }
            for old in page.items {
                let batch = self.store.batch();
                let new = old.document.taken_back(batch.at());
                match self.store.commit(batch.update(&old, &new)).await {
                    Ok(_) => freed += 1,
                    // Its lease had run out, and somebody else took it up.
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Forgets keys of entries that were completed `keep` ago; returns how many.
    pub async fn sweep(&self, keep: Duration) -> Result<usize, QueueError> {
        let mut swept = 0;
        loop {
            let within = IndexKey::new().text(&self.name);
            let page = self.store.scan::<QueueEntry>(Scan::of(DONE).within(within)).await?;
            let mut batch = self.store.batch();
            let now = batch.at();
            let old = page.items.into_iter().filter(
                |found| matches!(found.document.state, EntryState::Done { at } if at.plus(keep) <= now),
            );
            let before = swept;
            for found in old {
                batch = batch.delete(&found);
                swept += 1;
            }
            if swept == before {
                return Ok(swept);
            }
            match self.store.commit(batch).await {
                Ok(_) => {}
                // Another process sweeps as well.
                Err(StoreError::Conflict { .. }) => return Ok(before),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The entry, if the lease is the one that counts.
    async fn held(&self, lease: &Lease) -> Result<Versioned<QueueEntry>, QueueError> {
        let found = self.get(&lease.id).await?;
        found.filter(|found| found.document.is_held(lease.fence)).ok_or_else(|| stale(lease))
    }
}

fn checked(name: &str) -> Result<(), QueueError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
        return Err(QueueError::Name { name: name.chars().take(80).collect(), limit: MAX_NAME });
    }
    Ok(())
}

fn stale(lease: &Lease) -> QueueError {
    QueueError::Stale { id: lease.id.clone(), fence: lease.fence }
}

fn conflict(id: &str) -> QueueError {
    StoreError::Conflict { kind: QueueEntry::KIND, id: id.to_owned() }.into()
}

/// Whether an error says that this entry has changed meanwhile.
fn is_about(error: &StoreError, entry: &str) -> bool {
    matches!(error, StoreError::Conflict { kind: QueueEntry::KIND, id } if id == entry)
}
