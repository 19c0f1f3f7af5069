//! The engine that a store is on, which can be changed while the store is in use.

use super::engine::{Engine, RawOp, Receipt};
use super::error::StoreError;
use super::home::Home;
use super::journal::Account;
use super::record::Record;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{OwnedMutexGuard, RwLock as Gate, RwLockWriteGuard, watch};
use tokio::task::AbortHandle;

/// Holds the engine, lets writers through, and passes on how far the journals are.
pub(super) struct Seat {
    engine: RwLock<Arc<dyn Engine>>,
    /// Writers are inside while they write; whoever changes the engine keeps them out.
    gate: Gate<()>,
    followed: Mutex<HashMap<Account, Followed>>,
    /// Held by whoever walks through the whole engine.
    moving: Arc<tokio::sync::Mutex<()>>,
    /// Where the embedded engine's files lie.
    home: Option<Home>,
    /// The store has moved away from there.
    away: AtomicBool,
}

/// An account's journal, followed on whichever engine it is.
struct Followed {
    head: Arc<watch::Sender<u64>>,
    task: Option<AbortHandle>,
}

/// Keeps all writers out until it is dropped.
pub(super) struct Closed<'a> {
    seat: &'a Seat,
    _gate: RwLockWriteGuard<'a, ()>,
}

impl Seat {
    pub(super) fn new(engine: Arc<dyn Engine>, home: Option<Home>) -> Self {
        Self {
            engine: RwLock::new(engine),
            gate: Gate::default(),
            followed: Mutex::default(),
            moving: Arc::default(),
            home,
            away: AtomicBool::new(false),
        }
    }

    /// The embedded engine's files; none once the store has moved away from them.
    pub(super) fn home(&self) -> Option<&Home> {
        self.home.as_ref().filter(|_| !self.away.load(Ordering::Acquire))
    }

    pub(super) fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn commit(&self, ops: Vec<RawOp>) -> Result<Receipt, StoreError> {
        let _inside = self.gate.read().await;
        let mut accounts: Vec<Account> =
            ops.iter().filter_map(|op| op.journal.as_ref().map(|change| change.account)).collect();
        accounts.dedup();
        let engine = self.engine();
        let receipt = engine.commit(ops).await?;
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        for account in accounts {
            if let Some(followed) = followed.get(&account) {
                raise(&followed.head, *engine.journal_head(account).borrow());
            }
        }
        Ok(receipt)
    }

    /// Writes records as they are, or takes documents and journals away.
    pub(super) async fn import(&self, records: Vec<Record>) -> Result<(), StoreError> {
        let _inside = self.gate.read().await;
        self.engine().import(records).await
    }

    pub(super) async fn allocate(&self, counter: &'static str) -> Result<u64, StoreError> {
        let _inside = self.gate.read().await;
        self.engine().allocate(counter).await
    }

    /// Follows an account's journal, also across a change of the engine.
    pub(super) fn follow(&self, account: Account) -> watch::Receiver<u64> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = self.engine();
        let entry = followed.entry(account).or_insert_with(|| {
            let head = Arc::new(watch::Sender::new(*engine.journal_head(account).borrow()));
            let task = forward(&engine, account, &head);
            Followed { head, task }
        });
        entry.head.subscribe()
    }

    /// One backup, move or rewrite at a time: each walks through the whole engine.
    pub(super) fn begin_walk(&self) -> Result<OwnedMutexGuard<()>, StoreError> {
        Arc::clone(&self.moving).try_lock_owned().map_err(|_| StoreError::Busy)
    }

    /// Waits until all writers are done and lets none in.
    pub(super) async fn close(&self) -> Closed<'_> {
        Closed { _gate: self.gate.write().await, seat: self }
    }
}

impl Closed<'_> {
    /// Puts the store on another engine, which holds the same; returns the old one.
    pub(super) fn change(&self, new: &Arc<dyn Engine>, away: bool) -> Arc<dyn Engine> {
        self.seat.away.fetch_or(away, Ordering::AcqRel);
        let mut engine = self.seat.engine.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *engine, Arc::clone(new));
        let mut followed = self.seat.followed.lock().unwrap_or_else(PoisonError::into_inner);
        for (account, entry) in followed.iter_mut() {
            if let Some(task) = entry.task.take() {
                task.abort();
            }
            raise(&entry.head, *new.journal_head(*account).borrow());
            entry.task = forward(new, *account, &entry.head);
        }
        old
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A journal only grows.
fn raise(head: &watch::Sender<u64>, seq: u64) {
    head.send_if_modified(|head| {
        let grown = seq > *head;
        *head = seq.max(*head);
        grown
    });
}

/// Passes on what the engine tells, such as what other processes write.
fn forward(
    engine: &Arc<dyn Engine>,
    account: Account,
    head: &Arc<watch::Sender<u64>>,
) -> Option<AbortHandle> {
    let mut told = engine.journal_head(account);
    let head = Arc::clone(head);
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    let task = runtime.spawn(async move {
        while told.changed().await.is_ok() {
            raise(&head, *told.borrow_and_update());
        }
    });
    Some(task.abort_handle())
}
