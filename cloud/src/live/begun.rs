//! Takes up events as they are started, also those that nobody broadcasts to: they show their slate.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it asks a store again that failed")]

use crate::account::everyone;
use crate::app::App;
use crate::event::{Event, EventStatus};
use crate::store::{Account, Document as _, Entry, StoreError};
use std::time::Duration;

/// Entries of the journal that are read at a time.
const AT_ONCE: usize = 256;
/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs until the shutdown.
pub(super) async fn run(app: App) {
    everyone::follow(&app.store, &app.shutdown, |account, from| one(app.clone(), account, from)).await;
}

async fn one(app: App, account: Account, mut cursor: u64) {
    let mut head = app.store.journal_head(account);
    loop {
        head.borrow_and_update();
        let caught_up = catch_up(&app, account, &mut cursor).await;
        let failed = caught_up.is_err();
        if let Err(error) = caught_up {
            tracing::warn!(%error, "events that are started are not taken up yet");
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE), if failed => {}
            changed = head.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Reads the journal to its end. Entries that were dropped before they were read are of long ago.
async fn catch_up(app: &App, account: Account, cursor: &mut u64) -> Result<(), StoreError> {
    loop {
        let page = app.store.journal(account, *cursor, AT_ONCE).await?;
        for id in page.entries.iter().filter(|entry| starts(entry)).filter_map(|entry| entry.id.parse().ok())
        {
            app.live.take_if_free(&id).await;
        }
        match page.entries.last() {
            Some(last) => *cursor = last.seq,
            None => return Ok(()),
        }
    }
}

/// Whether an event was started with this entry.
fn starts(entry: &Entry) -> bool {
    let started = serde_json::json!(EventStatus::Started);
    entry.kind == Event::KIND && entry.after["status"] == started && entry.before["status"] != started
}
