//! One publisher a key: who has it, and who must make way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// The keys in use; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Occupancy {
    started: Instant,
    holders: Arc<Mutex<HashMap<String, Holder>>>,
}

#[derive(Debug, Clone)]
struct Holder {
    id: u64,
    heard_ms: Arc<AtomicU64>,
    make_way: CancellationToken,
    left: CancellationToken,
}

/// A key held; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    key: String,
    occupancy: Occupancy,
    holder: Holder,
}

/// What a newcomer finds.
#[derive(Debug)]
pub(super) enum Claim {
    Free(Held),
    /// The holder lives.
    Taken,
    /// The holder was silent and has been told to go: wait for this, then claim again.
    Leaving(CancellationToken),
}

impl Occupancy {
    pub(super) fn new(now: Instant) -> Self {
        Self { started: now, holders: Arc::default() }
    }

    /// Takes a key, or asks a holder to go that has not been heard for `give_way`.
    pub(super) fn claim(&self, key: &str, now: Instant, give_way: Duration) -> Claim {
        let now_ms = self.ms(now);
        let mut holders = self.lock();
        if let Some(holder) = holders.get(key) {
            let silent_ms = now_ms.saturating_sub(holder.heard_ms.load(Ordering::Relaxed));
            if u128::from(silent_ms) < give_way.as_millis() {
                return Claim::Taken;
            }
            holder.make_way.cancel();
            return Claim::Leaving(holder.left.clone());
        }
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let holder = Holder {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            heard_ms: Arc::new(AtomicU64::new(now_ms)),
            make_way: CancellationToken::new(),
            left: CancellationToken::new(),
        };
        holders.insert(key.to_owned(), holder.clone());
        Claim::Free(Held { key: key.to_owned(), occupancy: self.clone(), holder })
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Holder>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The holder lives.
    pub(super) fn heard(&self, now: Instant) {
        self.holder.heard_ms.store(self.occupancy.ms(now), Ordering::Relaxed);
    }

    /// Cancelled when the holder is to go.
    pub(super) fn make_way(&self) -> CancellationToken {
        self.holder.make_way.clone()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holders = self.occupancy.lock();
        if holders.get(&self.key).is_some_and(|holder| holder.id == self.holder.id) {
            holders.remove(&self.key);
        }
        drop(holders);
        self.holder.left.cancel();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_holder_and_only_the_silent_make_way() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let give_way = Duration::from_secs(3);
        let occupancy = Occupancy::new(start);
        let Claim::Free(first) = occupancy.claim("key", at(0), give_way) else { panic!("not free") };
        first.heard(at(10));
        assert!(matches!(occupancy.claim("key", at(12), give_way), Claim::Taken));
        assert!(!first.make_way().is_cancelled());
        let Claim::Leaving(left) = occupancy.claim("key", at(13), give_way) else { panic!("not leaving") };
        assert!(first.make_way().is_cancelled() && !left.is_cancelled());
        drop(first);
        assert!(left.is_cancelled());
        let Claim::Free(_second) = occupancy.claim("key", at(13), give_way) else { panic!("not free") };
        assert!(matches!(occupancy.claim("other", at(13), give_way), Claim::Free(_)));
    }
}
