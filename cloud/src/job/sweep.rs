//! Forgets jobs that ended long ago.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every few minutes")]

use super::document::{BY_END, Job};
use super::{JobError, Jobs, results};
use crate::store::{Scan, StoreError};
use std::time::Duration;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(600);
/// How long a completed entry's key is known.
const KEEP_KEYS: Duration = Duration::from_secs(24 * 3600);

/// Sweeps until the server stops.
pub(super) async fn run(jobs: Jobs) {
    loop {
        match jobs.sweep().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "jobs that ended long ago are forgotten"),
            Err(error) => tracing::warn!(%error, "jobs that ended long ago could not be forgotten"),
        }
        tokio::select! {
            () = jobs.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

impl Jobs {
    /// Forgets what has been listed for long enough, and returns how many jobs these were.
    pub(super) async fn sweep(&self) -> Result<usize, JobError> {
        let mut swept = 0;
        loop {
            let page = self.store().scan::<Job>(Scan::of(BY_END)).await?;
            let mut batch = self.store().batch();
            let now = batch.at();
            let before = swept;
            for job in page.items {
                if !job.document.is_over(now, self.config().keep_ended()) {
                    continue;
                }
                results::forget(self.store(), job.document.id).await?;
                batch = batch.delete(&job);
                // A failed job's entry rests among its queue's dead letters.
                if let Some(entry) = self.queue(&job.document.kind)?.get(&job.document.id.to_string()).await?
                {
                    batch = batch.delete(&entry);
                }
                swept += 1;
            }
            if swept == before {
                break;
            }
            match self.store().commit(batch).await {
                Ok(_) => {}
                // Another process sweeps as well, or a job is tried again: next time.
                Err(StoreError::Conflict { .. }) => {
                    swept = before;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        for registered in self.registered() {
            self.queue(registered.kind)?.sweep(KEEP_KEYS).await?;
        }
        Ok(swept)
    }
}
