//! `/api/v1/recordings`.

use serde_json::{Value, json};
use warp::Filter;

use super::Recording;
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::id::RecordingId;
use crate::store::Versioned;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "recordings")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one =
        warp::path!("api" / "v1" / "recordings" / RecordingId).then(move |id| answer(one(app.clone(), id)));
    all.or(one).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    let (after, limit) = http::page_request(&call)?;
    let page = app.live.recordings().list(Some(call.caller()?.account), after, limit).await?;
    http::list(&page.map(|recording| shown(&recording)))
}

async fn one(app: App, id: RecordingId) -> Result<Response, ApiError> {
    let found = app.live.recordings().get(&id).await?;
    http::json(&shown(&found.ok_or_else(|| ApiError::not_found(format!("there is no recording {id}")))?))
}

fn shown(recording: &Versioned<Recording>) -> Value {
    let document = &recording.document;
    json!({
        "id": document.id,
        "number": document.number,
        "event_id": document.event_id,
        "started_at": document.started_at,
        "ended_at": document.ended_at,
        "duration_ms": document.duration_ms,
        "version": recording.version,
    })
}
