//! This process's hold of an event: renewed while it lasts, and part of what is written under it.
#![allow(clippy::disallowed_methods, reason = "a driver: it renews its leases in time")]

use super::owner::{Claimant, IngestOwner, UNFINISHED};
use crate::clock::Clock;
use crate::config::Config;
use crate::id::EventId;
use crate::store::{Batch, Document as _, Receipt, Scan, Store, StoreError, StoreKind, Versioned};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a claim is tried when others are quicker.
const TRIES: usize = 8;

/// Says why an event is not this process's to take in.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Another process has it.
    #[error("another server takes this event in: publish there, or try again in {retry_s} s")]
    Elsewhere {
        /// When it may be free.
        retry_s: u64,
    },
    /// The event has ended and its items were made, perhaps by another process.
    #[error("the event has ended")]
    Finished,
    /// The store failed.
    #[error("cannot take the event over: {0}")]
    Store(#[from] StoreError),
}

/// Takes and gives holds; cloned freely.
#[derive(Clone)]
pub(crate) struct Owners(Arc<Shared>);

struct Shared {
    store: Store,
    clock: Clock,
    lease: Duration,
    /// Whether other processes can be on this store.
    shared: bool,
    /// This process's name and address.
    own: OnceLock<(String, Option<String>)>,
}

impl Owners {
    pub(crate) fn new(config: &Config, store: &Store, clock: &Clock) -> Self {
        Self(Arc::new(Shared {
            store: store.clone(),
            clock: clock.clone(),
            lease: config.cluster.lease(),
            shared: config.store.kind != StoreKind::Sled,
            own: OnceLock::new(),
        }))
    }

    /// Whether other processes can be on this store.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// Tells who this process is; once.
    pub(super) fn set_own(&self, node: &str, address: Option<String>) {
        let _ = self.0.own.set((node.to_owned(), address));
    }

    fn own(&self) -> (&str, Option<&str>) {
        self.0.own.get().map_or(("", None), |(node, address)| (node.as_str(), address.as_deref()))
    }

    /// Who has an event, or had it last.
    pub(crate) async fn of(&self, event: &EventId) -> Result<Option<IngestOwner>, StoreError> {
        Ok(self.0.store.get::<IngestOwner>(event).await?.map(|found| found.document))
    }

    /// Whether another process has the event now.
    pub(crate) async fn is_elsewhere(&self, event: &EventId) -> Result<bool, StoreError> {
        let (node, _) = self.own();
        let now = self.0.clock.now();
        Ok(self.0.shared
            && self.of(event).await?.is_some_and(|owner| owner.is_live(now) && owner.node != node))
    }

