//! `/api/v1/events`.

use super::listing::LISTING;
use super::{AdminView, EventStatus, EventView, NewEvent, PatchEvent};
use crate::app::App;
use crate::http::{self, ApiError, Call, IfMatch, Line, Listed, Parsed, Response, Routes, answer, line};
use crate::id::{BoxId, EventId};
use crate::settings;
use crate::store::IndexKey;
use ::http::{Method, header};
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest title in characters.
const TITLE: usize = 200;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, change, change_status))]
pub struct Operations;

type EventList = Listed<AdminView>;
type Title = Line<TITLE>;

/// A new live event.
#[derive(ToSchema)]
#[schema(as = NewEvent)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CreateBody {
    /// The title that viewers see; where the account's setting `event_title` is one, it may be absent.
    #[schema(required = false)]
    title: Title,
    /// The box that is to push to it; none if absent.
    device_id: Option<BoxId>,
}

/// What is to be changed of a live event; what is absent stays.
#[derive(ToSchema)]
#[schema(as = EventChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ChangeBody {
    /// The title that viewers see.
    #[schema(required = false)]
    title: Title,
    /// The box that is to push to it; `null` takes the present one away.
    device_id: Option<BoxId>,
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
    let all = warp::path!("api" / "v1" / "events")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "events" / EventId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let status = warp::path!("api" / "v1" / "events" / EventId / "status")
        .and(http::call())
        .then(move |id, call| answer(change_status(app.clone(), id, call)));
    all.or(one).unify().or(status).unify().boxed()
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
    let within = IndexKey::of(call.caller()?.account);
    wanted.reply(app.events.page(wanted.scan(within)).await?.map(|event| event.admin()))
}

/// Make a live event
///
/// The event is `waiting`: viewers who open its player see the waiting message. Its two stream keys are drawn.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    operation_id = "createEvent",
    request_body(content = CreateBody, example = json!({ "title": "Opening night" })),
    responses((status = 201, description = "The new event.", body = AdminView, headers(("Location"), ("ETag"))))
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let settings = settings::of(&app.store, caller.account).await?;
    let title = if settings.event_title.is_empty() {
        fields.required("title", line(TITLE))
    } else {
        let usual = || settings::expand_title(&settings.event_title, &settings.time_zone, app.clock.now());
        Some(fields.optional("title", line(TITLE)).value().unwrap_or_else(usual))
    };
    let device = fields.optional("device_id", |text: String| parse_device(&text));
    fields.finish()?;
    let new =
        NewEvent { account: caller.account, title: title.unwrap_or_default(), device_id: device.value() };
    let event = app.events.create(new, Some(caller.user)).await?;
    let response = http::created(&format!("/api/v1/events/{}", event.id), &event.admin())?;
    Ok(tagged(response, &event))
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
    shown(&app.events.view(call.named()?).await?)
}

/// Change a live event
///
/// Its title and its box; viewers see a new title at once. Its status has an address of its own.
#[utoipa::path(
    patch,
    path = "/api/v1/events/{event}",
    tag = "events",
    operation_id = "changeEvent",
    params(IfMatch),
    request_body(content = ChangeBody, example = json!({ "title": "Closing night", "device_id": null })),
    responses((status = 200, description = "The event as it is now.", body = AdminView, headers(("ETag"))))
)]
async fn change(app: App, id: EventId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let title = fields.optional("title", line(TITLE));
    if title == Parsed::Null {
        fields.wrong("title", "cannot be null");
    }
    let device = fields.optional("device_id", |text: String| parse_device(&text));
    fields.finish()?;
    let device_id = match device {
        Parsed::Absent => None,
        Parsed::Null => Some(None),
        Parsed::Value(device) => Some(Some(device)),
    };
    let patch = PatchEvent { title: title.value(), device_id };
    shown(&app.events.patch(&id, patch, expected, Some(caller.user)).await?)
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
    shown(&app.events.set_status(&id, status, expected, Some(caller.user)).await?)
}

fn parse_device(text: &str) -> Result<BoxId, String> {
    text.parse::<BoxId>().map_err(|error| error.to_string())
}

fn shown(event: &EventView) -> Result<Response, ApiError> {
    Ok(tagged(http::json(&event.admin())?, event))
}

fn tagged(response: Response, event: &EventView) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{}\"", event.version))
}
