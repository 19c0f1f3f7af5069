//! Jobs: everything long, done in the background by whichever process has a place for it.
//!
//! A job is a document, which pages follow through the journal, and an entry of its kind's
//! queue, by which processes take it up ([`crate::store::Queue`]). The two change in one
//! batch, under the lease: a server that slept past it can write neither. A slice writes a
//! [`Work`], registers it before [`start`], and adds jobs to the batches of its own changes
//! ([`Jobs::add`]), so that both happen or neither.
//!
//! Heartbeats come three times a lease. A server that stops in good order gives its jobs
//! back; after kill -9 it takes its own back at the next start, and others' leases run out.

mod actions;
mod attempt;
mod config;
mod document;
mod error;
mod http;
mod listing;
mod node;
mod progress;
mod results;
mod runner;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use actions::ACTIONS;
pub use config::Jobs as JobsConfig;
pub use document::{Job, JobState, JobView, Progress, StateName};
pub use error::JobError;
pub(crate) use http::path;
pub use http::{Operations, routes};
pub(crate) use listing::LISTING;
pub(crate) use results::{JobResult, LISTING as RESULTS};
pub use work::{JobHandle, Outcome, Work, WorkError};

use crate::app::App;
use crate::config::Config;
use crate::id::{JobId, UserId, random_bytes};
use crate::store::{
    Account, Batch, Cursor, Document, IndexKey, NewEntry, Page, Priority, Queue, QueueError, Scan, Store,
    StoreError,
};
use document::{BY_KIND, BY_KIND_AND_STATE, BY_TIME};
pub(crate) use node::Node;
use runner::Runner;
use serde_json::Value;
use state::{Cancel, Why};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use work::{Registered, Stop};

/// Longest title in characters.
const MAX_TITLE: usize = 200;
/// How often a change is tried when others are quicker.
const TRIES: usize = 32;

/// What a new job is made of.
#[derive(Debug, Clone)]
pub struct NewJob {
    kind: &'static str,
    max_attempts: u32,
    title: String,
    subject: Option<String>,
    input: Value,
    priority: Priority,
    delay: Duration,
    asked_by: Option<UserId>,
    account: Account,
}

impl NewJob {
    /// A job of this kind; `title` says in words what it does.
    pub fn of<W: Work>(title: &str, input: &W::Input) -> Result<Self, JobError> {
        let input =
            serde_json::to_value(input).map_err(|source| JobError::Input { kind: W::KIND, source })?;
        Ok(Self {
            kind: W::KIND,
            max_attempts: W::MAX_ATTEMPTS.max(1),
            title: title.chars().take(MAX_TITLE).collect(),
            subject: None,
            input,
            priority: Priority::default(),
            delay: Duration::ZERO,
            asked_by: None,
            account: Account::FIRST,
        })
    }

    /// Names what it is done to.
    #[expect(clippy::needless_pass_by_value, reason = "ids are small and copied")]
    pub fn about(self, subject: impl ToString) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }

    /// Names the account whose it is; the first, if the system wants it.
    pub fn of_account(self, account: Account) -> Self {
        Self { account, ..self }
    }

    /// Names the user who asked for it.
    pub fn by(self, asked_by: Option<UserId>) -> Self {
        Self { asked_by, ..self }
    }

    /// Before or after others of its kind.
    pub fn priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// Not before so long from now.
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// An account's jobs, the newest first.
pub(crate) fn newest(account: Account) -> Scan {
    Scan::of(BY_TIME).within(IndexKey::of(account)).falling()
}

/// All jobs; cloned freely.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    store: Store,
    config: JobsConfig,
    data_dir: PathBuf,
    shutdown: CancellationToken,
    works: Mutex<BTreeMap<&'static str, Registered>>,
    /// One handle a kind, so that a push wakes this process's runner.
    queues: Mutex<HashMap<String, Queue>>,
    /// Attempts of this process; they hear of a cancel at once.
    running: Mutex<HashMap<JobId, Stop>>,
    /// By which name this process leases.
    node: OnceLock<Node>,
    tasks: TaskTracker,
}

