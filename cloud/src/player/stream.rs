//! Server-sent events for open players: the event's state as it changes, and a sign of life.
#![allow(clippy::disallowed_methods, reason = "a driver: it gives signs of life")]

use super::states::States;
use crate::app::App;
use crate::event::EventView;
use crate::http::{Response, Teller, events};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use warp::sse::Event;

/// How often the server says that the stream is alive; pages take more than twice this for a loss.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// After this long an event's settings are read again where they could not be read.
const AGAIN: Duration = Duration::from_secs(1);
/// Most streams at once; a page without one polls.
const MOST_STREAMS: usize = 20_000;

/// How many streams may still be opened, and what they tell.
#[derive(Clone)]
pub(super) struct Streams {
    places: Arc<Semaphore>,
    states: States,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_STREAMS)), states: States::default() }
    }

    /// A place for one more stream, if there is one.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

/// Follows an event until the reader goes or the server ends.
pub(super) fn follow(
    app: App,
    streams: &Streams,
    event: watch::Receiver<EventView>,
    place: OwnedSemaphorePermit,
) -> Response {
    let states = streams.states.clone();
    events(|teller| async move {
        let _held_as_long_as_the_stream = place;
        tokio::select! {
            () = tell(&app, &states, event, &teller) => {}
            () = app.shutdown.cancelled() => {}
        }
    })
}

async fn tell(app: &App, states: &States, mut event: watch::Receiver<EventView>, teller: &Teller) {
    let mut signs = tokio::time::interval(ALIVE_EVERY);
    event.mark_changed();
    loop {
        tokio::select! {
            changed = event.changed() => {
                if changed.is_err() {
                    return;
                }
                let view = event.borrow_and_update().clone();
                match states.json(app, &view).await {
                    Ok(json) => teller.tell(Event::default().event("status").data(&*json)).await,
                    Err(_) => {
                        // The store is away for a moment, and the page shall not miss a change for it.
                        tokio::time::sleep(AGAIN).await;
                        event.mark_changed();
                    }
                }
            }
            _ = signs.tick() => teller.tell(alive()).await,
        }
    }
}

fn alive() -> Event {
    Event::default().event("alive").data("{}")
}
