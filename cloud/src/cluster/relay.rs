//! Asks the process that takes an event in, once for all viewers who wait for the same.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for what it remembers")]

use super::internal::PUBLIC_FROM;
use super::owner::IngestOwner;
use super::peers::Peers;
use crate::app::App;
use crate::http::Text;
use crate::id::EventId;
use crate::store::StoreError;
use bytes::Bytes;
use http::{Method, StatusCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Longer than the owner lets a request wait.
const LIMIT: Duration = Duration::from_secs(9);
/// How long what the store or the owner said of an event holds.
const FRESH: Duration = Duration::from_secs(1);
/// How long an answer is given to those who come a moment later.
const LINGER: Duration = Duration::from_millis(250);
/// Different requests that may be under way.
const MAX_FLIGHTS: usize = 20_000;
/// Events that are remembered.
const MAX_EVENTS: usize = 10_000;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// A playlist is compressed once for all who share the answer.
    pub(crate) body: Text,
    public_from: Option<u64>,
}

impl Answer {
    /// Something that was found elsewhere.
    pub(crate) fn found(body: Bytes) -> Self {
        Self { status: StatusCode::OK, body: Text::new(body), public_from: None }
    }

    /// The owner, or this process, cannot answer now.
    fn unavailable(words: &'static str) -> Self {
        let body = Text::new(serde_json::json!({ "detail": words }).to_string());
        Self { status: StatusCode::SERVICE_UNAVAILABLE, body, public_from: None }
    }

    /// The problem's words.
    pub(crate) fn words(&self) -> String {
        let problem = serde_json::from_slice::<serde_json::Value>(&self.body.plain()).unwrap_or_default();
        problem["detail"].as_str().unwrap_or("the server that takes this event in gave no answer").to_owned()
    }
}

#[derive(Clone)]
struct Known<T> {
    at: Instant,
    what: T,
}

/// The delivering process's way to the owners; cloned freely.
#[derive(Clone)]
pub(crate) struct Relay(Arc<Inner>);

struct Inner {
    peers: Peers,
    flights: Mutex<HashMap<String, watch::Receiver<Option<Answer>>>>,
    owners: Mutex<HashMap<EventId, Known<Option<IngestOwner>>>>,
    public_from: Mutex<HashMap<EventId, Known<Option<u64>>>>,
}

impl Relay {
    pub(super) fn new(peers: Peers) -> Self {
        Self(Arc::new(Inner {
            peers,
            flights: Mutex::default(),
            owners: Mutex::default(),
            public_from: Mutex::default(),
        }))
    }

    /// Where the event is taken in now; `None` if nowhere.
    pub(crate) async fn owner(&self, app: &App, event: &EventId) -> Result<Option<String>, StoreError> {
        let known = lock(&self.0.owners).get(event).filter(|known| known.at.elapsed() < FRESH).cloned();
        let owner = match known {
            Some(known) => known.what,
            None => {
                let owner = app.cluster.owners().of(event).await?;
                remember(&self.0.owners, event, owner.clone());
                owner
            }
        };
        let live = owner.filter(|owner| !owner.finished && owner.is_live(app.clock.now()));
        Ok(live.and_then(|owner| owner.address))
    }

    /// The first segment that viewers may see; `None` while they may see none.
    pub(crate) async fn public_from(&self, owner: &str, event: &EventId) -> Result<Option<u64>, Answer> {
        let known = lock(&self.0.public_from).get(event).filter(|known| known.at.elapsed() < FRESH).cloned();
        if let Some(known) = known {
            return Ok(known.what);
        }
        let answer = self.ask(owner, event, format!("/state/{event}")).await;
        if answer.status.is_success() { Ok(answer.public_from) } else { Err(answer) }
    }

