//! Server-sent events for open players: the event's state as it changes, and a sign of life.

use super::state::PublicState;
use crate::event::EventView;
use crate::http::Response;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_stream::wrappers::{IntervalStream, WatchStream};
use tokio_util::sync::CancellationToken;
use warp::Reply;
use warp::sse::Event;

/// How often the server says that the stream is alive; pages take more than twice this for a loss.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Most streams at once; a page without one polls.
const MOST_STREAMS: usize = 20_000;

/// How many streams may still be opened.
#[derive(Clone)]
pub(super) struct Streams(Arc<Semaphore>);

impl Streams {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST_STREAMS)))
    }

    /// A place for one more stream, if there is one.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

/// Follows an event until the reader goes or the server ends.
pub(super) fn follow(
    event: watch::Receiver<EventView>,
    place: OwnedSemaphorePermit,
    shutdown: CancellationToken,
) -> Response {
    let told = told(event, place).take_until(shutdown.cancelled_owned());
    let mut response = warp::sse::reply(told).into_response();
    let headers = response.headers_mut();
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // A proxy that collects the answer first would hold everything back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn told(
    event: watch::Receiver<EventView>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let states = WatchStream::new(event).map(|view| {
        let state = PublicState::of(&view, Vec::new());
        Event::default().event("status").json_data(state).unwrap_or_else(|_| alive())
    });
    let signs = IntervalStream::new(tokio::time::interval(ALIVE_EVERY)).map(|_| alive());
    stream::select(states, signs).map(move |event| {
        let _held_as_long_as_the_stream = &place;
        Ok(event)
    })
}

fn alive() -> Event {
    Event::default().event("alive").data("{}")
}
