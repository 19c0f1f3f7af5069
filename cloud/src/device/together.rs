//! An event and its box that go live together, where the account wants that: the box's GO LIVE starts the event, starting
//! the event has its box go live, and ending it has the box stop.

#![allow(clippy::disallowed_methods, reason = "a driver: it waits for a box's word")]

use super::DeviceError;
use crate::account::everyone;
use crate::app::App;
use crate::event::{Activity, Event, EventError, EventStatus};
use crate::id::{BoxId, EventId};
use crate::settings;
use crate::store::{Account, Document as _, Entry, StoreError};
use serde_json::json;
use stagebox_protocol::Command;
use stagebox_protocol::telemetry::LiveState;
use std::time::Duration;

/// How long a box that broadcasts may take to say so.
const LOOKS: u32 = 8;
const LOOK: Duration = Duration::from_millis(500);
/// Entries of the journal that are read at a time.
const AT_ONCE: usize = 256;

/// Runs until the shutdown.
pub(crate) async fn run(app: App) {
    everyone::follow(&app.store, &app.shutdown, |account, from| {
        let app = app.clone();
        async move {
            let read = |cursor| follow(&app, account, cursor);
            everyone::keep_up(&app.store, &app.shutdown, account, from, read).await;
        }
    })
    .await;
}

async fn follow(app: &App, account: Account, cursor: u64) -> Result<u64, StoreError> {
    let page = app.store.journal(account, cursor, AT_ONCE).await?;
    for entry in &page.entries {
        let Some(wanted) = Wanted::of(entry) else { continue };
        // Asked for each time: it is rare that anything is wanted.
        if settings::of(&app.store, account).await?.start_together
            && let Ok(event) = entry.id.parse::<EventId>()
        {
            carry_out(app, &event, wanted).await;
        }
    }
    Ok(page.entries.last().map_or(cursor, |entry| entry.seq))
}

/// What follows from a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The event, by its box.
    Start,
    GoLive,
    Stop,
}

impl Wanted {
    fn of(entry: &Entry) -> Option<Self> {
        let became = |field: &str, value: serde_json::Value| {
            entry.after[field] == value && entry.before[field] != value
        };
        match entry.kind.as_str() {
            Activity::KIND if became("main", json!(true)) => Some(Self::Start),
            Event::KIND if became("status", json!(EventStatus::Started)) => Some(Self::GoLive),
            Event::KIND if became("status", json!(EventStatus::Ended)) => Some(Self::Stop),
            _ => None,
        }
    }
}

async fn carry_out(app: &App, id: &EventId, wanted: Wanted) {
    let event = match app.events.get(id).await {
        Ok(Some(event)) => event,
        Ok(None) => return,
        Err(error) => {
            return tracing::error!(event = %id, %error, "cannot read an event that is to follow its box");
        }
    };
    let Some(device) = event.device_id else { return };
    // A box that has several events pushes to the newest that is not over: the others are not its business now.
    let next = match app.events.for_device(&device).await {
        Ok(next) => next,
        Err(error) => {
            return tracing::error!(event = %id, %device, %error, "cannot read which event a box pushes to");
        }
    };
    let is_its_own = next.as_ref().is_some_and(|next| next.id == *id);
    match wanted {
        Wanted::Start if !is_its_own || !is_live(app, &device).await => {}
        Wanted::GoLive if !is_its_own || event.status != EventStatus::Started => {}
        Wanted::Stop if next.is_some_and(|next| next.is_receiving()) => {}
        Wanted::Start if matches!(event.status, EventStatus::Waiting | EventStatus::Preview) => {
            match app.events.set_status(id, EventStatus::Started, Some(event.version), None).await {
                Ok(_) => tracing::info!(event = %id, %device, "the box went live and starts its event"),
                // Another process, or somebody by hand, was quicker.
                Err(EventError::ChangedMeanwhile(_)) => {}
                Err(error) => {
                    tracing::warn!(event = %id, %device, %error, "a box that went live cannot start its event");
                }
            }
        }
        Wanted::Start => {}
        Wanted::GoLive => tell(app, id, &device, &Command::StartStream).await,
        Wanted::Stop => tell(app, id, &device, &Command::StopStream).await,
    }
}

/// Whether the box says that it is live: an encoder with the event's key may be another one.
async fn is_live(app: &App, device: &BoxId) -> bool {
    for _ in 0..LOOKS {
        let Ok(Some(found)) = app.devices.get(device).await else { return false };
        if found.telemetry.is_some_and(|telemetry| {
            !matches!(telemetry.status.live.state, LiveState::Off | LiveState::Unknown)
        }) {
            return true;
        }
        // It says so once a second.
        tokio::time::sleep(LOOK).await;
    }
    false
}

async fn tell(app: &App, event: &EventId, device: &BoxId, command: &Command) {
    match app.devices.command(device, command).await {
        Ok(response) if response.error.is_none() => {
            tracing::info!(%event, %device, command = command.name(), "the event's box follows it");
        }
        Ok(response) => {
            let error = response.error.unwrap_or_default();
            tracing::warn!(%event, %device, command = command.name(), error, "the event's box does not follow it");
        }
        // Of several processes with the role one has the broker.
        Err(DeviceError::NoBroker) => {
            tracing::debug!(%event, %device, "the event's box is told by another process");
        }
        Err(error) => {
            tracing::warn!(%event, %device, command = command.name(), %error, "the event's box cannot be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::Change;
    use serde_json::Value;

    fn entry(kind: &str, before: Value, after: Value) -> Entry {
        Entry {
            seq: 1,
            at: Timestamp::default(),
            actor: None,
            kind: kind.to_owned(),
            id: String::new(),
            change: Change::Updated,
            version: 2,
            before,
            after,
        }
    }

    #[test]
    fn only_what_has_just_become_so_is_followed() {
        let status = |before: &str, after: &str| {
            Wanted::of(&entry(Event::KIND, json!({ "status": before }), json!({ "status": after })))
        };
        assert_eq!(status("waiting", "started"), Some(Wanted::GoLive));
        assert_eq!(status("paused", "started"), Some(Wanted::GoLive));
        assert_eq!(status("started", "started"), None);
        assert_eq!(status("started", "paused"), None);
        assert_eq!(status("started", "ended"), Some(Wanted::Stop));
        let main = |before: bool, after: bool| {
            Wanted::of(&entry(Activity::KIND, json!({ "main": before }), json!({ "main": after })))
        };
        assert_eq!(
            (main(false, true), main(true, true), main(true, false)),
            (Some(Wanted::Start), None, None)
        );
    }
}
