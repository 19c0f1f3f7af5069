//! Whether there is room for more: on the server's disk, which it tells only by failing, and below `store.max_mib`.

use super::link::Link;
use super::readers::Readers;
use super::reading;
use super::trouble::Trouble;
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1024 * 1024;
/// How often the size is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// This part of the limit above it is left for changes of what is there.
const MARGIN: u64 = 8;

/// Takes about a MiB of the disk that the tables are on, and gives it back.
const TRY: &str = "BEGIN; CREATE UNLOGGED TABLE room (filling text);
    INSERT INTO room SELECT repeat('x', 1000) FROM generate_series(1, 1024);
    ROLLBACK";

/// Whether the server's disk takes more; a server that does not let it be tried is believed to have room.
pub(super) async fn is_there(link: &Link) -> bool {
    let tried = link.client.batch_execute(TRY).await.map_err(Trouble::from);
    if tried.is_err() {
        // The transaction is there still; whatever happened to the connection is found out by its next use.
        let _ = link.client.batch_execute("ROLLBACK").await;
    }
    !matches!(tried, Err(Trouble::Full(_) | Trouble::Lost(_)))
}

/// How large the tables may become, and how large they are.
///
/// From the limit on nothing new is taken in; what is there can still be changed, so that an event can be
/// ended. From an eighth above it nothing is written.
#[derive(Debug)]
pub(super) struct Limit {
    max: u64,
    size: AtomicU64,
}

impl Limit {
    pub(super) fn new(max_mib: Option<u64>) -> Self {
        Self { max: max_mib.map_or(u64::MAX, |mib| mib.saturating_mul(MIB)), size: AtomicU64::new(0) }
    }

    /// Whether there is one.
    pub(super) fn is_set(&self) -> bool {
        self.max < u64::MAX
    }

    /// Whether a batch may be written.
    pub(super) fn allows(&self, takes_in: bool) -> Result<(), StoreError> {
        let size = self.size.load(Ordering::Relaxed);
        let wanted = if takes_in { self.max } else { self.max.saturating_add(self.max / MARGIN) };
        if size < wanted {
            return Ok(());
        }
        Err(StoreError::OverLimit { size_mib: size / MIB, max_mib: self.max / MIB })
    }

    /// Looks at the size once; one that cannot be read stays as it was.
    pub(super) async fn look(&self, readers: &Readers) {
        match readers.ask(reading::size).await {
            Ok(size) => self.size.store(size, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "the size of the store cannot be read"),
        }
    }

    /// Looks again and again until the engine is closed.
    pub(super) async fn watch(self: Arc<Self>, readers: Arc<Readers>, closed: CancellationToken) {
        let looking = async {
            loop {
                sleep(LOOK).await;
                self.look(&readers).await;
            }
        };
        closed.run_until_cancelled(looking).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_can_be_changed_longer_than_new_things_are_taken() {
        let at = |size_mib: u64| {
            let limit = Limit::new(Some(800));
            limit.size.store(size_mib * MIB, Ordering::Relaxed);
            limit
        };
        assert!(at(799).allows(true).is_ok());
        let refused = at(800).allows(true);
        assert!(matches!(refused, Err(StoreError::OverLimit { size_mib: 800, max_mib: 800 })), "{refused:?}");
        assert!(at(899).allows(false).is_ok());
        assert!(at(900).allows(false).is_err());
        let none = Limit::new(None);
        assert!(!none.is_set() && none.allows(true).is_ok());
    }
}
