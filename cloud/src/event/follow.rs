//! Hears of the changes that other processes make to events, by the journal.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it asks a store again that failed")]

use super::document::Activity;
use super::{Event, EventError, Events};
use crate::account::everyone;
use crate::id::EventId;
use crate::store::{Account, Document as _};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Entries of the journal that are read at a time.
const AT_ONCE: usize = 256;
/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs until the shutdown.
pub(super) async fn run(events: Events, shutdown: CancellationToken) {
    everyone::follow(events.store(), &shutdown, |account, from| {
        one(events.clone(), account, from, shutdown.clone())
    })
    .await;
}

async fn one(events: Events, account: Account, mut cursor: u64, shutdown: CancellationToken) {
    let mut head = events.store().journal_head(account);
    loop {
        head.borrow_and_update();
        let caught_up = catch_up(&events, account, &mut cursor).await;
        let failed = caught_up.is_err();
        if let Err(error) = caught_up {
            tracing::warn!(%error, "changes of other processes are not heard of yet");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE), if failed => {}
            changed = head.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Reads the journal to its end; what was not told stays to be read.
async fn catch_up(events: &Events, account: Account, cursor: &mut u64) -> Result<(), EventError> {
    loop {
        let watched: BTreeSet<EventId> = events.watched().into_iter().collect();
        let page = events.store().journal(account, *cursor, AT_ONCE).await?;
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
        match page.entries.last() {
            Some(last) => *cursor = last.seq,
            None => return Ok(()),
        }
    }
}
