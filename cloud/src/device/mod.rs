//! Boxes: their identity, their state and commands to them.

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

/// The device slice's handle.
#[derive(Clone)]
pub struct Devices {
    changes: tokio::sync::broadcast::Sender<serde_json::Value>,
}

impl Devices {
    /// Makes the handle.
    pub fn new(
        _config: &std::sync::Arc<crate::config::Config>,
        _store: &crate::store::Store,
        _events: &crate::event::Events,
    ) -> Self {
        Self { changes: tokio::sync::broadcast::channel(256).0 }
    }

    /// Telemetry and state of boxes as they come, for the administrator's pages.
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<serde_json::Value> {
        self.changes.subscribe()
    }
}

/// Starts what runs beside requests.
pub async fn start(_app: App) -> Result<(), std::io::Error> {
    Ok(())
}
