//! `GET /api/v1/stream`: what changes in the account, as server-sent events for its pages, as far as one may read it.
//!
//! | event | data |
//! |---|---|
//! | `change` | `{"seq","kind":"event"\|"item"\|"device"\|…,"id","change","version","deleted"}`; its id is the `seq` |
//! | `alarms` | `{"alarms":[{"name","words","since"},…]}`: all that is wrong now, at the start and at each change |
//! | `telemetry` | `{"device_id","telemetry"}` |
//! | `alive` | `{}`, when nothing else was sent for a while |
//! | `reset` | `{}`: more was missed than is kept; read everything anew |

mod stream;

use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use ::http::{Method, header};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::ReceiverStream;
use warp::{Filter, Reply};

/// Streams at a time: pages of one browser share one.
const MAX_STREAMS: usize = 200;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    warp::path!("api" / "v1" / "stream")
        .and(http::call())
        .then(move |call| answer(open(app.clone(), Arc::clone(&places), call)))
        .boxed()
}

async fn open(app: App, places: Arc<Semaphore>, call: Call) -> Result<Response, ApiError> {
    if call.method != Method::GET {
        return Err(ApiError::method_not_allowed(&["GET"]));
    }
    let cursor =
        match call.header("last-event-id") {
            None => None,
            Some(text) => Some(text.parse::<u64>().map_err(|_| {
                ApiError::bad_request("Last-Event-ID must be the id of an event of this stream")
            })?),
        };
    let place: OwnedSemaphorePermit =
        places.try_acquire_owned().map_err(|_| ApiError::unavailable("too many pages follow: close some"))?;
    let events = ReceiverStream::new(stream::follow(app, call.caller()?, cursor, call.headers, place));
    let response = warp::sse::reply(events).into_response();
    Ok(http::with_header(response, header::CACHE_CONTROL, "no-store"))
}
