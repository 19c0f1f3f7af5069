//! `/api/v1/events`.

use super::change::{EventBody, TITLE};
use super::listing::LISTING;
use super::{AdminView, Event, EventChange, EventStatus, EventView, Input};
use crate::access::{Caller, Permission};
use crate::app::App;
use crate::http::{self, ApiError, Call, IfMatch, Line, Listed, Response, Routes, answer, line};
use crate::id::EventId;
use crate::settings;
use crate::store::IndexKey;
use ::http::{Method, header};
use std::time::Duration;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest time that a replaced key works still.
const LONGEST_OVERLAP_S: u64 = 86_400;
/// How long it does if nobody says.
const USUAL_OVERLAP: Duration = Duration::from_secs(300);

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, change, change_status, duplicate, renew_key))]
pub struct Operations;

type EventList = Listed<AdminView>;
type Title = Line<TITLE>;

/// The copy of an event.
#[derive(ToSchema)]
#[schema(as = EventClone)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CloneBody {
    /// Its title; the event's own if absent.
    title: Option<Title>,
}

/// How a stream key is replaced.
#[derive(ToSchema)]
#[schema(as = StreamKeyChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct KeyBody {
    /// How long the key before works still, in seconds; 0: it does not.
    #[schema(required = false, maximum = 86_400, default = 300)]
    overlap_s: u64,
}

/// Where a live event is to go.
#[derive(ToSchema)]
#[schema(as = EventStatusChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct StatusBody {
    /// One of the event's `allowed_statuses`.
    status: EventStatus,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let (all_app, one_app) = (app.clone(), app.clone());
    let (clone_app, key_app) = (app.clone(), app.clone());
    let all = warp::path!("api" / "v1" / "events")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "events" / EventId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let status = warp::path!("api" / "v1" / "events" / EventId / "status")
        .and(http::call())
        .then(move |id, call| answer(change_status(app.clone(), id, call)));
    let duplicate = warp::path!("api" / "v1" / "events" / EventId / "clone")
        .and(http::call())
        .then(move |_id, call| answer(duplicate(clone_app.clone(), call)));
    let key = warp::path!("api" / "v1" / "events" / EventId / "inputs" / String / "key")
        .and(http::call())
        .then(move |id, input, call| answer(renew_key(key_app.clone(), id, input, call)));
    all.or(one).unify().or(status).unify().or(duplicate).unify().or(key).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => list(app, call).await,
        Method::POST => create(app, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "POST"])),
    }
}

async fn one(app: App, id: EventId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => read(app, call).await,
        Method::PATCH => change(app, id, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH"])),
    }
}

/// List live events
///
/// The account's live events, the newest first, with their stream keys.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "events",
    operation_id = "listEvents",
    responses((status = 200, description = "A part of the list.", body = EventList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
    let caller = call.caller()?;
    let within = IndexKey::of(caller.account);
    wanted.reply(app.events.page(wanted.scan(within)).await?.map(|event| view(&app, caller, &event)))
}

/// Make a live event
///
/// The event is `waiting`: viewers who open its player see the waiting message. Its two stream keys are drawn.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    operation_id = "createEvent",
    request_body(content = EventBody, example = json!({ "title": "Opening night", "starts_at": "2026-05-01T18:30:00Z", "countdown": true })),
    responses((status = 201, description = "The new event.", body = AdminView, headers(("Location"), ("ETag"))))
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let change = EventChange::read(&app, caller.account, &mut fields).await?;
    let settings = settings::of(&app.store, caller.account).await?;
    let title = match &change.title {
        Some(title) => title.clone(),
        None if settings.event_title.is_empty() => {
            // Where it is there and wrong, that has been said.
            if !fields.is_wrong("title") {
                fields.wrong("title", "is required");
            }
            String::new()
        }
        None => settings::expand_title(&settings.event_title, &settings.time_zone, app.clock.now()),
    };
    fields.finish()?;
    let event = app.events.create_as(caller.account, title, &change, Some(caller.user)).await?;
    made(&app, caller, &event)
}

/// Read a live event
///
/// With its stream keys, and whether a broadcast comes in.
#[utoipa::path(
    get,
    path = "/api/v1/events/{event}",
    tag = "events",
    operation_id = "readEvent",
    responses((status = 200, description = "The event.", body = AdminView, headers(("ETag"))))
)]
async fn read(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    shown(&app, caller, &app.events.view(call.named()?).await?)
}