    /// The owners of all events that have not come to their end.
    pub(crate) async fn unfinished(&self) -> Result<Vec<IngestOwner>, StoreError> {
        let mut unfinished = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.store.scan::<IngestOwner>(Scan::of(UNFINISHED).after(after)).await?;
            unfinished.extend(page.items.into_iter().map(|owner| owner.document));
            after = page.next;
            if after.is_none() {
                return Ok(unfinished);
            }
        }
    }

    /// The events whose owner is gone before they came to their end.
    pub(crate) async fn lapsed(&self) -> Result<Vec<EventId>, StoreError> {
        let now = self.0.clock.now();
        let gone = self.unfinished().await?.into_iter().filter(|owner| !owner.is_live(now));
        Ok(gone.map(|owner| owner.event).collect())
    }

    /// Takes an event for this process; `publishes` if an encoder asks for it.
    pub(crate) async fn take(&self, event: &EventId, publishes: bool) -> Result<Hold, HoldError> {
        let shared = &self.0;
        if !shared.shared {
            return Ok(Hold { store: shared.store.clone(), held: None });
        }
        let (node, address) = self.own();
        let claimant = Claimant { node, address, publishes };
        let mut tries = 0;
        loop {
            let now = shared.clock.now();
            let old = shared.store.get::<IngestOwner>(event).await?;
            let (new, batch) = match &old {
                None => {
                    let new = IngestOwner::first(*event, claimant, now, shared.lease);
                    let batch = shared.store.batch().create(&new);
                    (new, batch)
                }
                Some(old) if old.document.finished => return Err(HoldError::Finished),
                Some(old) => {
                    let Some(new) = old.document.taken(claimant, now, shared.lease) else {
                        let left_ms = old.document.until.unix_ms().saturating_sub(now.unix_ms()).max(0);
                        return Err(HoldError::Elsewhere { retry_s: left_ms.unsigned_abs() / 1000 + 1 });
                    };
                    let batch = shared.store.batch().update(old, &new);
                    (new, batch)
                }
            };
            tries += 1;
            match shared.store.commit(batch).await {
                Ok(receipt) => {
                    let version = receipt.versions.first().copied().unwrap_or(1);
                    tracing::debug!(%event, token = new.token, "this process takes the event in");
                    return Ok(self.begin(Versioned { version, document: new }, publishes));
                }
                Err(StoreError::Conflict { .. }) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn begin(&self, owner: Versioned<IngestOwner>, busy: bool) -> Hold {
        let held = Arc::new(Held {
            owners: self.clone(),
            token: owner.document.token,
            state: tokio::sync::Mutex::new(owner),
            busy: AtomicBool::new(busy),
            lost: CancellationToken::new(),
        });
        tokio::spawn(keep(Arc::downgrade(&held), self.0.lease / 3));
        Hold { store: self.0.store.clone(), held: Some(held) }
    }
}

/// An event that this process takes in; cloned freely.
#[derive(Clone)]
pub(crate) struct Hold {
    store: Store,
    /// Absent where the store belongs to this process alone.
    held: Option<Arc<Held>>,
}

struct Held {
    owners: Owners,
    token: u64,
    /// The owner's document as this process last wrote it.
    state: tokio::sync::Mutex<Versioned<IngestOwner>>,
    busy: AtomicBool,
    lost: CancellationToken,
}

impl Hold {
    /// The fencing token; `None` where the store belongs to this process alone.
    pub(crate) fn token(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.token)
    }

    /// Whether another process has taken the event over.
    pub(crate) fn is_lost(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.lost.is_cancelled())
    }

    /// Resolves when another process has taken the event over.
    pub(crate) async fn lost(&self) {
        match &self.held {
            Some(held) => held.lost.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Notes whether an encoder is connected.
    pub(crate) fn set_busy(&self, busy: bool) {
        if let Some(held) = &self.held {
            held.busy.store(busy, Ordering::Relaxed);
        }
    }

    /// Carries a batch out only if the event is still this process's: a conflict on its owner if not.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<Receipt, StoreError> {
        match &self.held {
            Some(held) => {
                // Whoever just lost its encoder still has things to write: only a heartbeat says that it idles.
                held.write(batch, |owner, busy| owner.renewed(busy || owner.busy, held.now(), held.lease()))
                    .await
            }
            None => self.store.commit(batch).await,
        }
    }

    /// Makes sure that the event is still this process's.
    pub(crate) async fn confirm(&self) -> Result<(), StoreError> {
        match &self.held {
            Some(_) => self.commit(self.store.batch()).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Gives the event back; `finished` if nothing is left to be done for it.
    pub(crate) async fn give_back(&self, finished: bool) {
        let Some(held) = self.held.as_ref().filter(|held| !held.lost.is_cancelled()) else { return };
        let given = held.write(self.store.batch(), |owner, _| owner.given_back(finished)).await;
        // Nothing is renewed any more.
        held.lost.cancel();
        if let Err(error) = given {
            tracing::warn!(%error, "an event stays with this process until its lease ends");
        }
    }
}

impl Held {
    fn now(&self) -> crate::clock::Timestamp {
        self.owners.0.clock.now()
    }

    fn lease(&self) -> Duration {
        self.owners.0.lease
    }

    async fn write(
        &self,
        batch: Batch,
        change: impl FnOnce(&IngestOwner, bool) -> IngestOwner,
    ) -> Result<Receipt, StoreError> {
        let mut state = self.state.lock().await;
        let conflict = || StoreError::Conflict { kind: IngestOwner::KIND, id: state.document.id() };
        if self.lost.is_cancelled() {
            return Err(conflict());
        }
        let new = change(&state.document, self.busy.load(Ordering::Relaxed));
        match self.owners.0.store.commit(batch.update(&state, &new)).await {
            Ok(receipt) => {
                let version = receipt.versions.last().copied().unwrap_or(state.version + 1);
                *state = Versioned { version, document: new };
                Ok(receipt)
            }
            Err(error) => {
                // An answer that was lost on its way may have been a success: the store knows.
                let event = state.document.event;
                if let Ok(found) = self.owners.0.store.get::<IngestOwner>(event).await {
                    match found {
                        Some(found) if found.document.token == self.token => *state = found,
                        _ => {
                            tracing::warn!(%event, "another process has taken the event over");
                            self.lost.cancel();
                            return Err(StoreError::Conflict {
                                kind: IngestOwner::KIND,
                                id: event.to_string(),
                            });
                        }
                    }
                }
                Err(error)
            }
        }
    }
}

/// Renews a hold until nobody needs it any more.
async fn keep(held: Weak<Held>, every: Duration) {
    let mut idled = false;
    loop {
        tokio::time::sleep(every).await;
        let Some(held) = held.upgrade() else { return };
        if held.lost.is_cancelled() {
            return;
        }
        let idle = !held.busy.load(Ordering::Relaxed);
        let idles = std::mem::replace(&mut idled, idle) && idle;
        let batch = held.owners.0.store.batch();
        let renewed = held.write(batch, |owner, _| owner.renewed(!idles, held.now(), held.lease())).await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "the hold of an event is not renewed");
        }
    }
}
