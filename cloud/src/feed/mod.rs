//! `GET /api/v1/stream`: what changes in the account, as server-sent events for its pages, as far as one may read it.
//!
//! | event | data |
//! |---|---|
//! | `change` | `{"seq","kind":"event"\|"item"\|"device"\|…,"id","change","version","deleted"}`; its id is the `seq` |
//! | `alarms` | `{"alarms":[{"name","words","since"},…]}`: all that is wrong now, at the start and at each change |
//! | `telemetry` | `{"device_id","telemetry"}` |
//! | `health` | `{"event_id","inputs":{"main":{"now","warnings"},"backup":…}}`, of an event that is broadcast |
//! | `simulcasts` | `{"event_id","simulcasts":[{"id","outputs"},…]}`, of an event that is pushed elsewhere |
//! | `alive` | `{}`, when nothing else was sent for a while |
//! | `reset` | `{}`: more was missed than is kept; read everything anew |

mod stream;

use crate::app::App;
use crate::http::places::Places;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::store::Account;
use ::http::Method;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Streams at a time: pages of one browser share one.
const MAX_STREAMS: usize = 4_000;
/// Of those, streams of one account.
const MAX_OF_ACCOUNT: usize = 1_500;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(open))]
pub struct Operations;

/// One event of the stream.
#[derive(ToSchema)]
#[schema(as = ChangeEvent)]
#[expect(dead_code, reason = "a schema: events are written as text")]
struct StreamEvent {
    /// What it tells.
    event: StreamEventName,
    /// Its place in the journal, where it has one.
    #[schema(required = false)]
    id: String,
    /// JSON, as the operation describes it.
    data: String,
}

/// What an event of the stream tells.
#[derive(ToSchema)]
#[schema(as = ChangeEventName, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema: events are written as text")]
enum StreamEventName {
    Change,
    Alarms,
    Telemetry,
    Health,
    Simulcasts,
    Alive,
    Reset,
}

/// Where a stream goes on.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a schema: the header is read by hand")]
struct LastEventId {
    /// The id of the last event that was received: those after it are sent anew, as far as they are kept.
    #[param(rename = "Last-Event-ID", required = false, pattern = "^[0-9]{1,18}$")]
    last_event_id: String,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let places = Places::new(MAX_STREAMS, MAX_OF_ACCOUNT);
    warp::path!("api" / "v1" / "stream")
        .and(http::call())
        .then(move |call| answer(open(app.clone(), places.clone(), call)))
        .boxed()
}

/// Follow all changes
///
/// Server-sent events, as far as one may read what they are about:
///
/// - `change`, whose id is its `seq`: `{"seq", "kind", "id", "change", "version", "deleted"}`
/// - `alarms`, at the start and at each change: `{"alarms": [{"name", "words", "since"}]}`
/// - `telemetry`, about once a second for each box: `{"device_id", "telemetry"}`
/// - `health`, once a second for each event that is broadcast: `{"event_id", "inputs": {"main": {"now", "warnings"},
///   "backup"}}`, as in the event's health
/// - `simulcasts`, once a second for each event that is pushed elsewhere: `{"event_id", "simulcasts": [{"id", "outputs"}]}`
/// - `alive`, when nothing else was sent for ten seconds: `{}`
/// - `reset`, when more was missed than is kept: `{}`; read everything anew
///
/// There are 4 000 such streams at a time, 1 500 of them of one account.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    tag = "changes",
    operation_id = "followChanges",
    params(LastEventId),
    extensions(("x-events" = json!(["change", "alarms", "telemetry", "health", "simulcasts", "alive", "reset"]))),
    responses(
        (status = 200, description = "The stream.", body = StreamEvent, content_type = "text/event-stream"),
        (status = 400, description = "`Last-Event-ID` is no id of this stream."),
    )
)]
async fn open(app: App, places: Places<Account>, call: Call) -> Result<Response, ApiError> {
    if call.method != Method::GET {
        return Err(ApiError::method_not_allowed(&["GET"]));
    }
    let cursor =
        match call.header("last-event-id") {
            None => None,
            Some(text) => Some(text.parse::<u64>().map_err(|_| {
                ApiError::bad_request("Last-Event-ID must be the id of an event of this stream")
            })?),
        };
    let caller = call.caller()?;
    let place = places
        .take(caller.account)
        .ok_or_else(|| ApiError::unavailable("too many pages and programs follow changes: close some"))?;
    let login = call.login();
    Ok(http::events(|teller| stream::follow(app, caller, cursor, login, place, teller)))
}
