//! Deletes recordings, and the items made of them, whose time has come.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every few minutes")]

use super::RemovalError;
use super::retention::{deletes_at, horizon};
use crate::account::{AccountRecord, everyone};
use crate::app::App;
use crate::clock::Timestamp;
use crate::event::{Event, EventStatus};
use crate::item::{self, Item};
use crate::recording::{self, Recording};
use crate::store::{Cursor, IndexKey, Scan, StoreError, Versioned};
use std::time::Duration;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(300);

/// Begins to come round.
pub(crate) fn start(app: App) {
    tokio::spawn(async move {
        while !app.shutdown.is_cancelled() {
            match expire(&app, app.clock.now()).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "recordings were kept long enough and are deleted"),
                Err(error) => tracing::warn!(%error, "recordings whose time has come are looked for again"),
            }
            tokio::select! {
                () = app.shutdown.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}

/// Has everything deleted whose time has come; returns how many recordings these were.
///
/// # Errors
/// Something cannot be read or written.
pub async fn expire(app: &App, now: Timestamp) -> Result<usize, RemovalError> {
    let mut expired = 0;
    for account in everyone::all(&app.store).await?.into_iter().filter(|account| !account.deleting) {
        let Some(horizon) = horizon(&account, now) else { continue };
        let mut after = None;
        loop {
            let (due, next) = page(app, &account, horizon, now, after).await?;
            for recording in due {
                expired += usize::from(delete(app, &account, &recording).await?);
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(expired)
}

/// Those of a part of the account's recordings, the oldest first, that are due; and where the next part begins.
async fn page(
    app: &App,
    account: &AccountRecord,
    horizon: Timestamp,
    now: Timestamp,
    after: Option<Cursor>,
) -> Result<(Vec<Versioned<Recording>>, Option<Cursor>), RemovalError> {
    let within = IndexKey::of(account.number);
    let page =
        app.store.scan::<Recording>(Scan::of(recording::BY_NUMBER).within(within).after(after)).await?;
    let is_young = page.items.last().is_some_and(|last| last.document.started_at > horizon);
    let due = page.items.into_iter().filter(|recording| {
        let at = deletes_at(account, &recording.document);
        recording.document.removed_at.is_none() && at.is_some_and(|at| at <= now)
    });
    Ok((due.collect(), page.next.filter(|_| !is_young)))
}

/// Deletes a recording with what was made of it; returns whether there was anything to be done.
async fn delete(
    app: &App,
    account: &AccountRecord,
    recording: &Versioned<Recording>,
) -> Result<bool, RemovalError> {
    let Recording { id, event_id, number, .. } = recording.document;
    // As long as an event goes on, its viewers look back to what was recorded.
    let event = app.store.get::<Event>(event_id).await?;
    if event.is_some_and(|event| event.document.status != EventStatus::Ended) {
        return Ok(false);
    }
    let days = account.limits.recording_days.unwrap_or_default();
    let kept = format!("kept for {days} days");
    match app.items.for_recording(&id).await? {
        Some(made) => {
            let Some(found) = app.store.get::<Item>(made.id).await? else { return Ok(false) };
            let title = format!("Delete “{}”, {kept}", found.document.title);
            item::expire(app, &found, &title).await.map_err(RemovalError::Expired)
        }
        None => {
            let title = format!("Delete recording {number}, {kept}");
            recording::remove(app, recording, &title).await.map_err(RemovalError::Expired)
        }
    }
}

/// When an item is deleted by itself.
pub(crate) async fn item_goes_at(app: &App, item: &Item) -> Result<Option<Timestamp>, StoreError> {
    let Some(account) = app.store.get::<AccountRecord>(item.account).await? else { return Ok(None) };
    if account.document.limits.recording_days.is_none() {
        return Ok(None);
    }
    let recording = app.store.get::<Recording>(item.recording_id).await?;
    Ok(recording.and_then(|recording| deletes_at(&account.document, &recording.document)))
}
