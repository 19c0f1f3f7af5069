//! `/api/v1/simulcasts`.

use super::change::{SimulcastBody, SimulcastChange};
use super::listing::LISTING;
use super::view::SimulcastView;
use super::{Service, Simulcast};
use crate::app::App;
use crate::event::Event;
use crate::http::{self, ApiError, Call, IfMatch, Listed, Response, Routes, answer};
use crate::id::{EventId, SimulcastId};
use crate::live;
use crate::store::{IndexKey, Versioned};
use ::http::{Method, header};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, change, delete))]
pub struct Operations;

type SimulcastList = Listed<SimulcastView>;

/// A new simulcast: what may be said of one, and the event.
#[derive(ToSchema)]
#[schema(as = NewSimulcast)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct NewBody {
    /// The event that is pushed.
    event_id: EventId,
    /// What people call it; empty: as the service is called.
    #[schema(required = false, max_length = 100)]
    name: String,
    /// Whose servers.
    service: Service,
    /// The server's RTMP or RTMPS URL, as the service shows it; without it Facebook's and YouTube's usual one.
    #[schema(required = false, format = "uri", pattern = "^[Rr][Tt][Mm][Pp][Ss]?://")]
    url: String,
    /// A second server that gets the same; YouTube's only.
    #[schema(format = "uri", pattern = "^[Rr][Tt][Mm][Pp][Ss]?://")]
    backup_url: Option<String>,
    /// The stream key or stream name, as the service shows it. It is kept encrypted and never shown again.
    #[schema(write_only, min_length = 1, max_length = 500)]
    key: String,
    /// What is pushed: `source`, or a height such as `720p`; the source where there is no such rendition.
    #[schema(required = false, pattern = "^(source|[1-9][0-9]{2,3}p)$", default = "source")]
    rendition: String,
    /// Whether it is pushed while the event is started.
    #[schema(required = false, default = true)]
    enabled: bool,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "simulcasts")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "simulcasts" / SimulcastId)
        .and(http::call())
        .then(move |id, call| answer(one(app.clone(), id, call)));
    all.or(one).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => list(app, call).await,
        Method::POST => create(app, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "POST"])),
    }
}

async fn one(app: App, id: SimulcastId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => read(app, call).await,
        Method::PATCH => change(app, id, call).await,
        Method::DELETE => delete(app, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH", "DELETE"])),
    }
}

/// List simulcasts
///
/// Where the account's events are pushed to, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/simulcasts",
    tag = "simulcasts",
    operation_id = "listSimulcasts",
    responses((status = 200, description = "A part of the list.", body = SimulcastList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
    let page = app.simulcasts.page(wanted.scan(IndexKey::of(call.caller()?.account))).await?;
    let mut told = BTreeMap::new();
    for event in page.items.iter().map(|found| found.document.event_id).collect::<BTreeSet<_>>() {
        told.insert(event, told_of(&app, &event).await?);
    }
    wanted.reply(page.map(|found| {
        let told = told.get(&found.document.event_id).and_then(Option::as_ref);
        app.simulcasts.view(&found, told)
    }))
}

/// Push an event to another server
///
/// While the event is started, what viewers see is pushed there too. Each server has a connection and a queue of its
/// own; one that fails is tried again, at first after a second and then less and less often, at least every minute.
/// Addresses of this machine and of private networks are refused unless the server's configuration allows them
/// (`[outbound]`).
#[utoipa::path(
    post,
    path = "/api/v1/simulcasts",
    tag = "simulcasts",
    operation_id = "createSimulcast",
    request_body(content = NewBody, example = json!({
        "event_id": "evt_3f9k2m7q8t5v6w0x1y4z", "service": "youtube", "key": "abcd-efgh-ijkl-mnop-qrst"
    })),
    responses(
        (status = 201, description = "The new simulcast.", body = SimulcastView, headers(("Location"), ("ETag"))),
        (status = 409, description = "The event has as many simulcasts as it may."),
    )
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let event = fields
        .required("event_id", |text: String| text.parse::<EventId>().map_err(|error| error.to_string()));
    let change = SimulcastChange::read(&app.outbound, &mut fields);
    if change.service.is_none() && !fields.is_wrong("service") {
        fields.wrong("service", "is required");
    }
    if change.key.is_none() && !fields.is_wrong("key") {
        fields.wrong("key", "is required");
    }
    if let Some(event) = event
        && app.store.get_of::<Event>(caller.account, event).await?.is_none()
    {
        fields.wrong("event_id", format!("there is no event {event}"));
    }
    fields.finish()?;
    let Some(event) = event else { return Err(ApiError::field("event_id", "is required")) };
    let made = app.simulcasts.create(caller.account, event, &change, Some(caller.user)).await?;
    let path = format!("/api/v1/simulcasts/{}", made.document.id);
    Ok(tagged(http::created(&path, &view(&app, &made).await?)?, &made))
}

/// Read a simulcast
///
/// Where an event is pushed to, and what becomes of it just now.
#[utoipa::path(
    get,
    path = "/api/v1/simulcasts/{simulcast}",
    tag = "simulcasts",
    operation_id = "readSimulcast",
    responses((status = 200, description = "The simulcast.", body = SimulcastView, headers(("ETag"))))
)]
async fn read(app: App, mut call: Call) -> Result<Response, ApiError> {
    shown(&app, &call.named()?).await
}

/// Change a simulcast
///
/// What is absent stays, the stream key too. One that is being pushed begins anew.
#[utoipa::path(
    patch,
    path = "/api/v1/simulcasts/{simulcast}",
    tag = "simulcasts",
    operation_id = "changeSimulcast",
    params(IfMatch),
    request_body(content = SimulcastBody, example = json!({ "enabled": false })),
    responses((status = 200, description = "The simulcast as it is now.", body = SimulcastView, headers(("ETag"))))
)]
async fn change(app: App, id: SimulcastId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let change = SimulcastChange::read(&app.outbound, &mut fields);
    fields.finish()?;
    shown(&app, &app.simulcasts.patch(&id, &change, expected, Some(caller.user)).await?).await
}

/// Delete a simulcast
///
/// One that is being pushed ends.
#[utoipa::path(
    delete,
    path = "/api/v1/simulcasts/{simulcast}",
    tag = "simulcasts",
    operation_id = "deleteSimulcast",
    responses((status = 204, description = "It is gone."))
)]
async fn delete(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    app.simulcasts.delete(&call.named::<Simulcast>()?, Some(caller.user)).await?;
    Ok(http::empty())
}

/// What another process says of the outputs of an event's simulcasts, if another one pushes them.
async fn told_of(app: &App, event: &EventId) -> Result<Option<Value>, ApiError> {
    let told = live::of_owner(app, event, live::Known::Outputs).await?;
    Ok(told.and_then(|told| serde_json::from_slice(&told).ok()))
}

async fn view(app: &App, found: &Versioned<Simulcast>) -> Result<SimulcastView, ApiError> {
    let told = told_of(app, &found.document.event_id).await?;
    Ok(app.simulcasts.view(found, told.as_ref()))
}

async fn shown(app: &App, found: &Versioned<Simulcast>) -> Result<Response, ApiError> {
    Ok(tagged(http::json(&view(app, found).await?)?, found))
}

fn tagged(response: Response, found: &Versioned<Simulcast>) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{}\"", found.version))
}
