//! Starts and ends events when their schedules say so, and ends those that have been on for a day.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks every second")]

use super::document::BY_DUE;
use super::{Event, EventError, EventStatus, Events};
use crate::clock::Timestamp;
use crate::id::EventId;
use crate::store::Scan;
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// What could not be done is tried again after this long.
const AGAIN: Duration = Duration::from_secs(30);

/// Runs until the shutdown; with several processes each looks, and the first one's change counts.
pub(crate) async fn run(events: Events, shutdown: CancellationToken) {
    let mut schedules = Schedules::new(events);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = schedules.look().await {
            tracing::warn!(%error, "the events' schedules are looked at again in a moment");
        }
    }
}

pub(super) struct Schedules {
    events: Events,
    /// When what failed is tried again.
    failed: HashMap<EventId, Timestamp>,
}

impl Schedules {
    pub(super) fn new(events: Events) -> Self {
        Self { events, failed: HashMap::new() }
    }

    /// Does all that is due.
    pub(super) async fn look(&mut self) -> Result<(), EventError> {
        let now = self.events.store().now();
        let mut after = None;
        loop {
            let page = self.events.store().scan::<Event>(Scan::of(BY_DUE).after(after)).await?;
            for event in &page.items {
                let document = &event.document;
                let due = document.details.due(document.status, document.started_at);
                let Some((_, status)) = due.filter(|(at, _)| *at <= now) else { return Ok(()) };
                if self.failed.get(&document.id).is_none_or(|again| *again <= now) {
                    self.carry_out(&document.id, event.version, status, now).await;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn carry_out(&mut self, id: &EventId, version: u64, status: EventStatus, now: Timestamp) {
        match self.events.set_status(id, status, Some(version), None).await {
            Ok(_) => {
                tracing::info!(event = %id, %status, "the schedule changes an event's status");
                if self.failed.remove(id).is_some() {
                    self.warn(id, None).await;
                }
            }
            // Somebody was quicker, by hand or in another process.
            Err(EventError::ChangedMeanwhile(_) | EventError::NotFound(_) | EventError::Forbidden(_)) => {}
            Err(error) => {
                tracing::warn!(event = %id, %status, %error, "the schedule cannot change an event's status");
                self.failed.retain(|_, again| *again > now);
                self.failed.insert(*id, now.plus(AGAIN));
                let words =
                    format!("The schedule could not make this event {status}: {error}. It is tried again.");
                self.warn(id, Some(words)).await;
            }
        }
    }

    async fn warn(&self, id: &EventId, words: Option<String>) {
        if let Err(error) = self.events.set_warning(id, words).await {
            tracing::warn!(event = %id, %error, "cannot say in the event what is wrong with its schedule");
        }
    }
}
