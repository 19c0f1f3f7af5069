//! `/api/v1/media`: single objects for those who look after the servers, and the check of all.

use std::time::Duration;

use ::http::{StatusCode, header};
use object_store::path::Path;
use utoipa::OpenApi;
use warp::Filter;

use super::check;
use crate::app::App;
use crate::http::{self, ApiError, Call, Download, Response, Routes, answer};

const OBJECTS: &str = "/api/v1/media/objects/";
/// How long an address of the S3 server can be used.
const LIFETIME: Duration = Duration::from_secs(300);

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(object))]
pub struct Operations;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let object_app = app.clone();
    let object = warp::path!("api" / "v1" / "media" / "objects" / ..)
        .and(http::call())
        .then(move |call| answer(object(object_app.clone(), call)));
    object.or(check::routes(app)).unify().boxed()
}

/// Download an object
///
/// An object of the media store as it is, such as a segment, from this server, or by a signed address of the S3 server
/// where `[media] redirect` says so. Its name may have slashes.
#[utoipa::path(
    get,
    path = "/api/v1/media/objects/{path}",
    tag = "servers",
    operation_id = "downloadObject",
    params(("Range" = Option<String>, Header, description = "One range of bytes (RFC 9110, 14.2).")),
    responses(
        (status = 200, description = "The whole object.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The range.", body = Vec<u8>, content_type = "application/octet-stream",
         headers(("Content-Range"))),
        (status = 302, description = "It is at the S3 server, for five minutes.", headers(("Location"))),
        (status = 416, description = "The object is shorter.", headers(("Content-Range"))),
    )
)]
async fn object(app: App, call: Call) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("the media store has no such object");
    let name = call.path.strip_prefix(OBJECTS).filter(|name| !name.is_empty()).ok_or_else(missing)?;
    let path = Path::from_url_path(name).map_err(|_| missing())?;
    let length = app.media.length(&path).await?.ok_or_else(missing)?;
    if app.config.media.redirect
        && let Some(url) = app.media.download_url(&path, LIFETIME).await?
    {
        let mut response = http::with_header(http::empty(), header::LOCATION, url.as_str());
        *response.status_mut() = StatusCode::FOUND;
        return Ok(http::with_header(response, header::CACHE_CONTROL, "no-store"));
    }
    let download = Download { length, kind: "application/octet-stream", name: None, etag: None };
    Ok(download.answer(&call, move |range| {
        let (app, path) = (app.clone(), path.clone());
        async move { app.media.range(&path, range).await }
    }))
}
