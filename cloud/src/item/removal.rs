//! Removing an item: it is gone at once, and its media as soon as nothing refers to them.

use super::Item;
use crate::app::App;
use crate::http::ApiError;
use crate::id::{ItemId, JobId, UserId};
use crate::job::{JobView, NewJob, Work};
use crate::recording::{DeleteMedia, Recording, Removed};
use crate::store::{StoreError, Versioned};

/// How often it is tried when others are quicker.
const TRIES: usize = 32;

/// Removes an item and has its media removed, as one; `expected` is the version that the user has seen.
///
/// Returns the job that removes the media; `None` means no such item.
pub(super) async fn remove(
    app: &App,
    id: &ItemId,
    expected: Option<u64>,
    by: Option<UserId>,
) -> Result<Option<JobView>, ApiError> {
    for _ in 0..TRIES {
        let Some(item) = app.store.get::<Item>(id).await? else { return Ok(None) };
        if expected.is_some_and(|expected| expected != item.version) {
            let detail = format!("the item is at version {} now: read it again", item.version);
            return Err(ApiError::changed_meanwhile(detail));
        }
        let title = format!("Delete the media of “{}”", item.document.title);
        match try_remove(app, &item, &title, by).await {
            Ok(job) => {
                app.jobs.wake(DeleteMedia::KIND);
                return Ok(app.jobs.get(&job).await?);
            }
            Err(RemovalError::Store(StoreError::Conflict { .. })) => {}
            Err(RemovalError::Store(error)) => return Err(error.into()),
            Err(RemovalError::Job(error)) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict { kind: "item", id: id.to_string() }.into())
}

/// Says why an item was not removed.
#[derive(Debug, thiserror::Error)]
enum RemovalError {
    #[error("cannot remove an item: {0}")]
    Store(#[from] StoreError),
    #[error("cannot have an item's media removed: {0}")]
    Job(#[from] crate::job::JobError),
}

/// Removes an item that was kept long enough; whether it was there still as it was read.
pub(crate) async fn expire(app: &App, item: &Versioned<Item>, title: &str) -> Result<bool, String> {
    match try_remove(app, item, title, None).await {
        Ok(_) => {
            app.jobs.wake(DeleteMedia::KIND);
            Ok(true)
        }
        Err(RemovalError::Store(StoreError::Conflict { .. })) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

async fn try_remove(
    app: &App,
    item: &Versioned<Item>,
    title: &str,
    by: Option<UserId>,
) -> Result<JobId, RemovalError> {
    let Item { event_id, recording_id, .. } = item.document;
    let job = NewJob::of::<DeleteMedia>(title, &Removed { event_id, recording_id })?;
    let batch = app.store.batch().by(by).delete(item);
    let (mut batch, job) =
        app.jobs.add(batch, job.about(item.document.id).of_account(item.document.account).by(by))?;
    if let Some(recording) = app.store.get::<Recording>(recording_id).await? {
        // No second item is made of it, and it holds no media any more.
        let removed_at = Some(batch.at());
        let removed = Recording { removed_at, removal: Some(job), ..recording.document.clone() };
        batch = batch.update(&recording, &removed);
    }
    app.store.commit(batch).await?;
    Ok(job)
}
