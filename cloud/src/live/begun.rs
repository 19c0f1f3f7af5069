//! Takes up events as they are started, also those that nobody broadcasts to: they show their slate.

use crate::account::everyone;
use crate::app::App;
use crate::event::{Event, EventStatus};
use crate::store::{Account, Document as _, Entry, StoreError};

/// Entries of the journal that are read at a time.
const AT_ONCE: usize = 256;

/// Runs until the shutdown.
pub(super) async fn run(app: App) {
    everyone::follow(&app.store, &app.shutdown, |account, from| {
        let app = app.clone();
        async move {
            let read = |cursor| take_up(&app, account, cursor);
            everyone::keep_up(&app.store, &app.shutdown, account, from, read).await;
        }
    })
    .await;
}

/// Takes up what the next entries start. Entries that were dropped before they were read are of long ago.
async fn take_up(app: &App, account: Account, cursor: u64) -> Result<u64, StoreError> {
    let page = app.store.journal(account, cursor, AT_ONCE).await?;
    for id in page.entries.iter().filter(|entry| starts(entry)).filter_map(|entry| entry.id.parse().ok()) {
        app.live.take_if_free(&id).await;
    }
    Ok(page.entries.last().map_or(cursor, |entry| entry.seq))
}

/// Whether an event was started with this entry.
fn starts(entry: &Entry) -> bool {
    let started = serde_json::json!(EventStatus::Started);
    entry.kind == Event::KIND && entry.after["status"] == started && entry.before["status"] != started
}
