//! `/api/v1/media`: single objects for those who look after the servers, and the check of all.

use std::time::Duration;

use ::http::{Method, StatusCode, header};
use bytes::Bytes;
use object_store::path::Path;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::OpenApi;
use warp::{Filter, Reply};

use super::check;
use super::upload::PIECE_BYTES;
use crate::app::App;
use crate::http::{self, ApiError, Call, Range, Response, Routes, answer};

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
    let range = Range::of(&call.headers, length);
    let (status, bytes) = match range {
        Range::Whole => (StatusCode::OK, 0..length),
        Range::Of(first, last) => (StatusCode::PARTIAL_CONTENT, first..last + 1),
        Range::Outside => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    let of = match range {
        Range::Whole => None,
        Range::Of(first, last) => Some(format!("bytes {first}-{last}/{length}")),
        Range::Outside => Some(format!("bytes */{length}")),
    };
    let length = (bytes.end - bytes.start).to_string();
    let body = if call.method == Method::HEAD { 0..0 } else { bytes };
    let mut response = warp::reply::stream(stream(app, path, body)).into_response();
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_LENGTH, length),
    ] {
        response = http::with_header(response, name, &value);
    }
    Ok(match of {
        Some(of) => http::with_header(response, header::CONTENT_RANGE, &of),
        None => response,
    })
}

fn stream(
    app: App,
    path: Path,
    range: std::ops::Range<u64>,
) -> ReceiverStream<Result<Bytes, super::MediaError>> {
    // A piece is read while the one before it is sent: no more of it is in memory.
    let (pieces, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut from = range.start;
        while from < range.end {
            let to = range.end.min(from + PIECE_BYTES);
            let piece = match app.media.range(&path, from..to).await {
                Ok(Some(piece)) => Ok(piece),
                // The answer is shorter than it said, which the reader notices.
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let broken = piece.is_err();
            if pieces.send(piece).await.is_err() || broken {
                return;
            }
            from = to;
        }
    });
    ReceiverStream::new(received)
}
