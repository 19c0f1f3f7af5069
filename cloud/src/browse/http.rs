//! `GET /api/v1`: what there is.

use super::document::Document;
use super::start::{self, Resource};
use crate::app::App;
use crate::http::listing::{IN_MEMORY, Listing, Way};
use crate::http::{self, ApiError, Call, Listed, Response, Routes, answer};
use utoipa::OpenApi;
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub(crate) struct Operations;

/// What the list is sorted by.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1",
    filters: &[],
    ways: &[Way::rising(&[], "path", IN_MEMORY), Way::rising(&[], "group", IN_MEMORY)],
};

type ResourceList = Listed<Resource>;

/// The slice's path.
pub(crate) fn routes(_app: App) -> Routes {
    warp::path!("api" / "v1").and(http::call()).then(|call| answer(list(call))).boxed()
}

/// List what there is
///
/// All addresses of the API that name no single thing, by path. A browser gets
/// the start page of the API's pages here.
#[utoipa::path(
    get,
    path = "/api/v1",
    tag = "document",
    operation_id = "listResources",
    responses((status = 200, description = "The addresses.", body = ResourceList))
)]
async fn list(call: Call) -> Result<Response, ApiError> {
    LISTING.wanted(&call)?.reply_of(start::index(Document(crate::openapi::document())), "path")
}
