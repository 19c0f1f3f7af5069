//! The job `batch`: one action, id by id, each with its result.

use super::{Action, One, actions};
use crate::access::{Caller, Permissions, Via};
use crate::app::{App, WeakApp};
use crate::http::ApiError;
use crate::id::{JobId, UserId};
use crate::job::{JobHandle, JobResult, Outcome, Work, WorkError};
use crate::store::rider::{self, Ride};
use crate::store::{Account, Store, StoreError};
use ::http::StatusCode;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// Things that are worked on at a time.
const AT_ONCE: usize = 8;

/// What a batch is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchInput {
    pub(super) kind: String,
    pub(super) action: String,
    pub(super) with: Value,
    pub(super) ids: Vec<String>,
    pub(super) account: Account,
    pub(super) user: UserId,
    /// What whoever asked might do then: a token may allow less than its user may.
    pub(super) permissions: Permissions,
}

/// Which processes do it.
pub(crate) trait Place: Send + Sync + 'static {
    /// The job's kind.
    const KIND: &'static str;
}

/// Any process that does jobs.
pub(crate) struct Anywhere;
/// The one that has the boxes' broker.
pub(crate) struct AtBroker;

impl Place for Anywhere {
    const KIND: &'static str = "batch";
}

impl Place for AtBroker {
    const KIND: &'static str = "batch-at-broker";
}

/// Does batches.
pub(crate) struct Batches<P> {
    /// The app has the jobs, which have this.
    app: WeakApp,
    place: PhantomData<P>,
}

impl<P: Place> Batches<P> {
    /// Takes the handles that it needs.
    pub(crate) fn new(app: &App) -> Self {
        Self { app: app.downgrade(), place: PhantomData }
    }
}

impl<P: Place> Work for Batches<P> {
    const KIND: &'static str = P::KIND;
    const PARALLEL: usize = 2;
    type Input = BatchInput;

    async fn run(&self, job: JobHandle, input: BatchInput) -> Result<Outcome, WorkError> {
        let Some(app) = self.app.upgrade() else { return Err(WorkError::Stopped) };
        let found = actions().find(|action| action.kind() == input.kind && action.name == input.action);
        let Some(action) = found else {
            let words = format!("this server does not know how to {} {}", input.action, input.kind);
            return Err(WorkError::hopeless(words));
        };
        let total = input.ids.len() as u64;
        let (app, input, handle) = (&app, &input, &job);
        let work = input.ids.clone().into_iter().zip(0u32..);
        let (mut count, mut failed) = (0, 0);
        let begin = |(id, number): (String, u32)| async move {
            handle.check()?;
            one(app, action, input, handle.id(), number, &id).await
        };
        each(work, begin, |is_done| {
            count += 1;
            failed += u64::from(!is_done);
            handle.counted(count, total, "done");
        })
        .await?;
        Ok(Outcome::new(match failed {
            0 => format!("All {total} are done"),
            failed => format!("{} of {total} are done; the results say why {failed} are not", total - failed),
        }))
    }
}

/// Works on some at a time, and tells of each whether it succeeded. Once something stands in the way nothing more is begun,
/// and what was begun comes to its end.
async fn each<T, F>(
    work: impl Iterator<Item = T>,
    one: impl Fn(T) -> F,
    mut tell: impl FnMut(bool),
) -> Result<(), WorkError>
where
    F: Future<Output = Result<bool, WorkError>>,
{
    let (ending, one) = (&AtomicBool::new(false), &one);
    let begin = |thing| async move {
        if ending.load(Ordering::Relaxed) { Err(WorkError::Stopped) } else { one(thing).await }
    };
    let mut ended = stream::iter(work).map(begin).buffer_unordered(AT_ONCE);
    let mut first = Ok(());
    while let Some(is_done) = ended.next().await {
        match is_done {
            Ok(is_done) => tell(is_done),
            Err(error) => {
                ending.store(true, Ordering::Relaxed);
                first = first.and(Err(error));
            }
        }
    }
    first
}

/// Does it to one thing, unless that was done before; whether it succeeded.
async fn one(
    app: &App,
    action: &Action,
    input: &BatchInput,
    job: JobId,
    number: u32,
    id: &str,
) -> Result<bool, WorkError> {
    if let Some(known) = JobResult::get(&app.store, job, number).await? {
        return Ok(known.document.problem.is_none());
    }
    let success = JobResult::new(job, number, id, None);
    let mark = app.store.batch().create(&success);
    let (done, ride) = rider::with(mark, attempt(app, action, input, id)).await?;
    let problem = match (done, ride) {
        // Whether it took effect shows in the next attempt.
        (_, Ride::Unknown) => {
            return Err(WorkError::failed("the store did not say whether a change was made"));
        }
        (Ok(()), Ride::Arrived) => return Ok(true),
        (Ok(()), Ride::Waited) => None,
        // The store or the broker is away: not a matter of this thing.
        (Err(error), Ride::Waited) if error.status() == StatusCode::SERVICE_UNAVAILABLE => {
            return Err(WorkError::failed(error.detail().to_owned()));
        }
        (Err(error), _) => Some(error),
    };
    let is_done = problem.is_none();
    let problem = problem.map(|error| serde_json::from_slice(&error.body()).unwrap_or(Value::Null));
    keep(&app.store, &success.with(problem), ride).await?;
    Ok(is_done)
}

/// What the single route does: it looks who asks, what they may, and whether the thing is theirs.
async fn attempt(app: &App, action: &Action, input: &BatchInput, id: &str) -> Result<(), ApiError> {
    let permissions = app.accounts.permissions_of_user(input.account, input.user).await?;
    let permissions = permissions.and(input.permissions);
    let caller = Caller { user: input.user, account: input.account, permissions, via: Via::Session };
    if let Some(permission) = action.permission() {
        caller.demand(permission)?;
    }
    app.own(&caller, action.thing, id).await?;
    (action.run)(app, &One { caller, id, with: &input.with }).await
}

async fn keep(store: &Store, result: &JobResult, ride: Ride) -> Result<(), WorkError> {
    let batch = store.batch();
    let batch = if ride == Ride::Arrived { batch.put(result) } else { batch.create(result) };
    match store.commit(batch).await {
        // Another process, which was taken for dead, has done it meanwhile.
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[tokio::test]
    async fn what_was_begun_comes_to_its_end_and_nothing_more_is_begun() {
        let (begun, ended) = (&AtomicU32::new(0), &AtomicU32::new(0));
        let one = |number: u32| async move {
            begun.fetch_add(1, Ordering::Relaxed);
            for _ in 0..if number == 3 { 5 } else { 50 } {
                tokio::task::yield_now().await;
            }
            if number == 3 {
                return Err(WorkError::failed("the store is away"));
            }
            ended.fetch_add(1, Ordering::Relaxed);
            Ok(number != 1)
        };
        let mut told = Vec::new();
        let result = each(0..100, one, |is_done| told.push(is_done)).await;
        assert!(matches!(result, Err(WorkError::Failed { .. })), "the first one counts: {result:?}");
        let (begun, ended) = (begun.load(Ordering::Relaxed), ended.load(Ordering::Relaxed));
        assert_eq!((begun, ended, told.len()), (AT_ONCE as u32, AT_ONCE as u32 - 1, AT_ONCE - 1));
        assert_eq!(told.iter().filter(|is_done| !**is_done).count(), 1);
    }
}
