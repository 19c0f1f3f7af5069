//! `Idempotency-Key`: a request that is sent again is answered again, and done once.
//!
//! What is kept is a document for each user's key, for a day. It says which process is about the request; the first thing
//! that the request changes takes a mark along in the same batch. So after a crash it is known whether it took effect:
//! if not, the next try does it; if it did, and its answer is lost, the next try is told so. Print and answer are sealed.

mod answer;
mod document;
mod key;
mod sweep;
#[cfg(test)]
mod tests;

pub(crate) use answer::REPLAYED;
pub(crate) use document::KeyedRequest;
pub(crate) use key::{KEY_PATTERN, Key, print};
pub(crate) use sweep::{forget_answers, run as sweep};

use crate::access::Caller;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::http::{ApiError, Response};
use crate::id::random_bytes;
use crate::secret::{SecretError, Vault};
use crate::store::rider::{self, Ride};
use crate::store::{Store, StoreError, Versioned};
use answer::Answer;
use document::{Mark, State};
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a key is known.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// When to ask again for a request that is not answered yet.
const AGAIN_S: u64 = 1;
/// How often it is tried when others are quicker.
const TRIES: usize = 16;

/// Requests with keys; cloned freely.
#[derive(Clone)]
pub(crate) struct Idempotency(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    clock: Clock,
    cluster: Cluster,
    /// Which start of this process it is.
    start: String,
    /// The requests that this process is about.
    flying: Mutex<HashSet<String>>,
    /// How many keys an account has, as far as this process knows.
    counts: Mutex<HashMap<crate::store::Account, usize>>,
    /// How many an account has at most.
    most: usize,
}

/// This process is about a request, until this is dropped.
struct Flight {
    idempotency: Idempotency,
    id: String,
}

impl Flight {
    /// Begins one, unless there is one.
    fn of(idempotency: &Idempotency, id: &str) -> Option<Self> {
        let is_first = idempotency.flying().insert(id.to_owned());
        is_first.then(|| Self { idempotency: idempotency.clone(), id: id.to_owned() })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.idempotency.flying().remove(&self.id);
    }
}

/// What a key says of a request.
enum Claim {
    /// Nobody has done it: it is this process's to do, as long as the flight lasts.
    Do(Versioned<KeyedRequest>, Flight),
    /// It was answered so.
    Replay(Answer),
}