    /// Asks an owner, together with all who ask the same now.
    pub(crate) async fn ask(&self, owner: &str, event: &EventId, path: String) -> Answer {
        let (relay, event, url) = (self.clone(), *event, format!("http://{owner}{path}"));
        self.once(path, async move { relay.fetch(&event, &url).await }).await
    }

    /// Asks an owner for something that only this request needs.
    pub(crate) async fn fetch(&self, event: &EventId, url: &str) -> Answer {
        let request = self.0.peers.request(Method::GET, url).timeout(LIMIT);
        let fetched = async {
            let response = request.send().await?;
            let status = response.status();
            let from =
                response.headers().get(PUBLIC_FROM).and_then(|value| value.to_str().ok()?.parse().ok());
            let body = Text::new(response.bytes().await?);
            Ok::<_, reqwest::Error>(Answer { status, public_from: from, body })
        };
        match fetched.await {
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                tracing::error!(url, "another process has another `cluster.secret`");
                Answer::unavailable("the servers of this installation do not know each other")
            }
            Ok(answer) => {
                remember(&self.0.public_from, event, answer.public_from);
                answer
            }
            Err(error) => {
                tracing::warn!(url, %error, "the process that takes an event in does not answer");
                lock(&self.0.owners).remove(event);
                Answer::unavailable("the server that takes this event in does not answer: try again")
            }
        }
    }

    /// Does something once for all who want the same now, or a moment later.
    pub(crate) async fn once(
        &self,
        key: String,
        work: impl Future<Output = Answer> + Send + 'static,
    ) -> Answer {
        let mut told = {
            let mut flights = lock(&self.0.flights);
            match flights.get(&key) {
                Some(flight) => flight.clone(),
                None if flights.len() >= MAX_FLIGHTS => {
                    return Answer::unavailable("too much is asked for at once: try again");
                }
                None => {
                    let (tell, told) = watch::channel(None);
                    flights.insert(key.clone(), told.clone());
                    // A task of its own: whoever asked first may go away while others wait.
                    tokio::spawn(fly(Landing { relay: self.clone(), key }, work, tell));
                    told
                }
            }
        };
        let answer = told.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answer.unwrap_or_else(|| Answer::unavailable("the request broke off: try again"))
    }
}

/// Takes a request off the list of those under way, however it ends.
struct Landing {
    relay: Relay,
    key: String,
}

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.relay.0.flights).remove(&self.key);
    }
}

async fn fly(
    landing: Landing,
    work: impl Future<Output = Answer> + Send,
    tell: watch::Sender<Option<Answer>>,
) {
    let answer = work.await;
    let good = answer.status.is_success();
    tell.send_replace(Some(answer));
    if good {
        tokio::time::sleep(LINGER).await;
    }
    drop(landing);
}

fn remember<T>(known: &Mutex<HashMap<EventId, Known<T>>>, event: &EventId, what: T) {
    let mut known = lock(known);
    if known.len() >= MAX_EVENTS {
        known.retain(|_, known| known.at.elapsed() < FRESH);
    }
    known.insert(*event, Known { at: Instant::now(), what });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_thousand_who_wait_for_the_same_ask_once() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let relay = Relay::new(Peers::new("0123456789abcdef").unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(tokio::sync::Notify::new());
        let waiting = (0..1_000).map(|viewer| {
            let (relay, asked, gate) = (relay.clone(), Arc::clone(&asked), Arc::clone(&gate));
            tokio::spawn(async move {
                let work = async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    gate.notified().await;
                    Answer::found(Bytes::from_static(b"part"))
                };
                let answer = relay.once("the same".to_owned(), work);
                if viewer == 0 {
                    // The first one gives up, and nobody else notices.
                    let _ = tokio::time::timeout(Duration::from_millis(1), answer).await;
                    return Bytes::from_static(b"part");
                }
                answer.await.body.plain()
            })
        });
        let waiting: Vec<_> = waiting.collect();
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
        for viewer in waiting {
            assert_eq!(&viewer.await.unwrap()[..], b"part");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