impl Jobs {
    /// Makes the handle; nothing runs before [`start`].
    pub fn new(config: &Config, store: Store, shutdown: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            store,
            config: config.jobs.clone(),
            data_dir: config.data_dir.clone(),
            shutdown,
            works: Mutex::default(),
            queues: Mutex::default(),
            running: Mutex::default(),
            node: OnceLock::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Has this process do jobs of a kind, from [`start`] on.
    pub fn register<W: Work>(&self, work: W) {
        lock(&self.0.works).insert(W::KIND, Registered::new(work));
    }

    /// Adds a job to a batch; once that is committed, [`Jobs::wake`] spares it a wait.
    pub fn add(&self, batch: Batch, new: NewJob) -> Result<(Batch, JobId), JobError> {
        let id = JobId::random();
        let entry = NewEntry {
            id: Some(id.to_string()),
            payload: new.input,
            priority: new.priority,
            delay: new.delay,
            ..NewEntry::default()
        };
        let (batch, _) = self.queue(new.kind)?.push_in(batch, entry)?;
        let now = batch.at();
        let job = Job {
            id,
            account: new.account,
            kind: new.kind.to_owned(),
            subject: new.subject,
            title: new.title,
            asked_by: new.asked_by,
            created_at: now,
            started_at: None,
            attempts: 0,
            max_attempts: new.max_attempts,
            state: JobState::Waiting { run_at: now.plus(new.delay), error: None },
        };
        Ok((batch.create(&job), id))
    }

    /// Adds a job by itself.
    pub async fn enqueue(&self, new: NewJob) -> Result<JobView, JobError> {
        let kind = new.kind;
        let batch = self.0.store.batch().by(new.asked_by);
        let (batch, id) = self.add(batch, new)?;
        self.0.store.commit(batch).await?;
        self.wake(kind);
        self.get(&id).await?.ok_or(JobError::NotFound(id))
    }

    /// Tells this process that there is a job of a kind to be done.
    pub fn wake(&self, kind: &str) {
        if let Ok(queue) = self.queue(kind) {
            queue.wake();
        }
    }

    /// Reads a job.
    pub async fn get(&self, id: &JobId) -> Result<Option<JobView>, StoreError> {
        Ok(self.0.store.get::<Job>(id).await?.map(Into::into))
    }

    /// Lists an account's jobs of a kind, the newest first.
    pub(crate) async fn of_kind(
        &self,
        account: Account,
        kind: &str,
        after: Option<Cursor>,
    ) -> Result<Page<JobView>, StoreError> {
        self.page(Scan::of(BY_KIND).within(IndexKey::of(account).text(kind)).falling().after(after)).await
    }

    /// A job of a kind about something that waits or runs.
    pub(crate) async fn under_way<W: Work>(
        &self,
        account: Account,
        subject: impl ToString,
    ) -> Result<Option<JobId>, StoreError> {
        let subject = subject.to_string();
        for state in [StateName::Waiting, StateName::Running] {
            let mut after = None;
            loop {
                let within = IndexKey::of(account).text(W::KIND).text(state.as_str());
                let page = self.page(Scan::of(BY_KIND_AND_STATE).within(within).after(after)).await?;
                let found = page.items.iter().find(|job| job.subject.as_ref() == Some(&subject));
                if let Some(found) = found {
                    return Ok(Some(found.id));
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(None)
    }

    /// A part of a list of jobs.
    pub(super) async fn page(&self, scan: Scan) -> Result<Page<JobView>, StoreError> {
        Ok(self.0.store.scan::<Job>(scan).await?.map(Into::into))
    }

    /// Ends a job: at once if it waits, else as soon as whoever works on it hears of it.
    pub async fn cancel(&self, id: &JobId, by: Option<UserId>) -> Result<JobView, JobError> {
        for _ in 0..TRIES {
            let store = &self.0.store;
            let old = store.get::<Job>(id).await?.ok_or(JobError::NotFound(*id))?;
            let batch = store.batch().by(by);
            let batch = match old.document.cancel(batch.at()).map_err(JobError::Refused)? {
                Cancel::ToldBefore => return Ok(old.into()),
                Cancel::Told(new) => batch.update(&old, &new),
                Cancel::AtOnce(new) => {
                    let entry = self.queue(&new.kind)?.get(&id.to_string()).await?;
                    let batch = batch.update(&old, &new);
                    // Just leased, perhaps: then whoever has it finds it gone as it begins.
                    entry.iter().fold(batch, Batch::delete)
                }
            };
            match store.commit(batch).await {
                Ok(_) => {
                    if let Some(stop) = lock(&self.0.running).get(id) {
                        stop.tell(Why::Cancelled);
                    }
                    return self.get(id).await?.ok_or(JobError::NotFound(*id));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { kind: Job::KIND, id: id.to_string() }.into())
    }

    /// Has a failed job tried again, with all its attempts.
    pub async fn retry(&self, id: &JobId, by: Option<UserId>) -> Result<JobView, JobError> {
        for _ in 0..TRIES {
            let old = self.0.store.get::<Job>(id).await?.ok_or(JobError::NotFound(*id))?;
            let new = old.document.retry(self.0.store.batch().at()).map_err(JobError::Refused)?;
            let queue = self.queue(&new.kind)?;
            match queue.put_back(&id.to_string(), |batch| batch.by(by).update(&old, &new)).await {
                Ok(_) => return self.get(id).await?.ok_or(JobError::NotFound(*id)),
                Err(QueueError::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { kind: Job::KIND, id: id.to_string() }.into())
    }

    /// Returns once all attempts have ended or were given back; the app's shutdown tells them to.
    pub async fn stop(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// By which name this process works; opened when it is first asked for.
    pub(crate) fn node(&self) -> Result<&Node, JobError> {
        if let Some(known) = self.0.node.get() {
            return Ok(known);
        }
        let opened = Node::open(&self.0.data_dir)?;
        Ok(self.0.node.get_or_init(|| opened))
    }

    fn queue(&self, kind: &str) -> Result<Queue, QueueError> {
        let mut queues = lock(&self.0.queues);
        if let Some(known) = queues.get(kind) {
            return Ok(known.clone());
        }
        let queue = Queue::new(self.0.store.clone(), format!("job.{kind}"))?;
        queues.insert(kind.to_owned(), queue.clone());
        Ok(queue)
    }

    fn registered(&self) -> Vec<Registered> {
        lock(&self.0.works).values().cloned().collect()
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn config(&self) -> &JobsConfig {
        &self.0.config
    }

    fn is_stopping(&self) -> bool {
        self.0.shutdown.is_cancelled()
    }

    async fn stopping(&self) {
        self.0.shutdown.cancelled().await;
    }

    /// Notes that an attempt runs in this process, until the guard goes.
    fn running(&self, id: JobId, stop: &Stop) -> Running {
        lock(&self.0.running).insert(id, stop.clone());
        Running { jobs: self.clone(), id, stop: stop.clone() }
    }
}

struct Running {
    jobs: Jobs,
    id: JobId,
    stop: Stop,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = lock(&self.jobs.0.running);
        // A later attempt at the same job may have begun while this one came to its end.
        if running.get(&self.id).is_some_and(|known| known.is_same(&self.stop)) {
            running.remove(&self.id);
        }
    }
}

/// Begins to do the jobs of all registered kinds.
pub async fn start(app: App) -> Result<(), JobError> {
    start_on(&app.jobs)
}

fn start_on(jobs: &Jobs) -> Result<(), JobError> {
    let node = jobs.node()?;
    for registered in jobs.registered() {
        let queue = jobs.queue(registered.kind)?;
        let (name, alone) = (Arc::clone(&node.name), node.is_alone());
        let runner = Runner { jobs: jobs.clone(), registered, queue, node: name, alone };
        jobs.0.tasks.spawn(runner.run());
    }
    jobs.0.tasks.spawn(sweep::run(jobs.clone()));
    Ok(())
}

fn random() -> u64 {
    u64::from_le_bytes(random_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
