//! `GET /api/v1/alarms`.

use utoipa::OpenApi;
use warp::Filter;

use super::Alarm;
use super::listing::LISTING;
use crate::app::App;
use crate::http::{self, ApiError, Call, Listed, Response, Routes, answer};

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub struct Operations;

type AlarmList = Listed<Alarm>;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "alarms")
        .and(http::call())
        .then(move |call| answer(list(app.clone(), call)))
        .boxed()
}

/// List alarms
///
/// What is wrong with the process that answers just now, by name; an empty list is good news.
#[utoipa::path(
    get,
    path = "/api/v1/alarms",
    tag = "servers",
    operation_id = "listAlarms",
    responses((status = 200, description = "The alarms.", body = AlarmList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    LISTING.wanted(&call)?.reply_of(app.alarms.list(), "name")
}
