//! Hears of the changes that other processes make to events, by the journal.

use super::document::Activity;
use super::{Event, EventError, Events};
use crate::account::everyone;
use crate::id::EventId;
use crate::store::{Account, Document as _};
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

/// Entries of the journal that are read at a time.
const AT_ONCE: usize = 256;

/// Runs until the shutdown.
pub(super) async fn run(events: Events, shutdown: CancellationToken) {
    everyone::follow(events.store(), &shutdown, |account, from| {
        let (events, shutdown) = (events.clone(), shutdown.clone());
        async move {
            let read = |cursor| tell(&events, account, cursor);
            everyone::keep_up(events.store(), &shutdown, account, from, read).await;
        }
    })
    .await;
}

/// Tells watchers of the next entries; what was not told stays to be read.
async fn tell(events: &Events, account: Account, cursor: u64) -> Result<u64, EventError> {
    let watched: BTreeSet<EventId> = events.watched().into_iter().collect();
    let page = events.store().journal(account, cursor, AT_ONCE).await?;
    let told = |kind: &str| kind == Event::KIND || kind == Activity::KIND;
    let touched: BTreeSet<EventId> = if page.reset {
        watched
    } else {
        let entries = page.entries.iter().filter(|entry| told(&entry.kind));
        entries.filter_map(|entry| entry.id.parse().ok()).filter(|id| watched.contains(id)).collect()
    };
    for id in touched {
        events.publish(&id).await?;
    }
    Ok(page.entries.last().map_or(cursor, |entry| entry.seq))
}
