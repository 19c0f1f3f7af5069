//! `GET /api/v1/openapi.json`, and `/api/docs`: Swagger UI, out of the binary.

use super::bytes;
use crate::http::{self as web, ApiError, Call, Response, Routes, answer};
use ::bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;
use warp::Filter;

/// The document's own media type; whoever asks for it gets it.
const OWN_TYPE: &str = "application/vnd.oai.openapi+json";
/// Changes with the document only.
static ETAG: LazyLock<String> =
    LazyLock::new(|| format!("\"{}\"", hex::encode(&Sha256::digest(bytes())[..12])));

/// The page, in the place of Swagger UI's own: without its bar, and with a script that logs in as the browser is.
const PAGE: &str = include_str!("docs/index.html");
const SCRIPT: &str = include_str!("docs/docs.js");
/// The files of Swagger UI that the page needs.
const FILES: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read))]
pub(super) struct Operations;

/// The slice's paths.
pub(crate) fn routes() -> Routes {
    warp::path!("api" / "v1" / "openapi.json").and(web::call()).then(|call| answer(read(call))).boxed()
}

/// The pages that show the document.
pub(crate) fn docs_routes() -> Routes {
    warp::path("api")
        .and(warp::path("docs"))
        .and(warp::path::tail())
        .and(web::call())
        .then(|tail: warp::path::Tail, call| answer(async move { page(tail.as_str(), &call) }))
        .boxed()
}

/// Read this document
///
/// The whole API as OpenAPI 3.1. It changes with the server's version only.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "document",
    operation_id = "readDocument",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag of the document that the client has.")),
    responses(
        (status = 200, description = "The document.", headers(("ETag")), content(
            (Object = "application/json"),
            (Object = "application/vnd.oai.openapi+json"),
        )),
        (status = 304, description = "The client's document is the present one.", headers(("ETag"))),
    )
)]
async fn read(call: Call) -> Result<Response, ApiError> {
    let known = call.header(header::IF_NONE_MATCH).unwrap_or_default();
    let same = known.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == *ETAG);
    let mut response = if same { Response::default() } else { Response::new(bytes().into()) };
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let own = call.header(header::ACCEPT).is_some_and(|accept| accept.contains(OWN_TYPE));
        let kind = if own { "application/vnd.oai.openapi+json;version=3.1" } else { "application/json" };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    // Asked for anew each time, which costs a few bytes; an update of the server is seen at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    Ok(web::with_header(response, header::ETAG, &ETAG))
}

fn page(name: &str, call: &Call) -> Result<Response, ApiError> {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed(&["GET", "HEAD"]));
    }
    // The page's files are beside it.
    if name.is_empty() && !call.path.ends_with('/') {
        let mut response = web::with_header(Response::default(), header::LOCATION, "/api/docs/");
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        return Ok(response);
    }
    let missing = || ApiError::not_found("there is no such page of the API's document");
    let (bytes, kind): (Cow<'static, [u8]>, String) = match name {
        "" => (PAGE.as_bytes().into(), "text/html; charset=utf-8".to_owned()),
        "docs.js" => (SCRIPT.as_bytes().into(), "text/javascript; charset=utf-8".to_owned()),
        name if FILES.contains(&name) => {
            let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default())).ok().flatten();
            let file = file.ok_or_else(missing)?;
            (file.bytes, file.content_type)
        }
        _ => return Err(missing()),
    };
    let bytes = match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let mut response = Response::new(bytes.into());
    let kept = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    Ok(web::with_header(response, header::CONTENT_TYPE, &kind))
}
