//! `/api/v1/events`.

use super::{EventStatus, EventView, ListOptions, NewEvent, PatchEvent};
use crate::app::App;
use crate::http::{self, ApiError, Call, Parsed, Response, Routes, answer, line};
use crate::id::{BoxId, EventId};
use ::http::{Method, header};
use warp::Filter;

/// Longest title in characters.
const TITLE: usize = 200;

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
        .then(move |id, call| answer(status(app.clone(), id, call)));
    all.or(one).unify().or(status).unify().boxed()
}

async fn all(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    match call.method {
        Method::GET | Method::HEAD => {
            let (after, limit) = http::page_request(&call)?;
            let page = app.events.list(ListOptions { account: Some(caller.account), after, limit }).await?;
            http::list(&page.map(|event| event.admin_json()))
        }
        Method::POST => {
            let mut fields = call.fields().await?;
            let title = fields.required("title", line(TITLE));
            let device = fields.optional("device_id", |text: String| parse_device(&text));
            fields.finish()?;
            let new = NewEvent {
                account: caller.account,
                title: title.unwrap_or_default(),
                device_id: device.value(),
            };
            let event = app.events.create(new, Some(caller.user)).await?;
            let response = http::created(&format!("/api/v1/events/{}", event.id), &event.admin_json())?;
            Ok(tagged(response, &event))
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "POST"])),
    }
}

async fn one(app: App, id: EventId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    match call.method {
        Method::GET | Method::HEAD => {
            let event = app
                .events
                .get(&id)
                .await?
                .ok_or_else(|| ApiError::not_found(format!("there is no event {id}")))?;
            shown(&event)
        }
        Method::PATCH => {
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
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH"])),
    }
}

async fn status(app: App, id: EventId, mut call: Call) -> Result<Response, ApiError> {
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
    Ok(tagged(http::json(&event.admin_json())?, event))
}

fn tagged(response: Response, event: &EventView) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{}\"", event.version))
}
