//! What keeps the database from taking writes, as the committer finds it and all others see it.

use super::ballast::is_full;
use crate::store::StoreError;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why the database takes no writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    reason: String,
    /// The disk has no room: nothing is written until it has, whether or not the database is open for readers.
    full: bool,
}

impl Broken {
    /// An error of which nothing more is known.
    pub(super) fn by(reason: &str) -> Self {
        Self { reason: reason.to_owned(), full: false }
    }

    /// What trying the disk gave.
    pub(super) fn by_disk(error: &std::io::Error) -> Self {
        Self { reason: error.to_string(), full: is_full(error) }
    }

    /// An error of the engine.
    pub(super) fn by_engine(error: &StoreError) -> Self {
        match error {
            StoreError::Engine(reason) => Self::by(reason),
            error => Self { reason: error.to_string(), full: matches!(error, StoreError::NoRoom) },
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
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
    use std::io::ErrorKind;

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
