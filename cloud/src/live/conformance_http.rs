//! `GET /api/v1/events/<event>/conformance`

use utoipa::OpenApi;
use warp::Filter;

use super::asked::{Known, of_owner};
use super::inspection::Inspection;
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::id::EventId;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read))]
pub(crate) struct Operations;

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "events" / EventId / "conformance")
        .and(http::call())
        .then(move |id, call| answer(read(app.clone(), id, call)))
        .boxed()
}

/// Read which rules an event's playlists break
///
/// While an event is started, all that it serves is looked at every two seconds by the rules of RFC 8216bis and of
/// Apple's authoring specification for devices; each rule comes with its section. What was broken since the start stays
/// in the list.
#[utoipa::path(
    get,
    path = "/api/v1/events/{event}/conformance",
    tag = "events",
    operation_id = "readEventConformance",
    responses((status = 200, description = "What was looked at, and what was found.", body = Inspection))
)]
async fn read(app: App, id: EventId, call: Call) -> Result<Response, ApiError> {
    if !call.is_safe() {
        return Err(ApiError::method_not_allowed(&["GET", "HEAD"]));
    }
    if let Some(told) = of_owner(&app, &id, Known::Conformance).await? {
        return Ok(http::json_bytes(told));
    }
    let inspected = app.live.stream(&id).map(|stream| stream.inspected.clone()).unwrap_or_default();
    http::json(&inspected.get())
}
