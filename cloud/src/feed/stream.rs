//! The events of one stream, from the journal and from the boxes.
#![allow(clippy::disallowed_methods, reason = "a driver: a heartbeat goes out after some quiet")]

use crate::access::{Caller, Permission};
use crate::app::App;
use crate::http::Teller;
use crate::http::places::Place;
use crate::store::{Account, Change, Entry, StoreError};
use http::{HeaderMap, Method};
use serde_json::json;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use warp::sse::Event;

/// After this much quiet a heartbeat goes out, and the login is looked at again.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Entries that are read at a time.
const AT_ONCE: usize = 64;
/// How far behind a cursor may be; beyond it reading everything anew is quicker.
const MAX_BEHIND: u64 = 1000;

/// Says that there is nobody left to send to, or nothing to read from.
enum End {
    Gone,
    Store(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Follows the journal from `cursor`, or from now on, until the server or the login ends.
pub(super) async fn follow(
    app: App,
    caller: Caller,
    cursor: Option<u64>,
    login: HeaderMap,
    _place: Place<Account>,
    teller: Teller,
) {
    let ended = tokio::select! {
        ended = drive(&app, caller, cursor, &login, &teller) => ended,
        () = app.shutdown.cancelled() => Err(End::Gone),
    };
    if let Err(End::Store(error)) = ended {
        tracing::warn!(%error, "a page's stream ended");
    }
}

async fn drive(
    app: &App,
    mut caller: Caller,
    known: Option<u64>,
    login: &HeaderMap,
    teller: &Teller,
) -> Result<(), End> {
    let mut boxes = app.devices.subscribe();
    let mut events = app.live.subscribe();
    let mut head = app.store.journal_head(caller.account);
    let now = *head.borrow_and_update();
    let mut cursor = known.unwrap_or(now);
    let mut alarms = app.alarms.subscribe();
    // At once, so that the page knows that the stream is open.
    teller.tell(alive()).await;
    alarms.mark_unchanged();
    tell_alarms(app, &caller, teller).await;
    if cursor > now || now - cursor > MAX_BEHIND {
        cursor = now;
        teller.tell(reset(cursor)).await;
    }
    // What came before goes first, and then what changes.
    head.mark_changed();
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    heartbeat.reset();
    loop {
        tokio::select! {
            // First, so that nobody is told anything whose login has ended meanwhile.
            biased;
            _ = heartbeat.tick() => {
                caller = app.accounts.caller(&Method::GET, login, None).await.map_err(|_| End::Gone)?;
                teller.tell(alive()).await;
            }
            changed = alarms.changed() => {
                changed.map_err(|_| End::Gone)?;
                tell_alarms(app, &caller, teller).await;
            }
            state = boxes.recv() => match state {
                Ok(told) => {
                    if told.account == caller.account && caller.permissions.has(Permission::DevicesRead) {
                        let data = json!({ "device_id": told.device_id, "telemetry": told.telemetry });
                        teller.tell(Event::default().event("telemetry").data(data.to_string())).await;
                    }
                }
                // A slow reader misses telemetry, which the next second brings anew.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(End::Gone),
            },
            told = events.recv() => match told {
                Ok(told) => {
                    if told.account == caller.account && caller.permissions.has(Permission::EventsRead) {
                        teller.tell(Event::default().event(told.name).data(&*told.data)).await;
                    }
                }
                // As with telemetry.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(End::Gone),
            },
            // Last, and a part at a time: a journal that grows quickly keeps nothing else from being told.
            changed = head.changed() => {
                changed.map_err(|_| End::Gone)?;
                let before = cursor;
                cursor = catch_up(app, &caller, cursor, teller).await?;
                if cursor != before {
                    head.mark_changed();
                }
            }
        }
    }
}

/// Tells the next entries; returns how far it has come.
async fn catch_up(app: &App, caller: &Caller, mut cursor: u64, teller: &Teller) -> Result<u64, End> {
    let page = app.store.journal(caller.account, cursor, AT_ONCE).await?;
    if page.reset {
        cursor = page.entries.first().map_or(app.store.journal_seq(caller.account), |entry| entry.seq - 1);
        teller.tell(reset(cursor)).await;
    }
    for entry in page.entries.iter().filter(|entry| may_see(caller, entry)) {
        teller.tell(change(entry)).await;
    }
    Ok(page.entries.last().map_or(cursor, |entry| entry.seq))
}

/// Whether somebody may know of a change: whoever may read such a thing.
fn may_see(caller: &Caller, entry: &Entry) -> bool {
    let permission = match entry.kind.as_str() {
        "event" | "broadcast" | "simulcast" => Permission::EventsRead,
        "item" => Permission::ItemsRead,
        "recording" => Permission::RecordingsRead,
        "device" | "presence" | "device_event" => Permission::DevicesRead,
        "hook" => Permission::HooksRead,
        "job" => Permission::JobsRead,
        "user" | "role" | "token" | "second_factor" => Permission::UsersRead,
        // In the log, which nobody follows: nothing that a page shows has changed.
        "login" => return false,
        _ => Permission::AccountRead,
    };
    caller.permissions.has(permission)
}

async fn tell_alarms(app: &App, caller: &Caller, teller: &Teller) {
    if caller.permissions.has(Permission::ServerRead) {
        teller.tell(raised(app)).await;
    }
}

fn alive() -> Event {
    Event::default().event("alive").data("{}")
}

/// All of them each time: there are few, and a page that missed one needs the others as well.
fn raised(app: &App) -> Event {
    Event::default().event("alarms").data(json!({ "alarms": app.alarms.list() }).to_string())
}

fn reset(cursor: u64) -> Event {
    Event::default().event("reset").id(cursor.to_string()).data("{}")
}

fn change(entry: &Entry) -> Event {
    // To whoever looks at it, a broadcast that comes is a change of its event, and a box that comes or goes one of the device.
    let kind = match entry.kind.as_str() {
        "broadcast" => "event",
        "presence" => "device",
        kind => kind,
    };
    let data = json!({
        "seq": entry.seq,
        "kind": kind,
        "id": entry.id,
        "change": entry.change,
        "version": entry.version,
        "deleted": entry.change == Change::Deleted,
    });
    Event::default().event("change").id(entry.seq.to_string()).data(data.to_string())
}
