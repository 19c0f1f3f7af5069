//! `/api/v1/items`; `DELETE` of one answers 202 with the job that removes its media.

use super::change::{self, Change};
use super::file::{Files, Reader};
use super::listing::LISTING;
use super::{Item, ItemView};
use crate::app::App;
use crate::http::{self, ApiError, Call, Download, IfMatch, Line, Listed, Response, Routes, answer, line};
use crate::id::ItemId;
use crate::job::{self, JobView};
use crate::live::Rendition;
use crate::store::IndexKey;
use crate::tenant;
use ::http::{Method, header};
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// No recording is longer, in milliseconds: a week.
const LONGEST_MS: u64 = 604_800_000;
/// Longest title in characters.
const TITLE: usize = 200;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, read, change, remove, download))]
pub struct Operations;

type ItemList = Listed<ItemView>;
type Title = Line<TITLE>;

/// What is to be changed of an item.
#[derive(ToSchema)]
#[schema(as = ItemChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ChangeBody {
    /// The title that viewers see.
    #[schema(nullable = false)]
    title: Option<Title>,
    /// What is left out of the recording at its beginning, in milliseconds; `null`: nothing. Whole segments stay: the
    /// one in which it lies is the first.
    #[schema(maximum = 604_800_000)]
    trim_from_ms: Option<u64>,
    /// Where in the recording it ends, in milliseconds; `null`: with it. The segment in which it lies is the last.
    #[schema(maximum = 604_800_000)]
    trim_to_ms: Option<u64>,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "items")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one_app = app.clone();
    let one = warp::path!("api" / "v1" / "items" / ItemId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let files = Files::default();
    let file = warp::path!("api" / "v1" / "items" / ItemId / "download")
        .and(http::call())
        .then(move |_id, call| answer(download(app.clone(), files.clone(), call)));
    all.or(one).unify().or(file).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => list(app, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD"])),
    }
}

async fn one(app: App, id: ItemId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => read(app, id).await,
        Method::PATCH => change(app, id, call).await,
        Method::DELETE => remove(app, id, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH", "DELETE"])),
    }
}

/// List items
///
/// The account's items, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/items",
    tag = "items",
    operation_id = "listItems",
    responses((status = 200, description = "A part of the list.", body = ItemList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
    let within = IndexKey::of(call.caller()?.account);
    let mut page = app.items.page(wanted.scan(within)).await?;
    for item in &mut page.items {
        item.deletes_at = tenant::item_goes_at(&app, &item.item).await?;
    }
    wanted.reply(page)
}

/// Read an item
///
/// What was made of a recording, to be watched on demand.
#[utoipa::path(
    get,
    path = "/api/v1/items/{item}",
    tag = "items",
    operation_id = "readItem",
    responses((status = 200, description = "The item.", body = ItemView, headers(("ETag"))))
)]
async fn read(app: App, id: ItemId) -> Result<Response, ApiError> {
    shown(&app, app.items.get(&id).await?.ok_or_else(|| missing(id))?).await
}

/// Which pictures a download has.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a schema: the query is read by hand")]
struct DownloadQuery {
    /// One of the item's renditions, such as `source` or `360p`; the best one if absent.
    #[param(required = false, pattern = "^(source|audio|[1-9][0-9]{0,4}p)$", example = "source")]
    rendition: String,
}

/// Download an item
///
/// The whole item as one ordinary MP4 that editors open, put together as it is sent: nothing is encoded again. Byte
/// ranges work, so that a download that broke off can go on. The first bytes come within a second or two also of a day:
/// what is in each segment was noted when it was made. After a crash some minutes' segments are looked through first.
#[utoipa::path(
    get,
    path = "/api/v1/items/{item}/download",
    tag = "items",
    operation_id = "downloadItem",
    params(DownloadQuery, ("Range" = Option<String>, Header, description = "One range of bytes (RFC 9110, 14.2).")),
    responses(
        (status = 200, description = "The whole file.", body = Vec<u8>, content_type = "video/mp4", headers(("ETag"))),
        (status = 206, description = "The range.", body = Vec<u8>, content_type = "video/mp4", headers(("Content-Range"), ("ETag"))),
        (status = 416, description = "The file is shorter.", headers(("Content-Range"))),
        (status = 422, description = "The item has no such rendition."),
    )
)]
async fn download(app: App, files: Files, mut call: Call) -> Result<Response, ApiError> {
    if !call.is_safe() {
        return Err(ApiError::method_not_allowed(&["GET", "HEAD"]));
    }
    let item = call.named::<Item>()?.document;
    let mut rendition = None;
    for (name, value) in call.query() {
        match name.as_str() {
            "rendition" => {
                let known = value.parse::<Rendition>();
                rendition = Some(known.map_err(|error| ApiError::field("rendition", error.to_string()))?);
            }
            _ => return Err(ApiError::field(&name, "is not known here: there is `rendition`")),
        }
    }
    let file = files.get(&app, &item, rendition).await?;
    let name = format!("{}.mp4", item.title);
    let (length, etag) = (file.bytes(), Some(file.etag()));
    let answer = Download { length, kind: "video/mp4", name: Some(&name), etag };
    let reader = Arc::new(Reader::of(Arc::clone(&file)));
    Ok(answer.answer(&call, move |range| {
        let (app, files) = (app.clone(), files.clone());
        let (file, reader) = (Arc::clone(&file), Arc::clone(&reader));
        async move {
            let read = reader.read(&app, range).await;
            if matches!(read, Ok(None)) {
                files.forget(&file);
            }
            read
        }
    }))
}

/// Change an item
///
/// Its title, and what of its recording it shows: nothing of the recording is lost, so that a trimmed item can be made
/// whole again.
#[utoipa::path(
    patch,
    path = "/api/v1/items/{item}",
    tag = "items",
    operation_id = "changeItem",
    params(IfMatch),
    request_body(content = ChangeBody, example = json!({ "title": "Opening night, first part" })),
    responses((status = 200, description = "The item as it is now.", body = ItemView, headers(("ETag"))))
)]
async fn change(app: App, id: ItemId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let title = fields.present("title", line(TITLE));
    let from_ms = fields.optional("trim_from_ms", trim_ms);
    let to_ms = fields.optional("trim_to_ms", trim_ms);
    fields.finish()?;
    let change = Change { title, from_ms, to_ms };
    let changed = change::change(&app, &id, &change, expected, caller.user).await?;
    shown(&app, changed.ok_or_else(|| missing(id))?).await
}

/// Delete an item
///
/// The item is gone at once; a job removes its media, as far as nothing else needs them.
#[utoipa::path(
    delete,
    path = "/api/v1/items/{item}",
    tag = "items",
    operation_id = "deleteItem",
    params(IfMatch),
    responses((status = 202, description = "The job that removes its media.", body = JobView, headers(("Location"))))
)]
async fn remove(app: App, id: ItemId, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let job = super::removal::remove(&app, &id, call.if_match()?, Some(caller.user)).await?;
    let job = job.ok_or_else(|| missing(id))?;
    http::accepted(&job::path(&job.id), &job)
}

fn trim_ms(ms: u64) -> Result<u64, String> {
    if ms <= LONGEST_MS { Ok(ms) } else { Err(format!("must be at most {LONGEST_MS}")) }
}

fn missing(id: ItemId) -> ApiError {
    ApiError::not_found(format!("there is no item {id}"))
}

async fn shown(app: &App, mut item: ItemView) -> Result<Response, ApiError> {
    item.deletes_at = tenant::item_goes_at(app, &item.item).await?;
    Ok(http::with_header(http::json(&item)?, header::ETAG, &format!("\"{}\"", item.version)))
}
