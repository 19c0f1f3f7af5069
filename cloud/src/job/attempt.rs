//! One attempt at a job: begun, kept alive, and brought to an end under its lease.
#![allow(clippy::disallowed_methods, reason = "a driver: it keeps a lease alive while work goes on")]

use super::document::{Job, Progress};
use super::state::{Begin, Verdict, Why};
use super::work::{Effects, JobHandle, Outcome, Registered, Stop, WorkError};
use super::{Jobs, random};
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::store::{Batch, Document, Lease, Queue, QueueError, Settle, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, sleep, sleep_until};

/// A job's progress is written this often at most.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// How long work may take to end once it is told to.
const GRACE: Duration = Duration::from_secs(3);
/// How long to wait before a failed store is tried again with a result.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a result is offered to a failing store; then the lease runs out, and the job is done again.
const OFFERS: usize = 10;
/// How often a change of the job is tried when others are quicker.
const TRIES: usize = 32;

/// An attempt; all it writes is refused once its lease is over.
pub(super) struct Attempt {
    pub(super) jobs: Jobs,
    pub(super) registered: Registered,
    pub(super) queue: Queue,
    pub(super) lease: Lease,
    pub(super) id: JobId,
}

impl Attempt {
    /// Works until the job or its lease is over, or the server stops.
    pub(super) async fn run(self) {
        let stop = Stop::default();
        // Before it is seen to run, so that a cancel right then is heard.
        let _running = self.jobs.running(self.id, &stop);
        let job = match self.begin().await {
            Ok(Some(job)) => job,
            Ok(None) => return,
            Err(error) => return self.report(&error, "a job could not be begun"),
        };
        tracing::info!(job = %self.id, kind = job.kind, attempt = job.attempts, "a job begins");
        let (result, why) = self.work(&job, &stop).await;
        self.end(&job, result, why).await;
    }

    /// Notes that the job runs now; none if there is nothing to work on.
    async fn begin(&self) -> Result<Option<Job>, QueueError> {
        let begin = |job: &Job, now| job.begin(now, self.lease.attempts);
        let decide = |job: &Job, now| match begin(job, now) {
            Begin::Run(job) => (Some(job), Settle::Extend(self.jobs.config().lease())),
            Begin::End(job, how) => (Some(job), how),
            Begin::Leftover => (None, Settle::Complete),
        };
        let job = self.settle(decide, &|batch| batch).await?;
        Ok(job.filter(|job| job.state.ended_at().is_none()))
    }

    /// Runs the work beside its heartbeats, and returns what came of it and why it was told to end.
    async fn work(&self, job: &Job, stop: &Stop) -> (Result<Outcome, WorkError>, Option<Why>) {
        let (progress, mut reported) = watch::channel(Progress::default());
        let handle = JobHandle {
            id: self.id,
            attempt: job.attempts,
            fence: self.lease.fence,
            progress: Arc::new(progress),
            stop: stop.clone(),
        };
        let work = Arc::clone(&self.registered.work).run(handle, self.lease.payload.clone());
        // A task of its own, so that its panic ends nothing else.
        let mut task = tokio::spawn(work);
        let too_long = async {
            stop.told().await;
            sleep(GRACE).await;
        };
        let ended = tokio::select! {
            ended = &mut task => Some(ended),
            never = self.attend(&mut reported, stop) => match never {},
            () = too_long => None,
        };
        let result = match ended {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(WorkError::failed(if error.is_panic() {
                "the work broke off; the server's log says why"
            } else {
                "the work was ended"
            })),
            None => {
                task.abort();
                // However it ended, it does nothing any more.
                let _ = task.await;
                Err(WorkError::Stopped)
            }
        };
        (result, stop.why())
    }

