//! Media that wait on this machine's disk for the media store.
//!
//! What is put here is on disk when that is said, is read from here while the store
//! has not got it, and goes to the store by itself ([`super::drain`]). The rules are
//! in [`state`], the directory's shape in [`files`].

mod files;
mod order;
mod state;

use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use object_store::path::Path;
use tokio::task::spawn_blocking;

use super::error::MediaError;
pub(super) use order::{Attempt, Job, Level};
pub(crate) use order::{Order, Status, Worth};
use state::Ledger;

/// The spool's handle; cloned freely.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    directory: Arc<PathBuf>,
    ledger: Arc<Mutex<Ledger>>,
}

/// What the spool knows of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Its bytes are here.
    Here(Bytes),
    /// It is to be deleted: whatever the store has is not there any more.
    Deleted,
    /// Nothing waits: the store knows.
    Nothing,
}

impl Spool {
    /// Opens the directory and takes up what lies in it.
    pub(super) fn open(directory: &FilePath, limit_bytes: u64, now: Instant) -> Result<Self, MediaError> {
        let wrong =
            |source| MediaError::Spool { doing: "open the media spool", path: directory.to_owned(), source };
        let mut ledger = Ledger::new(limit_bytes);
        for job in files::open(directory).map_err(wrong)? {
            if let Some(outdated) = ledger.restore(now, job) {
                files::remove(directory, &outdated).map_err(wrong)?;
            }
        }
        Ok(Self { directory: Arc::new(directory.to_owned()), ledger: Arc::new(Mutex::new(ledger)) })
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an object in; it is on disk afterwards.
    pub(super) async fn put(
        &self,
        now: Instant,
        path: &Path,
        order: Order,
        data: Bytes,
    ) -> Result<(), MediaError> {
        let (spool, path) = (self.clone(), path.clone());
        spawn_blocking(move || spool.put_now(now, &path, order, &data)).await.map_err(|_| MediaError::Task)?
    }

    fn put_now(&self, now: Instant, path: &Path, order: Order, data: &[u8]) -> Result<(), MediaError> {
        let bytes = data.len() as u64;
        // Where the disk does not say, its own refusal must do.
        let free = files::free_bytes(&self.directory).unwrap_or(u64::MAX);
        let admission = self.ledger().admit(path, order, bytes, free);
        for job in &admission.give_way {
            tracing::debug!(path = %job.path, "given up for look-back: the media spool is full");
            self.remove(job);
        }
        let number = admission.verdict.map_err(MediaError::NoRoom)?;
        let job = Job { number, path: path.clone(), order, bytes };
        let written = files::write(&self.directory, &job, data);
        let mut ledger = self.ledger();
        match written {
            Ok(()) => {
                let outdated = ledger.written(now, number);
                drop(ledger);
                outdated.iter().for_each(|job| self.remove(job));
                Ok(())
            }
            Err(source) => {
                ledger.abandoned(number);
                let path = files::place(&self.directory, &job);
                Err(MediaError::Spool { doing: "write", path, source })
            }
        }
    }

    /// Looks for a path; `range` is cut to what there is.
    pub(super) async fn find(&self, path: &Path, range: Range<u64>) -> Result<Waiting, MediaError> {
        let Some(job) = self.ledger().find(path) else { return Ok(Waiting::Nothing) };
        match job.order {
            Order::Delete => Ok(Waiting::Deleted),
            // It may have gone to the store between the two looks.
            Order::Put(_) => Ok(self.read(&job, range).await?.map_or(Waiting::Nothing, Waiting::Here)),
        }
    }

    /// The file that an object waits in, if it does.
    pub(super) fn place_of(&self, path: &Path) -> Option<PathBuf> {
        let job = self.ledger().find(path).filter(|job| job.order != Order::Delete)?;
        Some(files::place(&self.directory, &job))
    }

    /// Reads a part of what waits; `None` if its file is gone.
    pub(super) async fn read(&self, job: &Job, range: Range<u64>) -> Result<Option<Bytes>, MediaError> {
        let (directory, job) = (Arc::clone(&self.directory), job.clone());
        spawn_blocking(move || {
            files::read(&directory, &job, range).map_err(|source| MediaError::Spool {
                doing: "read",
                path: files::place(&directory, &job),
                source,
            })
        })
        .await
        .map_err(|_| MediaError::Task)?
    }

    /// Removes the file of what left the ledger.
    pub(super) fn remove(&self, job: &Job) {
        if let Err(error) = files::remove(&self.directory, job) {
            // It is sent once more after a restart, which does no harm.
            let path = files::place(&self.directory, job);
            tracing::warn!(path = %path.display(), %error, "cannot remove a file of the media spool");
        }
    }

    /// Whether the disk has room for recordings while the store does not take them.
    pub(super) fn has_room(&self) -> bool {
        files::free_bytes(&self.directory).is_ok_and(|free| free > state::RESERVE_BYTES)
    }
}
