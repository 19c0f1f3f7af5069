//! `GET /api/v1/alarms`.

use serde_json::json;
use warp::Filter;

use crate::app::App;
use crate::http::{self, ApiError, Response, Routes, answer};

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "alarms").then(move || answer(all(app.clone()))).boxed()
}

async fn all(app: App) -> Result<Response, ApiError> {
    http::json(&json!({ "data": app.alarms.list() }))
}
