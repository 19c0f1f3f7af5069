//! `/api/v1/include-files`: the account's include files.
//!
//! `PUT /include-files/<name>` takes the bytes as they are, with their type in `Content-Type`. The ETag is the SHA-256:
//! `If-Match` replaces that version only, `If-None-Match: *` makes a new file only.

use super::files::{self, Expected, MAX_BYTES, named};
use super::{IncludeFile, kind};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::listing::{IN_MEMORY, Listing, Way};
use crate::http::{self, ApiError, Call, Listed, Response, Routes, answer};
use ::http::{Method, header};
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, read, put, remove))]
pub(crate) struct Operations;

/// What the list is sorted by.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/include-files",
    filters: &[],
    ways: &[Way::rising(&[], "name", IN_MEMORY), Way::newest(&[], "updated_at", IN_MEMORY)],
};

type FileList = Listed<FileView>;

/// A small file that pages can use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncludeFile)]
struct FileView {
    /// Its name.
    name: String,
    /// Where anybody reads it.
    url: String,
    /// Where this very version is read, which never changes.
    versioned_url: String,
    /// Its media type.
    content_type: String,
    /// Its size.
    bytes: u64,
    /// The SHA-256 of its content in hexadecimal digits; also the ETag.
    sha256: String,
    /// When it was first put.
    created_at: Timestamp,
    /// When it was last put.
    updated_at: Timestamp,
}

impl FileView {
    fn of(app: &App, file: &IncludeFile) -> Self {
        let base = app.addresses.http_url(&app.config);
        let url = format!("{base}/include/{}/{}", file.public_id, file.name);
        Self {
            name: file.name.clone(),
            versioned_url: format!("{url}?v={}", file.sha256),
            url,
            content_type: file.content_type.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            created_at: file.created_at,
            updated_at: file.updated_at,
        }
    }
}

/// What is to be there for a change to be made; give one of the two: see [`expected`].
struct FileMatch;

impl utoipa::IntoParams for FileMatch {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = |name, words, pattern: &str| {
            let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build();
            http::parameter(ParameterIn::Header, name, words, schema)
        };
        let this = "The ETag of the version that is to be replaced or deleted, or `*` for any; if it is another one, \
                    the answer is 412 and nothing changes.";
        let none = "`*`: only if there is no such file yet; else the answer is 412.";
        vec![header("If-Match", this, r#"^(\*|"[0-9a-f]{64}")$"#), header("If-None-Match", none, r"^\*$")]
    }
}

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "include-files")
        .and(http::call())
        .then(move |call| answer(list(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "include-files" / String)
        .and(http::call())
        .then(move |name, call| answer(one(app.clone(), name, call)));
    all.or(one).unify().boxed()
}

/// List include files
///
/// All of the account's, by name.
#[utoipa::path(
    get,
    path = "/api/v1/include-files",
    tag = "files",
    operation_id = "listIncludeFiles",
    responses((status = 200, description = "The files.", body = FileList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let files = files::all(&app.store, call.caller()?.account).await?;
    let files = files.iter().map(|file| FileView::of(&app, file));
    LISTING.wanted(&call)?.reply_of(files, "name")
}

async fn one(app: App, name: String, call: Call) -> Result<Response, ApiError> {
    named(&name)?;
    match call.method {
        Method::PUT => put(app, name, call).await,
        Method::DELETE => remove(app, name, call).await,
        _ => read(app, name, call).await,
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("there is no include file {name}"))
}

/// Read about an include file
///
/// Where it is found, its type and its size; its content is read at its `url`.
#[utoipa::path(
    get,
    path = "/api/v1/include-files/{name}",
    tag = "files",
    operation_id = "readIncludeFile",
    responses(
        (status = 200, description = "The file.", body = FileView, headers(("ETag"))),
        (status = 422, description = "No file can have this name."),
    )
)]
async fn read(app: App, name: String, call: Call) -> Result<Response, ApiError> {
    let found = files::find(&app.store, call.caller()?.account, &name).await?;
    let file = found.ok_or_else(|| missing(&name))?.document;
    Ok(tagged(http::json(&FileView::of(&app, &file))?, &file))
}

/// Put an include file
///
/// The body is the file as it is, at most 1 MiB, with its type in `Content-Type`: `text/css`, `text/javascript`,
/// `text/html`, `text/plain`, `text/vtt`, `application/json`, `image/svg+xml`, `image/png`, `image/jpeg`, `image/webp`,
/// `image/gif` or `font/woff2`. Anybody can read it, and no script in it runs when it is opened. An account may have 200
/// files with 50 MiB.
#[utoipa::path(
    put,
    path = "/api/v1/include-files/{name}",
    tag = "files",
    operation_id = "putIncludeFile",
    params(FileMatch),
    request_body(content = Vec<u8>, content_type = "*/*"),
    responses(
        (status = 200, description = "The file in the place of the one that was there.", body = FileView, headers(("ETag"))),
        (status = 201, description = "The new file.", body = FileView, headers(("Location"), ("ETag"))),
        (status = 415, description = "Files of this type are not taken."),
    )
)]
async fn put(app: App, name: String, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = expected(&call)?;
    let given = call.header(header::CONTENT_TYPE).unwrap_or_default();
    let content_type = kind::served_as(given)
        .map_err(|known| ApiError::unsupported_media_type(&format!("one of {known}")))?;
    let data = call.body().await?;
    if data.len() as u64 > MAX_BYTES {
        return Err(ApiError::too_large(MAX_BYTES));
    }
    let (file, is_new) = files::put(&app, &caller, &name, content_type, data, &expected).await?;
    let body = FileView::of(&app, &file);
    let response = match is_new {
        true => http::created(&format!("/api/v1/include-files/{name}"), &body)?,
        false => http::json(&body)?,
    };
    Ok(tagged(response, &file))
}

/// Delete an include file
///
/// Pages that use it no longer get it.
#[utoipa::path(
    delete,
    path = "/api/v1/include-files/{name}",
    tag = "files",
    operation_id = "deleteIncludeFile",
    params(FileMatch),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 422, description = "No file can have this name."),
    )
)]
async fn remove(app: App, name: String, call: Call) -> Result<Response, ApiError> {
    let expected = expected(&call)?;
    match files::delete(&app, &call.caller()?, &name, &expected).await? {
        true => Ok(http::empty()),
        false => Err(missing(&name)),
    }
}

/// What the client wants to change (RFC 9110, 13.1).
fn expected(call: &Call) -> Result<Expected, ApiError> {
    let one = |name| call.header(name).map(str::trim);
    match (one(header::IF_MATCH), one(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Expected::Anything),
        (None, Some("*")) => Ok(Expected::Nothing),
        (Some("*"), None) => Ok(Expected::Something),
        (Some(tag), None) => {
            let hash = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let hash =
                hash.filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let words = "If-Match must be one ETag as this server gave it";
            hash.map(|hash| Expected::This(hash.to_owned())).ok_or_else(|| ApiError::bad_request(words))
        }
        _ => Err(ApiError::bad_request("give If-Match, or `If-None-Match: *`, and not both")),
    }
}

fn tagged(response: Response, file: &IncludeFile) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{}\"", file.sha256))
}
