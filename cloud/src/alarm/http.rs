//! `GET /api/v1/alarms`.

use utoipa::OpenApi;
use warp::Filter;

use super::Alarm;
use crate::app::App;
use crate::http::{self, ApiError, Listed, Response, Routes, answer};
use crate::store::Page;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub struct Operations;

type AlarmList = Listed<Alarm>;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "alarms").then(move || answer(list(app.clone()))).boxed()
}

/// List alarms
///
/// What is wrong with the process that answers just now, by name; an empty list is good news. The list is whole:
/// it has no further part.
#[utoipa::path(
    get,
    path = "/api/v1/alarms",
    tag = "servers",
    operation_id = "listAlarms",
    responses((status = 200, description = "The alarms.", body = AlarmList))
)]
async fn list(app: App) -> Result<Response, ApiError> {
    http::list(&Page { items: app.alarms.list(), next: None })
}
