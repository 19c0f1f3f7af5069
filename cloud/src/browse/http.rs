//! `GET /api/v1`: what there is.

use super::document::Document;
use super::start::{self, Resource};
use crate::app::App;
use crate::http::{self, ApiError, Listed, Response, Routes, answer};
use crate::store::Page;
use utoipa::OpenApi;
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub(crate) struct Operations;

type ResourceList = Listed<Resource>;

/// The slice's path.
pub(crate) fn routes(_app: App) -> Routes {
    warp::path!("api" / "v1").and(http::call()).then(|_call| answer(async { list() })).boxed()
}

/// List what there is
///
/// All addresses of the API that name no single thing, by path. The list is whole: it has no further part. A browser gets
/// the start page of the API's pages here.
#[utoipa::path(
    get,
    path = "/api/v1",
    tag = "document",
    operation_id = "listResources",
    responses((status = 200, description = "The addresses.", body = ResourceList))
)]
fn list() -> Result<Response, ApiError> {
    http::list(&Page { items: start::index(Document(crate::openapi::document())), next: None })
}
