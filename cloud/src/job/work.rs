//! What a slice writes to have something done as a job.

use super::document::Progress;
use super::state::Why;
use crate::id::JobId;
use crate::media::MediaError;
use crate::store::{Batch, StoreError};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One kind of job.
///
/// A run must be harmless when it is done twice, also at the same time as another one: a
/// server that slept past its lease does not know it. Effects on documents belong into the
/// [`Outcome`], which is carried out once; other effects must be such that a second one
/// changes nothing.
pub trait Work: Send + Sync + 'static {
    /// Its name in the API, and that of its queue after `job.`: at most 30 of `a-z`, `0-9`, `-`.
    const KIND: &'static str;
    /// How many of it run at a time in one process.
    const PARALLEL: usize = 1;
    /// How often one is begun before it is given up.
    const MAX_ATTEMPTS: u32 = 8;
    /// What a job of this kind is about.
    type Input: Serialize + DeserializeOwned + Send + 'static;

    /// Does it, from the beginning or from where an earlier attempt came to.
    fn run(
        &self,
        job: JobHandle,
        input: Self::Input,
    ) -> impl Future<Output = Result<Outcome, WorkError>> + Send;
}

/// Says why an attempt did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// Something failed that may work later; in words.
    #[error("{detail}")]
    Failed {
        /// What failed.
        detail: String,
    },
    /// It will never work; in words.
    #[error("{detail}")]
    Hopeless {
        /// Why.
        detail: String,
    },
    /// It was told to end.
    #[error("it was told to end")]
    Stopped,
}

impl WorkError {
    /// Something failed that may work later.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they come")]
    pub fn failed(detail: impl ToString) -> Self {
        Self::Failed { detail: detail.to_string() }
    }

    /// It will never work.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they come")]
    pub fn hopeless(detail: impl ToString) -> Self {
        Self::Hopeless { detail: detail.to_string() }
    }
}

impl From<StoreError> for WorkError {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<MediaError> for WorkError {
    fn from(error: MediaError) -> Self {
        Self::failed(error)
    }
}

pub(super) type Effects = Box<dyn Fn(Batch) -> Batch + Send + Sync>;

/// What came of a job.
pub struct Outcome {
    pub(super) words: String,
    pub(super) effects: Effects,
}

impl Outcome {
    /// It is done; `words` say what came of it.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), effects: Box::new(|batch| batch) }
    }

    /// Adds changes of documents, which happen together with the job's end or not at all.
    ///
    /// `effects` may be asked several times, of which one counts. If what it changes has been
    /// changed meanwhile, the attempt counts as failed.
    pub fn with(self, effects: impl Fn(Batch) -> Batch + Send + Sync + 'static) -> Self {
        Self { effects: Box::new(effects), ..self }
    }
}

/// Tells an attempt to end, and why.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    token: CancellationToken,
    why: Arc<OnceLock<Why>>,
}

impl Stop {
    pub(super) fn tell(&self, why: Why) {
        // The first reason counts.
        let _ = self.why.set(why);
        self.token.cancel();
    }

    pub(super) fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.why, &other.why)
    }

    pub(super) async fn told(&self) {
        self.token.cancelled().await;
    }
}

/// An attempt as the work sees it.
#[derive(Debug, Clone)]
pub struct JobHandle {
    pub(super) id: JobId,
    pub(super) attempt: u32,
    pub(super) fence: u64,
    pub(super) progress: Arc<watch::Sender<Progress>>,
    pub(super) stop: Stop,
}

impl JobHandle {
    /// The job.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Which attempt this is, from 1 up.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The lease's token: higher with each attempt, for whatever outside of the store can refuse an older one.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Says how far it has come; written at most once a second.
    pub fn progress(&self, percent: Option<u8>, words: impl Into<String>) {
        self.progress.send_replace(Progress { percent, words: words.into() });
    }

    /// Says how many of how many are done; `words` follow the numbers, such as `files removed`.
    pub fn counted(&self, done: u64, total: u64, words: &str) {
        let percent = (done.min(total) * 100).checked_div(total).unwrap_or(100) as u8;
        self.progress(Some(percent), format!("{done} of {total} {words}"));
    }

    /// Cancelled when the work is to end soon: at a user's wish, as the server stops, or as the lease is lost.
    pub fn stopped(&self) -> CancellationToken {
        self.stop.token.clone()
    }

    /// Returns [`WorkError::Stopped`] if the work is to end; to be asked between its steps.
    pub fn check(&self) -> Result<(), WorkError> {
        if self.stop.token.is_cancelled() { Err(WorkError::Stopped) } else { Ok(()) }
    }
}

/// A kind of job without its types.
pub(super) trait AnyWork: Send + Sync {
    fn run(self: Arc<Self>, job: JobHandle, input: Value) -> BoxFuture<'static, Result<Outcome, WorkError>>;
}

impl<W: Work> AnyWork for W {
    fn run(self: Arc<Self>, job: JobHandle, input: Value) -> BoxFuture<'static, Result<Outcome, WorkError>> {
        Box::pin(async move {
            let input = serde_json::from_value(input)
                .map_err(|error| WorkError::hopeless(format!("what it is about cannot be read: {error}")))?;
            Work::run(&*self, job, input).await
        })
    }
}

/// A kind of job that this process does.
#[derive(Clone)]
pub(super) struct Registered {
    pub(super) kind: &'static str,
    pub(super) parallel: usize,
    pub(super) work: Arc<dyn AnyWork>,
}

impl Registered {
    pub(super) fn new<W: Work>(work: W) -> Self {
        Self { kind: W::KIND, parallel: W::PARALLEL.max(1), work: Arc::new(work) }
    }
}
