//! This process's hold of an event: renewed while it lasts, and part of what is written under it.
#![allow(clippy::disallowed_methods, reason = "a driver: it renews its leases in time")]

use super::lease::{Lease, claim};
use super::member::Member;
use super::owner::{Claimant, IngestOwner, UNFINISHED};
use crate::id::EventId;
use crate::store::{Batch, Receipt, Scan, Store, StoreError, Versioned};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

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
pub(crate) struct Owners(Arc<Member>);

impl Owners {
    pub(super) fn new(member: Arc<Member>) -> Self {
        Self(member)
    }

    /// Whether other processes can be on this store.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// Who has an event, or had it last.
    pub(crate) async fn of(&self, event: &EventId) -> Result<Option<IngestOwner>, StoreError> {
        Ok(self.0.store.get::<IngestOwner>(event).await?.map(|found| found.document))
    }

    /// Whether another process has the event now.
    pub(crate) async fn is_elsewhere(&self, event: &EventId) -> Result<bool, StoreError> {
        let (node, _) = self.0.own();
        let now = self.0.now();
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
        let now = self.0.now();
        let gone = self.unfinished().await?.into_iter().filter(|owner| !owner.is_live(now));
        Ok(gone.map(|owner| owner.event).collect())
    }

    /// Takes an event for this process; `publishes` if an encoder asks for it.
    pub(crate) async fn take(&self, event: &EventId, publishes: bool) -> Result<Hold, HoldError> {
        let member = &self.0;
        if !member.shared {
            return Ok(Hold { store: member.store.clone(), held: None });
        }
        let (node, address) = member.own();
        let claimant = Claimant { node, address, publishes };
        let id = event.to_string();
        let claimed = claim(&member.store, &id, |old: Option<&IngestOwner>| {
            let now = member.now();
            match old {
                None => Ok(IngestOwner::first(*event, claimant, now, member.lease)),
                Some(old) if old.finished => Err(HoldError::Finished),
                Some(old) => old.taken(claimant, now, member.lease).ok_or_else(|| {
                    let left_ms = old.until.unix_ms().saturating_sub(now.unix_ms()).max(0);
                    HoldError::Elsewhere { retry_s: left_ms.unsigned_abs() / 1000 + 1 }
                }),
            }
        });
        let owner = claimed.await?;
        tracing::debug!(%event, token = owner.document.token, "this process takes the event in");
        Ok(self.begin(owner, publishes))
    }

    fn begin(&self, owner: Versioned<IngestOwner>, busy: bool) -> Hold {
        let held = Arc::new(Held {
            member: Arc::clone(&self.0),
            lease: Lease::new(self.0.store.clone(), owner),
            busy: AtomicBool::new(busy),
        });
        tokio::spawn(keep(Arc::downgrade(&held), self.0.renewal()));
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
    member: Arc<Member>,
    lease: Lease<IngestOwner>,
    busy: AtomicBool,
}

impl Hold {
    /// The fencing token; `None` where the store belongs to this process alone.
    pub(crate) fn token(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.lease.token())
    }

    /// Whether another process has taken the event over.
    pub(crate) fn is_lost(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.lease.lost().is_cancelled())
    }

    /// Resolves when another process has taken the event over.
    pub(crate) async fn lost(&self) {
        match &self.held {
            Some(held) => held.lease.lost().cancelled().await,
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
                let busy = held.is_busy();
                held.lease.write(batch, |owner| held.renewed(owner, busy || owner.busy)).await
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
        if let Some(held) = &self.held {
            held.lease.give_back(|owner| owner.given_back(finished)).await;
        }
    }
}

impl Held {
    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    fn renewed(&self, owner: &IngestOwner, busy: bool) -> IngestOwner {
        owner.renewed(busy, self.member.now(), self.member.lease)
    }
}

/// Renews a hold until nobody needs it any more.
async fn keep(held: Weak<Held>, every: Duration) {
    let mut idled = false;
    loop {
        tokio::time::sleep(every).await;
        let Some(held) = held.upgrade() else { return };
        if held.lease.lost().is_cancelled() {
            return;
        }
        let idle = !held.is_busy();
        let idles = std::mem::replace(&mut idled, idle) && idle;
        let batch = held.member.store.batch();
        let renewed = held.lease.write(batch, |owner| held.renewed(owner, !idles)).await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "the hold of an event is not renewed");
        }
    }
}
