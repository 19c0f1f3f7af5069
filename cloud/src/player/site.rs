//! Everything outside of the API and playback: the web front's files, and the administrator's pages.

use super::{assets, page};
use crate::http::{ApiError, Call, Response, Routes, call};
use http::Method;
use warp::Filter;

/// The slice's paths.
pub(super) fn routes() -> Routes {
    warp::any().and(call()).map(|call: Call| respond(&call)).boxed()
}

fn respond(call: &Call) -> Response {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return ApiError::method_not_allowed(&["GET", "HEAD"]).into_response();
    }
    let path = call.path.trim_start_matches('/');
    // Pages have no dot in their address; files do.
    if !path.contains('.') {
        return page::admin();
    }
    let public = path.starts_with("assets/") || path == "favicon.svg";
    let file = if public { assets::asset(path, &call.headers) } else { None };
    file.unwrap_or_else(|| ApiError::not_found("there is no such file").into_response())
}
