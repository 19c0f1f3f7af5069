//! Queue entries through several processes on one PostgreSQL: how many a second, none lost, none completed twice.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stagebox_cloud::clock::Clock;
use stagebox_cloud::config::Hidden;
use stagebox_cloud::store::{
    Document, Index, IndexKey, Lease, NewEntry, Owner, PostgresEngine, PostgresOptions, Queue, QueueError,
    Scan, Settle, Store, StoreConfig, StoreError, StoreKind,
};
use stagebox_tests::house::postgres::Postgres;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;

use super::figure::{Figure, median};

const ENTRIES: usize = 10_000;
const WORKERS: usize = 4;
/// Entries that are pushed in one batch.
const PUSHED: usize = 200;
/// Entries that a process leases and completes at a time.
const AT_ONCE: usize = 16;
/// Longer than all of it takes: nobody is overtaken who works.
const LEASE: Duration = Duration::from_mins(5);
/// A process that finds nothing for so long is done.
const QUIET: Duration = Duration::from_secs(2);
const NAME: &str = "bench";

/// What completing an entry does: a second time it would be in its own way.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Effect {
    entry: String,
}

impl Document for Effect {
    const KIND: &'static str = "effect";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.entry.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![Index::unique("entry", IndexKey::new().text(&self.entry))]
    }
}

/// What a worker has seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Told {
    completed: usize,
    /// Completions that found their effect there already.
    twice: usize,
    /// Completions that were refused, the lease being another's.
    stale: usize,
    /// From the word to begin to the last completion.
    seconds: f64,
}

async fn open(url: &str) -> Result<(Store, Queue)> {
    let config =
        StoreConfig { kind: StoreKind::Postgres, url: Some(Hidden::new(url)), ..StoreConfig::default() };
    let engine = PostgresEngine::open(&config, PostgresOptions::default()).await?;
    let store = Store::new(Arc::new(engine), Clock::system());
    let queue = Queue::new(store.clone(), NAME)?;
    Ok((store, queue))
}

/// Be one of the processes: works the queue off once told to, and tells what it has seen.
pub(crate) async fn worker(url: &str) -> Result<()> {
    let (store, queue) = open(url).await?;
    println!("ready");
    let word = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    word.await?.context("the word to begin")?;
    let begun = Instant::now();
    let (mut told, mut last, mut seed) = (Told::default(), begun, u64::from(std::process::id()));
    let holder = format!("worker-{}", std::process::id());
    while last.elapsed() < QUIET {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let leases = queue.lease(&holder, AT_ONCE, LEASE, seed >> 16).await?;
        if leases.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        let mut tasks = JoinSet::new();
        for lease in leases {
            let queue = queue.clone();
            tasks.spawn(async move { complete(&queue, &lease).await });
        }
        while let Some(done) = tasks.join_next().await {
            match done.context("a completion ended")? {
                Ok(()) => told.completed += 1,
                Err(QueueError::Stale { .. }) => told.stale += 1,
                Err(QueueError::Store(StoreError::Conflict { kind: Effect::KIND, .. })) => told.twice += 1,
                Err(error) => return Err(error.into()),
            }
        }
        last = Instant::now();
        told.seconds = last.duration_since(begun).as_secs_f64();
    }
    println!("{}", serde_json::to_string(&told)?);
    store.close().await;
    Ok(())
}

/// The effect and the completion are one batch.
async fn complete(queue: &Queue, lease: &Lease) -> Result<(), QueueError> {
    let effect = Effect { entry: lease.id.clone() };
    queue.settle(lease, &Settle::Complete, |batch, _| batch.create(&effect)).await?;
    Ok(())
}

struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    async fn start(url: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("this program")?);
        command.arg("--queue-worker").arg(url).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("starting a worker")?;
        let mut lines = BufReader::new(child.stdout.take().context("a worker's output")?).lines();
        let line = lines.next_line().await?;
        ensure!(line.as_deref() == Some("ready"), "a worker says {line:?}");
        Ok(Self { child, lines })
    }

    async fn begin(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("a worker's input")?;
        input.write_all(b"go\n").await.context("telling a worker to begin")
    }

    async fn told(mut self) -> Result<Told> {
        let line = self.lines.next_line().await?.context("a worker ended")?;
        let told = serde_json::from_str(&line).context("what a worker told")?;
        self.child.wait().await.context("waiting for a worker")?;
        Ok(told)
    }
}

/// One run; returns entries pushed a second and entries worked off a second.
async fn once() -> Result<(f64, f64)> {
    let server = Postgres::start()?;
    let url = server.url("postgres");
    let (store, queue) = open(&url).await?;
    let begun = Instant::now();
    let mut pushed = BTreeSet::new();
    while pushed.len() < ENTRIES {
        let mut batch = store.batch();
        for _ in 0..PUSHED {
            let new = NewEntry { payload: json!({ "text": "t".repeat(200) }), ..NewEntry::default() };
            let (more, id) = queue.push_in(batch, new)?;
            batch = more;
            pushed.insert(id);
        }
        store.commit(batch).await?;
    }
    let push_rate = pushed.len() as f64 / begun.elapsed().as_secs_f64();
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(Worker::start(&url).await?);
    }
    for worker in &mut workers {
        worker.begin().await?;
    }
    let mut all = Vec::new();
    for worker in workers {
        all.push(worker.told().await?);
    }
    judge(&store, &queue, &pushed, &all).await?;
    store.close().await;
    let seconds = all.iter().map(|told| told.seconds).fold(0.0, f64::max);
    Ok((push_rate, pushed.len() as f64 / seconds))
}

/// Each entry was completed, by one process, once; nothing of it is left.
async fn judge(store: &Store, queue: &Queue, pushed: &BTreeSet<String>, all: &[Told]) -> Result<()> {
    let completed: usize = all.iter().map(|told| told.completed).sum();
    let odd = all.iter().any(|told| told.twice + told.stale > 0);
    ensure!(!odd && completed == pushed.len(), "{completed} of {} entries: {all:?}", pushed.len());
    ensure!(all.iter().all(|told| told.completed > 0), "one process did nothing: {all:?}");
    let (mut effects, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.scan::<Effect>(Scan::of("entry").after(after).limit(500)).await?;
        effects.extend(page.items.into_iter().map(|found| found.document.entry));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    ensure!(effects == *pushed, "{} effects of {} entries", effects.len(), pushed.len());
    for id in pushed {
        if let Some(left) = queue.get(id).await? {
            bail!("an entry is left: {:?}", left.document);
        }
    }
    Ok(())
}

/// 10 000 entries through four processes on one PostgreSQL.
pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let mut rates = Vec::new();
    for _ in 0..runs {
        rates.push(once().await?);
    }
    let more = |name: &str, value: f64, unit| Figure {
        better: "higher",
        ..Figure::absolute(name, value, None, unit)
    };
    let of = |pick: fn(&(f64, f64)) -> f64| median(rates.iter().map(pick));
    Ok(vec![
        more("queue pushes", of(|rate| rate.0), "entries/s, 200 a batch"),
        more("queue, 4 processes", of(|rate| rate.1), "completed/s of 10 000"),
    ])
}
