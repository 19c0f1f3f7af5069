//! A store, the processes on it, and work that does as a test says.

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::job::{JobHandle, JobView, Jobs, NewJob, Outcome, StateName, Work, WorkError};
use crate::store::{Document, Owner, Store, Versioned};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What a job leaves: it can be made once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) by: String,
}

impl Document for Made {
    const KIND: &'static str = "made";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// A store with its clock, and a directory for each process that works on it.
pub(super) struct Ground {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) directory: TempDir,
}

impl Ground {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_unix_ms(1_700_000_000_000));
        let store = Store::open_sled(&directory.path().join("store"), clock.clone()).unwrap();
        Self { store, clock, directory }
    }

    pub(super) fn data_dir(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// A process that does nothing yet; its heartbeats come once in twenty minutes.
    pub(super) fn process(&self, name: &str) -> Process {
        self.process_with(name, 3_600_000)
    }

    pub(super) fn process_with(&self, name: &str, lease_ms: u64) -> Process {
        let mut config = Config { data_dir: self.data_dir(name), ..Config::default() };
        config.jobs.lease_ms = lease_ms;
        let shutdown = CancellationToken::new();
        let jobs = Jobs::new(&config, self.store.clone(), shutdown.clone());
        let work = Arc::new(Play { name: name.to_owned(), ..Play::default() });
        jobs.register(Shared::<1>(Arc::clone(&work)));
        Process { jobs, work, shutdown }
    }
}

pub(super) struct Process {
    pub(super) jobs: Jobs,
    pub(super) work: Arc<Play>,
    pub(super) shutdown: CancellationToken,
}

impl Process {
    pub(super) async fn enqueue(&self, input: &str) -> JobView {
        self.jobs.enqueue(NewJob::of::<Shared<1>>("A test", &input.to_owned()).unwrap()).await.unwrap()
    }

    pub(super) async fn get(&self, job: &JobView) -> JobView {
        self.jobs.get(&job.id).await.unwrap().unwrap()
    }

    /// Waits until a job is as wanted.
    pub(super) async fn until(&self, job: &JobView, wanted: impl Fn(&JobView) -> bool) -> JobView {
        for _ in 0..3000 {
            let job = self.get(job).await;
            if wanted(&job) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("still {:?}", self.get(job).await);
    }

    pub(super) async fn state(&self, job: &JobView, state: StateName) -> JobView {
        self.until(job, |job| job.state == state).await
    }

    pub(super) async fn stop(&self) {
        self.shutdown.cancel();
        self.jobs.stop().await;
    }
}

/// Work that does what its input says, once the test lets it.
pub(super) struct Play {
    pub(super) name: String,
    /// A permit for each run that may go on.
    pub(super) gate: Semaphore,
    pub(super) begun: AtomicUsize,
    pub(super) running: AtomicUsize,
    pub(super) most_running: AtomicUsize,
    pub(super) last_fence: AtomicUsize,
    pub(super) broken: AtomicBool,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            name: String::new(),
            gate: Semaphore::new(0),
            begun: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            last_fence: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }
}

pub(super) struct Shared<const PARALLEL: usize>(pub(super) Arc<Play>);

impl<const PARALLEL: usize> Work for Shared<PARALLEL> {
    const KIND: &'static str = "play";
    const PARALLEL: usize = PARALLEL;
    const MAX_ATTEMPTS: u32 = 3;
    type Input = String;

    async fn run(&self, job: JobHandle, input: String) -> Result<Outcome, WorkError> {
        let play = &self.0;
        play.begun.fetch_add(1, Ordering::SeqCst);
        play.last_fence.store(job.fence() as usize, Ordering::SeqCst);
        let running = play.running.fetch_add(1, Ordering::SeqCst) + 1;
        play.most_running.fetch_max(running, Ordering::SeqCst);
        let result = play.act(&job, &input).await;
        play.running.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Play {
    async fn act(&self, job: &JobHandle, input: &str) -> Result<Outcome, WorkError> {
        let made = Made { id: job.id().to_string(), by: self.name.clone() };
        let outcome = Outcome::new(format!("made by {}", self.name)).with(move |batch| batch.create(&made));
        match input {
            "hopeless" if self.broken.load(Ordering::SeqCst) => {
                return Err(WorkError::hopeless("it is broken"));
            }
            "fail" if self.broken.load(Ordering::SeqCst) => return Err(WorkError::failed("it is broken")),
            "panic" if job.attempt() == 1 => panic!("a mistake in the work"),
            "at once" | "hopeless" | "fail" | "panic" => return Ok(outcome),
            "report" => {
                for number in 0..=1000 {
                    job.counted(number, 1000, "steps");
                    tokio::task::yield_now().await;
                }
            }
            "stubborn" => std::future::pending().await,
            "deaf" => {
                // Hears nothing, like a process that is stopped.
                self.gate.acquire().await.map_err(WorkError::failed)?.forget();
                return Ok(outcome);
            }
            _ => {}
        }
        let stopped = job.stopped();
        tokio::select! {
            permit = self.gate.acquire() => permit.map_err(WorkError::failed)?.forget(),
            () = stopped.cancelled() => {}
        }
        job.check()?;
        Ok(outcome)
    }

    pub(super) async fn begun(&self, times: usize) {
        while self.begun.load(Ordering::SeqCst) < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(super) async fn made(ground: &Ground, job: &JobView) -> Option<Versioned<Made>> {
    ground.store.get::<Made>(job.id).await.unwrap()
}