    /// Keeps the lease and the job's progress up to date, and hears what the work is to be told.
    async fn attend(
        &self,
        reported: &mut watch::Receiver<Progress>,
        stop: &Stop,
    ) -> std::convert::Infallible {
        let mut beat = tokio::time::interval(self.jobs.config().heartbeat());
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        let mut quiet_until = Instant::now();
        loop {
            let news = async {
                if reported.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                sleep_until(quiet_until).await;
            };
            tokio::select! {
                _ = beat.tick() => {}
                () = news => {}
                () = self.jobs.stopping(), if stop.why().is_none() => {
                    stop.tell(Why::Stopping);
                    continue;
                }
            }
            let progress = reported.borrow_and_update().clone();
            let extend = Settle::Extend(self.jobs.config().lease());
            match self.settle(|job, _| (job.report(&progress), extend.clone()), &|batch| batch).await {
                Ok(Some(job)) if job.is_cancelling() => stop.tell(Why::Cancelled),
                Ok(Some(_)) => {}
                Ok(None) | Err(QueueError::Stale { .. }) => {
                    tracing::warn!(job = %self.id, fence = self.lease.fence, "a job's lease was lost to another server");
                    stop.tell(Why::Lost);
                    std::future::pending::<()>().await;
                }
                // The lease may outlast it.
                Err(error) => tracing::warn!(job = %self.id, %error, "a job's heartbeat failed"),
            }
            quiet_until = Instant::now() + PROGRESS_EVERY;
        }
    }

    /// Writes what came of it, with its effects.
    async fn end(&self, job: &Job, mut result: Result<Outcome, WorkError>, why: Option<Why>) {
        for _ in 0..OFFERS {
            let words = result.as_ref().map(|outcome| outcome.words.as_str());
            let Some(verdict) = Verdict::of(words, why, job.attempts, job.max_attempts, random()) else {
                return;
            };
            let nothing: Effects = Box::new(|batch| batch);
            let effects = result.as_ref().map_or(&nothing, |outcome| &outcome.effects);
            let decide = |job: &Job, now: Timestamp| (Some(job.end(now, &verdict)), verdict.settle());
            match self.settle(decide, effects).await {
                Ok(_) => {
                    tracing::info!(job = %self.id, kind = job.kind, ?verdict, "an attempt at a job ended");
                    return;
                }
                Err(QueueError::Store(StoreError::Conflict { .. } | StoreError::Taken { .. }))
                    if result.is_ok() =>
                {
                    result = Err(WorkError::failed("what it was to change has been changed meanwhile"));
                }
                Err(error) if is_passing(&error) => {
                    tracing::warn!(job = %self.id, %error, "a job's result waits for the store");
                    sleep(AGAIN).await;
                }
                Err(error) => return self.report(&error, "a job's result was refused"),
            }
        }
    }

    /// Changes the job and its entry as one; none if the job is there no more.
    async fn settle(
        &self,
        decide: impl Fn(&Job, Timestamp) -> (Option<Job>, Settle) + Send,
        effects: &(dyn Fn(Batch) -> Batch + Send + Sync),
    ) -> Result<Option<Job>, QueueError> {
        let store = self.jobs.store();
        for _ in 0..TRIES {
            let Some(old) = store.get::<Job>(self.id).await? else {
                self.queue.settle(&self.lease, &Settle::Complete, |batch, _| batch).await?;
                return Ok(None);
            };
            let (new, how) = decide(&old.document, store.batch().at());
            let changed = self.queue.settle(&self.lease, &how, |batch, _| {
                effects(match &new {
                    Some(new) => batch.update(&old, new),
                    None => batch,
                })
            });
            match changed.await {
                Ok(_) => return Ok(Some(new.unwrap_or(old.document))),
                Err(QueueError::Store(StoreError::Conflict { kind: Job::KIND, id }))
                    if id == self.lease.id => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict { kind: Job::KIND, id: self.lease.id.clone() }.into())
    }

    /// Logs, once, what ends the attempt.
    fn report(&self, error: &QueueError, what: &str) {
        match error {
            QueueError::Stale { .. } => {
                tracing::warn!(job = %self.id, fence = self.lease.fence, "{what}: another server has taken it up");
            }
            error => tracing::error!(job = %self.id, %error, "{what}"),
        }
    }
}

/// Whether the store may well take it soon.
fn is_passing(error: &QueueError) -> bool {
    use StoreError::{Away, Engine, Full, NoRoom, OverLimit};
    matches!(error, QueueError::Store(Engine(_) | Away(_) | Full { .. } | OverLimit { .. } | NoRoom))
}