/// Change a live event
///
/// What is absent stays. Viewers see a new title, message or picture at once. Its status has an address of its own.
#[utoipa::path(
    patch,
    path = "/api/v1/events/{event}",
    tag = "events",
    operation_id = "changeEvent",
    params(IfMatch),
    request_body(content = EventBody, example = json!({ "title": "Closing night", "device_id": null, "service_message": "The sound is back in a minute." })),
    responses((status = 200, description = "The event as it is now.", body = AdminView, headers(("ETag"))))
)]
async fn change(app: App, id: EventId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let change = EventChange::read(&app, caller.account, &mut fields).await?;
    fields.finish()?;
    let event = app.events.patch(&id, change, expected, Some(caller.user)).await?;
    shown(&app, caller, &event)
}

/// Start, pause or end a live event
///
/// `waiting` and `preview` can become each other or `started`; `started` and `paused` can become each other or
/// `ended`, after which nothing follows. Viewers see the broadcast while the event is `started`, and it is recorded.
#[utoipa::path(
    post,
    path = "/api/v1/events/{event}/status",
    tag = "events",
    operation_id = "changeEventStatus",
    params(IfMatch),
    request_body(content = StatusBody, example = json!({ "status": "started" })),
    responses(
        (status = 200, description = "The event as it is now.", body = AdminView, headers(("ETag"))),
        (status = 409, description = "The status cannot follow the present one, or the account has as many events \
                                      started as it may."),
    )
)]
async fn change_status(app: App, id: EventId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let status = fields.required("status", |text: String| text.parse::<EventStatus>());
    fields.finish()?;
    let Some(status) = status else { return Err(ApiError::field("status", "is required")) };
    let event = app.events.set_status(&id, status, expected, Some(caller.user)).await?;
    shown(&app, caller, &event)
}

/// Make another event like one that is there
///
/// With all that was decided about it, its simulcasts too, but with stream keys of its own, without a schedule, a
/// service message and a box. It is `waiting`.
#[utoipa::path(
    post,
    path = "/api/v1/events/{event}/clone",
    tag = "events",
    operation_id = "cloneEvent",
    request_body(content = CloneBody, example = json!({ "title": "Second night" })),
    responses((status = 201, description = "The new event.", body = AdminView, headers(("Location"), ("ETag"))))
)]
async fn duplicate(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let event = call.named::<Event>()?.document;
    let mut fields = call.fields().await?;
    let title = fields.optional("title", line(TITLE)).value();
    fields.finish()?;
    let new = app.events.duplicate(&event, title, Some(caller.user)).await?;
    app.simulcasts.duplicate(&event.id, new.id, Some(caller.user)).await?;
    made(&app, caller, &new)
}

/// Draw a new stream key
///
/// The one before works for `overlap_s` seconds still, so that an encoder can be set to the new one while it
/// broadcasts; without an overlap its broadcast is cut off at once, and so are those with older keys.
#[utoipa::path(
    post,
    path = "/api/v1/events/{event}/inputs/{name}/key",
    tag = "events",
    operation_id = "renewStreamKey",
    params(IfMatch),
    request_body(content = KeyBody, example = json!({ "overlap_s": 300 })),
    responses((status = 200, description = "The event as it is now.", body = AdminView, headers(("ETag"))))
)]
async fn renew_key(app: App, id: EventId, input: String, mut call: Call) -> Result<Response, ApiError> {
    if call.method != Method::POST {
        return Err(ApiError::method_not_allowed(&["POST"]));
    }
    let input = Input::ALL.into_iter().find(|known| known.name() == input);
    let input = input.ok_or_else(|| ApiError::not_found("an event's inputs are `main` and `backup`"))?;
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let overlap = fields.optional("overlap_s", |seconds: u64| match seconds {
        0..=LONGEST_OVERLAP_S => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("must be a whole number from 0 to {LONGEST_OVERLAP_S}")),
    });
    fields.finish()?;
    let overlap = overlap.value().unwrap_or(USUAL_OVERLAP);
    let event = app.events.renew_key(&id, input, overlap, expected, Some(caller.user)).await?;
    shown(&app, caller, &event)
}

/// The event as somebody sees it: with its keys, if they may change it.
fn view(app: &App, caller: Caller, event: &EventView) -> AdminView {
    let with_keys = caller.permissions.has(Permission::EventsWrite);
    event.admin(with_keys, &app.addresses.http_url(&app.config))
}

fn made(app: &App, caller: Caller, event: &EventView) -> Result<Response, ApiError> {
    let response = http::created(&format!("/api/v1/events/{}", event.id), &view(app, caller, event))?;
    Ok(tagged(response, event))
}

fn shown(app: &App, caller: Caller, event: &EventView) -> Result<Response, ApiError> {
    Ok(tagged(http::json(&view(app, caller, event))?, event))
}

fn tagged(response: Response, event: &EventView) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{}\"", event.version))
}
