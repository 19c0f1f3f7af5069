//! What keeps the database from taking writes, as the committer finds it and all others see it.

use crate::store::StoreError;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why the database must be opened anew: after an error of the disk its state in memory is not the disk's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    reason: String,
    /// The disk has no room; as long as that is so, opening it anew is of no use.
    full: bool,
}

impl Broken {
    /// An error of which nothing more is known.
    pub(super) fn by(reason: &str) -> Self {
        Self { reason: reason.to_owned(), full: false }
    }

    /// What trying the disk gave.
    pub(super) fn by_disk(error: &std::io::Error) -> Self {
        let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        Self { reason: error.to_string(), full }
    }

    /// What writers are told.
    pub(super) fn error(&self) -> StoreError {
        if self.full { StoreError::NoRoom } else { StoreError::Engine(self.reason.clone()) }
    }
}

/// Whether the database is broken; shared.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<Broken>>);

impl Health {
    pub(super) fn broken(&self) -> Option<Broken> {
        self.lock().clone()
    }

    pub(super) fn set(&self, broken: Option<Broken>) {
        *self.lock() = broken;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Broken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_one_that_fails() {
        let health = Health::default();
        assert_eq!(health.broken(), None);
        let full = Broken::by_disk(&std::io::Error::from(ErrorKind::StorageFull));
        assert!(matches!(full.error(), StoreError::NoRoom));
        let failed = Broken::by_disk(&std::io::Error::other("the cable is out"));
        assert!(matches!(failed.error(), StoreError::Engine(reason) if reason.contains("cable")));
        health.set(Some(full.clone()));
        assert_eq!(health.broken(), Some(full));
    }
}
