//! What rides along with the first commit of a piece of work: both happen or neither.
//!
//! Whoever must know after a crash whether the work took effect lets a mark ride along.

use super::Store;
use super::batch::Batch;
use super::engine::{RawOp, Receipt};
use super::error::StoreError;
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static RIDER: Arc<Rider>;
}

/// Changes that wait for a commit.
#[derive(Debug)]
struct Rider(Mutex<Place>);

#[derive(Debug)]
enum Place {
    /// For the next commit.
    Waits(Vec<RawOp>),
    /// A commit has it: whether that was carried out is not known yet, or was never told.
    Aboard,
    /// It is on disk.
    Arrived,
}

/// What became of what was to ride along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ride {
    /// Nothing was committed.
    Waited,
    /// It is on disk.
    Arrived,
    /// A commit had it, and nobody can tell what came of it.
    Unknown,
}

/// Does work whose first commit takes `batch` along, in this task only.
pub(crate) async fn with<T>(batch: Batch, work: impl Future<Output = T>) -> Result<(T, Ride), StoreError> {
    let rider = Arc::new(Rider(Mutex::new(Place::Waits(batch.into_ops()?))));
    let done = RIDER.scope(Arc::clone(&rider), work).await;
    let ride = match &*rider.0.lock().unwrap_or_else(PoisonError::into_inner) {
        Place::Waits(_) => Ride::Waited,
        Place::Aboard => Ride::Unknown,
        Place::Arrived => Ride::Arrived,
    };
    Ok((done, ride))
}

/// Has what waits to ride along written now, by itself: before work takes effect where the store knows nothing of it.
pub(crate) async fn depart(store: &Store) -> Result<(), StoreError> {
    along(Vec::new(), |ops| async {
        match ops.is_empty() {
            true => Ok(Receipt::default()),
            false => store.seat.commit(ops).await,
        }
    })
    .await
    .map(|_| ())
}

/// Does work whose commits leave waiting what would ride along: they come before what it is to tell of.
pub(crate) async fn aside<T>(work: impl Future<Output = T>) -> T {
    let nobody = Arc::new(Rider(Mutex::new(Place::Arrived)));
    RIDER.scope(nobody, work).await
}

/// Has `commit` carry out what the task's work wants written, with what waits to ride along.
pub(super) async fn along<F>(
    mut ops: Vec<RawOp>,
    commit: impl FnOnce(Vec<RawOp>) -> F,
) -> Result<Receipt, StoreError>
where
    F: Future<Output = Result<Receipt, StoreError>>,
{
    let rider = RIDER.try_with(Arc::clone).ok();
    let Some((rider, riding)) = rider.and_then(|rider| rider.board().map(|riding| (rider, riding))) else {
        return commit(ops).await;
    };
    let own = ops.len();
    ops.extend(riding.iter().cloned());
    let mut result = commit(ops).await;
    let place = match &mut result {
        Ok(receipt) => {
            receipt.versions.truncate(own);
            Place::Arrived
        }
        // Refused as a whole, so that another try takes it along.
        Err(StoreError::Conflict { .. } | StoreError::Taken { .. } | StoreError::Full { .. }) => {
            Place::Waits(riding)
        }
        Err(_) => Place::Aboard,
    };
    *rider.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    result
}

impl Rider {
    fn board(&self) -> Option<Vec<RawOp>> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *place, Place::Aboard) {
            Place::Waits(ops) => Some(ops),
            other => {
                *place = other;
                None
            }
        }
    }
}
