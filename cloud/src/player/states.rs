//! Events as their viewers see them, made once for all who ask within a moment.
#![allow(clippy::disallowed_methods, reason = "a driver: what was made is told for a moment")]

use super::state::PublicState;
use crate::app::App;
use crate::event::EventView;
use crate::http::ApiError;
use crate::id::EventId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a state is told as it was made: what its account's settings say may have changed since, and its clock goes on.
const FRESH: Duration = Duration::from_secs(1);

/// What is known of the events that are looked at; cloned freely.
#[derive(Clone, Default)]
pub(super) struct States(Arc<Mutex<HashMap<EventId, Known>>>);

struct Known {
    /// Of which versions.
    of: (u64, u64),
    made_at: Instant,
    json: Arc<str>,
}

impl States {
    /// The state as JSON.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn json(&self, app: &App, event: &EventView) -> Result<Arc<str>, ApiError> {
        let of = (event.version, event.activity_version);
        // Held while it is made, so that a thousand viewers of a change wait for one reading of the store.
        let mut known = self.0.lock().await;
        let is_fresh = |one: &Known| one.made_at.elapsed() < FRESH;
        if let Some(one) = known.get(&event.id).filter(|one| one.of == of && is_fresh(one)) {
            return Ok(Arc::clone(&one.json));
        }
        let state = PublicState::of(app, event, Vec::new()).await?;
        let json: Arc<str> =
            serde_json::to_string(&state).map_err(|error| ApiError::internal(&error))?.into();
        known.retain(|_, one| is_fresh(one));
        known.insert(event.id, Known { of, made_at: Instant::now(), json: Arc::clone(&json) });
        Ok(json)
    }
}
