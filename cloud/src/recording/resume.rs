//! Takes removals up again that came to no end: their job was cancelled, has failed for good, or is not known any more.
//!
//! The item is gone then and nothing plays what is left, so that it would lie there for ever. Until its media are
//! removed a recording says since when it is to go, and which job has it removed.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every hour")]

use std::time::Duration;

use super::document::REMOVED;
use super::{DeleteMedia, Recording, Removed};
use crate::app::App;
use crate::clock::Timestamp;
use crate::job::{Job, JobError, JobState, NewJob, Work as _};
use crate::store::{Scan, StoreError, Versioned};

/// How often it is looked for removals without a job.
const EVERY: Duration = Duration::from_secs(3600);
/// How long a job that was cancelled or has failed is left to whoever did or sees that.
const PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Says why removals were not taken up again.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The store failed.
    #[error("cannot look for removals that came to no end: {0}")]
    Store(#[from] StoreError),
    /// No job could be made.
    #[error("cannot take up a removal again: {0}")]
    Job(#[from] JobError),
}

/// Begins to come round.
pub(crate) fn start(app: App) {
    tokio::spawn(async move {
        loop {
            match resume(&app, app.clock.now()).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "removals that came to no end are taken up again"),
                Err(error) => tracing::warn!(%error, "this is tried again in an hour"),
            }
            tokio::select! {
                () = app.shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}

/// Gives each removal that has come to no end another job; returns how many these were.
pub async fn resume(app: &App, now: Timestamp) -> Result<usize, ResumeError> {
    let (mut resumed, mut after) = (0, None);
    loop {
        let page = app.store.scan::<Recording>(Scan::of(REMOVED).after(after)).await?;
        for recording in page.items {
            let job = match recording.document.removal {
                Some(job) => app.store.get::<Job>(job).await?,
                None => None,
            };
            if is_due(job.map(|job| job.document.state).as_ref(), now) {
                resumed += usize::from(take_up(app, &recording).await?);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if resumed > 0 {
        app.jobs.wake(DeleteMedia::KIND);
    }
    Ok(resumed)
}

/// Whether a removal needs another job than the one it has.
fn is_due(job: Option<&JobState>, now: Timestamp) -> bool {
    job.is_none_or(|job| job.ended_at().is_some_and(|ended| ended.plus(PAUSE) <= now))
}

/// Returns whether it was this process that did so.
async fn take_up(app: &App, recording: &Versioned<Recording>) -> Result<bool, ResumeError> {
    let number = recording.document.number;
    begin(app, recording, &format!("Delete what is left of the media of recording {number}")).await
}

/// Has a recording removed of which no item was made; whether it was there still as it was read.
pub(crate) async fn remove(app: &App, recording: &Versioned<Recording>, title: &str) -> Result<bool, String> {
    let removed = begin(app, recording, title).await.map_err(|error| error.to_string())?;
    app.jobs.wake(DeleteMedia::KIND);
    Ok(removed)
}

async fn begin(app: &App, recording: &Versioned<Recording>, title: &str) -> Result<bool, ResumeError> {
    let Recording { id, event_id, account, .. } = recording.document;
    let job = NewJob::of::<DeleteMedia>(title, &Removed { event_id, recording_id: id })?;
    let (batch, job) = app.jobs.add(app.store.batch(), job.about(id).of_account(account))?;
    let removed_at = recording.document.removed_at.or(Some(batch.at()));
    let new = Recording { removal: Some(job), removed_at, ..recording.document.clone() };
    match app.store.commit(batch.update(recording, &new)).await {
        Ok(_) => Ok(true),
        // Another process was quicker, or it is gone meanwhile.
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_taken_up_again_once_its_job_is_over_for_a_day_or_forgotten() {
        let (now, day) = (Timestamp::from_unix_ms(200_000_000), 24 * 3_600_000);
        assert!(is_due(None, now));
        let ended = |ago_ms: i64| Timestamp::from_unix_ms(now.unix_ms() - ago_ms);
        for (ended_at, due) in [(ended(day), true), (ended(day - 1), false)] {
            assert_eq!(is_due(Some(&JobState::Cancelled { ended_at }), now), due);
            assert_eq!(is_due(Some(&JobState::Failed { ended_at, error: String::new() }), now), due);
        }
        assert!(!is_due(Some(&JobState::Waiting { run_at: ended(day), error: None }), now));
    }
}
