//! How many bytes came and went, by whom they are for, until somebody writes it down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::path::Path;

/// Bytes that were put less those that were deleted, by what they belong to; cloned freely.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<HashMap<String, i64>>>);

impl Tally {
    pub(super) fn put(&self, path: &Path, bytes: u64) {
        self.note(path, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn deleted(&self, path: &Path, bytes: u64) {
        self.note(path, -i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn note(&self, path: &Path, delta: i64) {
        let Some(owner) = owner(path) else { return };
        let mut all = self.lock();
        let sum = all.entry(owner).or_default();
        *sum = sum.saturating_add(delta);
    }

    /// What has come together since it was last asked.
    pub(crate) fn take(&self) -> HashMap<String, i64> {
        std::mem::take(&mut *self.lock())
    }

    /// Takes back what could not be written down.
    pub(crate) fn give_back(&self, owner: String, delta: i64) {
        *self.lock().entry(owner).or_default() += delta;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id in a path's second place: an event's, a recording's or an account's.
fn owner(path: &Path) -> Option<String> {
    let second = path.parts().nth(1)?;
    let id = second.as_ref().split('.').next()?;
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_by_whom_they_are_for() {
        let tally = Tally::default();
        tally.put(&Path::from("live/evt_1/source/1.m4s"), 100);
        tally.put(&Path::from("live/evt_1/audio/1.m4s"), 10);
        tally.put(&Path::from("recordings/rec_1.json"), 7);
        tally.deleted(&Path::from("live/evt_1/source/1.m4s"), 100);
        tally.put(&Path::from("stray"), 1);
        let taken = tally.take();
        assert_eq!(taken.len(), 2);
        assert_eq!((taken["evt_1"], taken["rec_1"]), (10, 7));
        assert!(tally.take().is_empty());
        tally.give_back("evt_1".to_owned(), 10);
        assert_eq!(tally.take()["evt_1"], 10);
    }
}
