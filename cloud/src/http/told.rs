//! Server-sent events of a driver: it runs as its reader takes what it tells, in no task and with no queue of its own.

use super::Response;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, header};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use warp::Reply as _;
use warp::sse::Event;

/// What was told and has not been taken yet.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Bytes>>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the reader of a stream.
pub(crate) struct Teller(Slot);

impl Teller {
    /// Tells an event, once the one before it is taken.
    pub(crate) async fn tell(&self, event: Event) {
        let mut bytes = Some(Bytes::from(event.to_string()));
        std::future::poll_fn(|_| {
            let mut slot = self.0.lock();
            if slot.is_some() {
                // Whoever takes it goes on with the driver at once: there is nobody to wake.
                return Poll::Pending;
            }
            *slot = bytes.take();
            Poll::Ready(())
        })
        .await;
    }
}

/// What the driver tells, until it ends.
struct Told {
    slot: Slot,
    /// None when it has ended. Behind a lock only so that the body can be shared between threads.
    driver: Option<Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl Stream for Told {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let told = self.slot.lock().take();
        if told.is_some() {
            return Poll::Ready(told.map(Ok));
        }
        let Some(driver) = &mut self.driver else { return Poll::Ready(None) };
        let driver = driver.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ended = driver.as_mut().poll(context).is_ready();
        if ended {
            self.driver = None;
        }
        let told = self.slot.lock().take();
        if told.is_none() && !ended { Poll::Pending } else { Poll::Ready(told.map(Ok)) }
    }
}

/// The stream of a driver, which ends with it; it is dropped when its reader goes.
pub(crate) fn events<D: Future<Output = ()> + Send + 'static>(drive: impl FnOnce(Teller) -> D) -> Response {
    let slot = Slot::default();
    let driver = Box::pin(drive(Teller(slot.clone())));
    let told = Told { slot, driver: Some(Mutex::new(driver)) };
    let mut response = warp::reply::stream(told).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // A proxy that collects the answer first would hold everything back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn named(name: &str) -> Event {
        Event::default().event(name).data("{}")
    }

    #[tokio::test]
    async fn all_that_is_told_arrives_in_order() {
        let response = events(|teller| async move {
            for _ in 0..3 {
                teller.tell(named("a")).await;
                teller.tell(named("b")).await;
                tokio::task::yield_now().await;
            }
            teller.tell(named("end")).await;
        });
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event:")).collect();
        assert_eq!(names, ["a", "b", "a", "b", "a", "b", "end"]);
    }

    #[tokio::test]
    async fn a_driver_goes_with_its_reader() {
        let held = Arc::new(());
        let holder = Arc::clone(&held);
        let response = events(|teller| async move {
            let _holder = holder;
            loop {
                teller.tell(named("a")).await;
            }
        });
        let mut body = response.into_body();
        assert!(body.frame().await.is_some() && body.frame().await.is_some());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
