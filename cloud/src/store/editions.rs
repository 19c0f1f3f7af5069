//! Whether anything of a kind has changed: what was read stays true for as long as the edition is the same.

use super::engine::RawOp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Kinds share places by their names.
const PLACES: usize = 64;
/// No engine of this process counts as far as where the next one begins.
const APART: u64 = 1 << 48;

static ENGINES: AtomicU64 = AtomicU64::new(1);

/// Counts the changes that readers of an engine may see.
#[derive(Debug, Clone)]
pub(super) struct Editions(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// All changes that may concern anything; no two engines have the same.
    whole: AtomicU64,
    kinds: [AtomicU64; PLACES],
}

impl Default for Editions {
    fn default() -> Self {
        let whole = ENGINES.fetch_add(1, Ordering::Relaxed).wrapping_mul(APART);
        Self(Arc::new(Counts {
            whole: AtomicU64::new(whole),
            kinds: std::array::from_fn(|_| AtomicU64::new(0)),
        }))
    }
}

impl Editions {
    /// The edition of some kinds together; each count only grows, so that an equal sum means that none has changed.
    pub(super) fn of(&self, kinds: &[&str]) -> u64 {
        let counts = kinds.iter().map(|kind| self.0.kinds[place(kind)].load(Ordering::Acquire));
        counts.fold(self.0.whole.load(Ordering::Acquire), u64::wrapping_add)
    }

    /// Notes what a batch changes; after readers see it, and before anybody is told that it is done.
    pub(super) fn changed(&self, places: u64) {
        for place in (0..PLACES).filter(|place| places & (1 << place) != 0) {
            self.0.kinds[place].fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Notes that anything may have changed.
    pub(super) fn all_changed(&self) {
        self.0.whole.fetch_add(1, Ordering::AcqRel);
    }
}

/// The places of the kinds that a batch changes, one bit each.
pub(super) fn places(ops: &[RawOp]) -> u64 {
    ops.iter().fold(0, |places, op| places | 1 << place(op.kind))
}

/// FNV-1a of the name.
fn place(kind: &str) -> usize {
    let hash = kind.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edition_is_as_old_as_its_kinds_last_change() {
        let editions = Editions::default();
        let (users, events) = (&["user", "role"][..], &["event"][..]);
        let before = (editions.of(users), editions.of(events));
        editions.changed(1 << place("role"));
        assert_ne!(editions.of(users), before.0);
        assert_eq!(editions.of(events), before.1);
        editions.all_changed();
        assert_ne!(editions.of(events), before.1);
        assert_ne!(Editions::default().of(events), Editions::default().of(events));
    }
}
