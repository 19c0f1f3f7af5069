//! `/embed`: the players' pages, and the state of an event for them.

use super::look::Look;
use super::page;
use super::state::PublicState;
use super::stream::{self, Streams};
use crate::app::App;
use crate::event::{EventStatus, EventView};
use crate::http::{ApiError, Call, Response, Routes, call, json, with_header};
use crate::id::{EventId, ItemId};
use crate::settings;
use http::{Method, header};
use serde_json::{Value, json};
use warp::Filter;

/// The slice's paths.
pub(super) fn routes(app: App) -> Routes {
    let streams = Streams::new();
    warp::any()
        .and(call())
        .then(move |call: Call| {
            let (app, streams) = (app.clone(), streams.clone());
            async move { respond(&app, &streams, &call).await }
        })
        .boxed()
}

async fn respond(app: &App, streams: &Streams, call: &Call) -> Response {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return ApiError::method_not_allowed(&["GET", "HEAD"]).into_response();
    }
    let path: Vec<_> = call.path.trim_end_matches('/').split('/').skip(2).collect();
    match path.as_slice() {
        ["events", id] => event_page(app, id).await,
        ["events", id, "status.json"] => status(app, id).await.unwrap_or_else(ApiError::into_response),
        ["events", id, "stream"] => follow(app, streams, id).await.unwrap_or_else(ApiError::into_response),
        ["items", id] => item_page(app, id).await,
        _ => page::nothing_to_play("video"),
    }
}

async fn event_page(app: &App, id: &str) -> Response {
    let Ok(id) = id.parse::<EventId>() else { return page::nothing_to_play("event") };
    match event_data(app, &id).await {
        Ok(Some((title, data))) => page::player(&title, &data),
        Ok(None) => page::nothing_to_play("event"),
        Err(_) => page::try_again(),
    }
}

/// What an event's page is told, and its title.
async fn event_data(app: &App, id: &EventId) -> Result<Option<(String, Value)>, ApiError> {
    let Some(event) = app.events.get(id).await? else { return Ok(None) };
    let look = Look::of(app, event.account).await?;
    let state = PublicState::of(app, &event, items_of(app, &event).await?).await?;
    let mut data = serde_json::to_value(&state).map_err(|error| ApiError::internal(&error))?;
    data["kind"] = Value::from("event");
    data["look"] = json!(look);
    Ok(Some((event.title, data)))
}

async fn item_page(app: &App, id: &str) -> Response {
    let Ok(id) = id.parse::<ItemId>() else { return page::nothing_to_play("item") };
    match item_data(app, &id).await {
        Ok(Some((title, data))) => page::player(&title, &data),
        Ok(None) => page::nothing_to_play("item"),
        Err(_) => page::try_again(),
    }
}

/// What an item's page is told, and its title.
async fn item_data(app: &App, id: &ItemId) -> Result<Option<(String, Value)>, ApiError> {
    let Some(item) = app.items.get(id).await? else { return Ok(None) };
    let look = Look::of(app, item.account).await?;
    let data = json!({ "kind": "item", "id": item.id, "title": item.title, "look": look });
    Ok(Some((item.item.title, data)))
}

async fn status(app: &App, id: &str) -> Result<Response, ApiError> {
    let state = match id.parse::<EventId>() {
        Ok(id) => public_state(app, &id).await?,
        Err(_) => None,
    };
    let state = state.ok_or_else(|| no_event(id))?;
    let response = with_header(json(&state)?, header::CACHE_CONTROL, "public, max-age=1");
    Ok(with_header(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
}

async fn follow(app: &App, streams: &Streams, id: &str) -> Result<Response, ApiError> {
    let parsed = id.parse::<EventId>().map_err(|_| no_event(id))?;
    let event = app.events.watch(&parsed).await?.ok_or_else(|| no_event(id))?;
    let place = streams.enter().ok_or_else(|| {
        ApiError::unavailable("too many pages follow events here: poll status.json instead")
    })?;
    Ok(stream::follow(app.clone(), streams, event, place))
}

fn no_event(id: &str) -> ApiError {
    let shown: String = id.chars().take(40).collect();
    ApiError::not_found(format!("there is no event {shown}"))
}

async fn public_state(app: &App, id: &EventId) -> Result<Option<PublicState>, ApiError> {
    let Some(event) = app.events.get(id).await? else { return Ok(None) };
    let items = items_of(app, &event).await?;
    Ok(Some(PublicState::of(app, &event, items).await?))
}

async fn items_of(app: &App, event: &EventView) -> Result<Vec<ItemId>, ApiError> {
    if event.status != EventStatus::Ended || !settings::of(&app.store, event.account).await?.replay_link {
        return Ok(Vec::new());
    }
    Ok(app.items.of_event(&event.id).await?.iter().map(|item| item.id).collect())
}
