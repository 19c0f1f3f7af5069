//! `GET /api/v1/alarms`.

use ::http::Method;
use serde_json::json;
use warp::Filter;

use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "alarms")
        .and(http::call())
        .then(move |call| answer(all(app.clone(), call)))
        .boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => http::json(&json!({ "data": app.alarms.list() })),
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD"])),
    }
}