/// Says why nothing is done.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "this Idempotency-Key was used for another request: take a new key for each thing that you want done"
    )]
    Differs,
    #[error("the first request with this Idempotency-Key is not answered yet: ask again in a moment")]
    Running,
    #[error(
        "the request with this Idempotency-Key was carried out, but its answer is not kept: look at what is there, and take \
         a new key for anything else"
    )]
    Lost,
    #[error("cannot look up an Idempotency-Key: {0}")]
    Store(#[from] StoreError),
    #[error("cannot read what is kept of an Idempotency-Key: {0}")]
    Secret(#[from] SecretError),
    #[error("cannot read what is kept of an Idempotency-Key: {0}")]
    Answer(#[from] serde_json::Error),
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let words = refusal.to_string();
        match refusal {
            Refusal::Differs => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", words),
            Refusal::Running => Self::new(StatusCode::CONFLICT, "idempotency-key-running", words)
                .header(header::RETRY_AFTER, HeaderValue::from(AGAIN_S)),
            Refusal::Lost => Self::new(StatusCode::CONFLICT, "idempotency-answer-lost", words),
            Refusal::Store(error) => error.into(),
            Refusal::Secret(_) | Refusal::Answer(_) => Self::internal(&refusal),
        }
    }
}

impl Idempotency {
    pub(crate) fn new(store: &Store, vault: &Vault, clock: &Clock, cluster: &Cluster) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            cluster: cluster.clone(),
            start: hex::encode(random_bytes::<8>()),
            flying: Mutex::default(),
            counts: Mutex::default(),
            most: sweep::MOST,
        }))
    }

    /// Has a request done, unless it was: then answers as it was answered. Not to be dropped midway.
    ///
    /// # Errors
    /// The key belongs to another request, or the first one is not answered yet, or its answer is lost.
    pub(crate) async fn once(
        &self,
        caller: &Caller,
        key: &Key,
        print: [u8; 32],
        work: impl Future<Output = Response>,
    ) -> Result<Response, ApiError> {
        let id = key.id(caller);
        let (request, _flight) = match self.claim(caller, &id, print).await? {
            Claim::Replay(answer) => return Ok(answer.replay()),
            Claim::Do(request, flight) => (request, flight),
        };
        self.note(caller.account).await;
        let mark = self.0.store.batch().create(&Mark { id: id.clone() });
        let (done, ride) = rider::with(mark, AssertUnwindSafe(work).catch_unwind()).await?;
        let response = done.unwrap_or_else(|_| ApiError::panicked().into_response());
        let status = response.status();
        let (answer, response) = Answer::of(response).await;
        match self.settle(request, ride, answer.filter(|_| answer::is_final(status))).await {
            Ok(()) => Ok(response),
            Err(Refusal::Lost) => Err(Refusal::Lost.into()),
            Err(error) => {
                tracing::warn!(%error, "the answer to a request with a key is not kept");
                Ok(response)
            }
        }
    }

    /// Looks what a key says, and takes it for this process if it says nothing.
    async fn claim(&self, caller: &Caller, id: &str, print: [u8; 32]) -> Result<Claim, Refusal> {
        let Inner { store, vault, .. } = &*self.0;
        for _ in 0..TRIES {
            let known = store.get::<KeyedRequest>(id).await?;
            let now = self.0.clock.now();
            let is_old = |known: &KeyedRequest| known.begun_at.plus(KEPT) <= now;
            if let Some(known) = known.as_ref().filter(|known| !is_old(&known.document)) {
                let request = &known.document;
                if vault.unseal(&request.of_print(), &request.print)? != print {
                    return Err(Refusal::Differs);
                }
                match &request.state {
                    State::Answered { answer } => {
                        let answer = vault.unseal(&request.of_answer(), answer)?;
                        return Ok(Claim::Replay(serde_json::from_slice(&answer)?));
                    }
                    State::Lost => return Err(Refusal::Lost),
                    State::Running { node, start } => {
                        if self.runs(node, start, request).await? {
                            return Err(Refusal::Running);
                        }
                        if store.get::<Mark>(id).await?.is_some() {
                            return Err(Refusal::Lost);
                        }
                    }
                }
            }
            let stale = match &known {
                Some(known) if is_old(&known.document) => store.get::<Mark>(id).await?,
                _ => None,
            };
            // Held until the print is on disk.
            let sealing = vault.sealing().await?;
            let batch = store.batch();
            let state =
                State::Running { node: self.0.cluster.node().to_owned(), start: self.0.start.clone() };
            let (account, user) = (caller.account, caller.user);
            let print = sealing.seal::<KeyedRequest>(&format!("{id}/print"), &print);
            let new = KeyedRequest { id: id.to_owned(), account, user, begun_at: batch.at(), print, state };
            let batch = stale.iter().fold(batch, crate::store::Batch::delete);
            let batch = match &known {
                Some(known) => batch.update(known, &new),
                None => batch.create(&new),
            };
            let Some(flight) = Flight::of(self, id) else { return Err(Refusal::Running) };
            match store.commit(batch).await {
                Ok(receipt) => {
                    // The last op is the request's own.
                    let version = receipt.versions.last().copied().unwrap_or(1);
                    return Ok(Claim::Do(Versioned { version, document: new }, flight));
                }
                // Another one with the same key was quicker.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Running)
    }

    /// Whether the process that took a request is still about it.
    async fn runs(&self, node: &str, start: &str, request: &KeyedRequest) -> Result<bool, StoreError> {
        if start == self.0.start {
            // Not if the store was away when it was to be kept what came of it.
            return Ok(self.flying().contains(&request.id));
        }
        self.0.cluster.has_run_since(node, request.begun_at).await
    }

    /// Keeps what came of a request.
    async fn settle(
        &self,
        request: Versioned<KeyedRequest>,
        ride: Ride,
        answer: Option<Answer>,
    ) -> Result<(), Refusal> {
        let Inner { store, vault, .. } = &*self.0;
        let id = request.document.id.clone();
        let mut request = Some(request);
        for _ in 0..TRIES {
            let current = match request.take() {
                Some(request) => request,
                // The key was changed meanwhile, and with it what is sealed, or another process took the request over.
                None => match store.get::<KeyedRequest>(&id).await? {
                    Some(current) if self.is_own(&current.document) => current,
                    _ => return Ok(()),
                },
            };
            let mark = store.get::<Mark>(&id).await?;
            // Another process, which was taken for dead, had done it.
            let by_another = ride == Ride::Waited && mark.is_some();
            let sealing = vault.sealing().await?;
            let mut batch = store.batch();
            batch = match answer.as_ref().filter(|_| !by_another) {
                Some(answer) => {
                    let kept = serde_json::to_vec(answer)?;
                    let answer = sealing.seal::<KeyedRequest>(&current.document.of_answer(), &kept);
                    let state = State::Answered { answer };
                    batch.update(&current, &KeyedRequest { state, ..current.document.clone() })
                }
                // It did something, whatever it failed at then.
                None if mark.is_some() => {
                    batch.update(&current, &KeyedRequest { state: State::Lost, ..current.document.clone() })
                }
                None => batch.delete(&current),
            };
            match store.commit(batch).await {
                Ok(_) if by_another => return Err(Refusal::Lost),
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { kind: "keyed_request", id }.into())
    }

    fn flying(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_own(&self, request: &KeyedRequest) -> bool {
        matches!(&request.state, State::Running { start, .. } if *start == self.0.start)
    }
}
