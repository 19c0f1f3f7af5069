//! Live streams from ingest to playlists.

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

/// The live slice's handle.
#[derive(Clone)]
pub struct Live;

impl Live {
    /// Makes the handle.
    pub fn new(
        _config: &std::sync::Arc<crate::config::Config>,
        _store: &crate::store::Store,
        _events: &crate::event::Events,
        _items: &crate::item::Items,
        _media: &std::sync::Arc<dyn object_store::ObjectStore>,
    ) -> Self {
        Self
    }
}

/// Starts what runs beside requests.
pub async fn start(_app: App) -> Result<(), std::io::Error> {
    Ok(())
}
