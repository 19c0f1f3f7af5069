//! Playback of items.

use crate::app::App;
use crate::http::{ApiError, Routes, answer, call};
use warp::Filter;

/// The slice's paths.
pub fn routes(_app: App) -> Routes {
    warp::any()
        .and(call())
        .then(|_call| answer(async { Err(ApiError::not_found("there is nothing at this address")) }))
        .boxed()
}
