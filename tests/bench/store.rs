//! The store: durable writes a second beside redb, and reads among a million documents.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::BoxFuture;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use stagebox_cloud::clock::Clock;
use stagebox_cloud::store::{Document, Index, IndexKey, Owner, Scan, SledOptions, Store};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::cpu;
use super::figure::{Figure, median};
use super::redb_peer::Peer;

/// How long each side writes in a run.
const WINDOW: Duration = Duration::from_secs(3);
pub(crate) const WRITERS: [usize; 3] = [1, 16, 64];
/// Documents among which is read.
pub(crate) const DOCUMENTS: u64 = 1_000_000;
/// Writers that fill the store.
const FILLERS: u64 = 128;
const POINT_READS: usize = 20_000;
const PAGE_READS: usize = 2_000;
const PAGE: usize = 50;

/// A document of 500 bytes with two indexes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) number: u64,
    pub(crate) text: String,
}

impl Ticket {
    pub(crate) fn new(writer: u64, number: u64) -> Self {
        let id = format!("tkt_{writer:04}{number:012}");
        // What is left of 500 bytes beside the names and the other values.
        Self { id, owner: format!("usr_{:016}", number % 1000), number, text: "t".repeat(408) }
    }
}

impl Document for Ticket {
    const KIND: &'static str = "ticket";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::many("owner", IndexKey::new().text(&self.owner).number(self.number)),
            Index::many("number", IndexKey::new().number(self.number)),
        ]
    }
}

/// Something that tickets can be written to durably.
pub(crate) trait Sink: Send + Sync + 'static {
    fn write(&self, ticket: Ticket) -> BoxFuture<'_, Result<()>>;
}

impl Sink for Store {
    fn write(&self, ticket: Ticket) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.create(ticket).await?;
            Ok(())
        })
    }
}

/// What a run of writers came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Lets writers write for a while, each one ticket after the other.
pub(crate) async fn rate(sink: Arc<dyn Sink>, writers: usize) -> Result<Rate> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let sink = Arc::clone(&sink);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for number in 0.. {
                let started = Instant::now();
                if started.duration_since(begun) > WINDOW {
                    break;
                }
                sink.write(Ticket::new(writer as u64, number)).await?;
                latencies.push(started.elapsed().as_secs_f64() * 1000.0);
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done.context("a writer ended")??);
    }
    let per_second = all.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(Rate { per_second, p50_ms: percentile(&mut all, 0.5), p99_ms: percentile(&mut all, 0.99) })
}

pub(crate) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN)
}

fn open(path: &Path) -> Result<Store> {
    Ok(Store::open_home(path, SledOptions::default(), Clock::system())?)
}

async fn ours(writers: usize) -> Result<Rate> {
    let directory = tempfile::tempdir()?;
    let store = open(directory.path())?;
    let rate = rate(Arc::new(store.clone()), writers).await?;
    store.close().await;
    Ok(rate)
}

pub(crate) async fn peer(writers: usize) -> Result<Rate> {
    let directory = tempfile::tempdir()?;
    rate(Arc::new(Peer::open(&directory.path().join("redb"))?), writers).await
}

/// Durable writes a second, alternating with redb.
pub(crate) async fn writes(runs: usize) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for writers in WRITERS {
        let mut pairs = Vec::new();
        for _ in 0..runs {
            pairs.push((ours(writers).await?, peer(writers).await?));
        }
        let rates: Vec<_> = pairs.iter().map(|(ours, peer)| (ours.per_second, peer.per_second)).collect();
        let p50: Vec<_> = pairs.iter().map(|(ours, peer)| (ours.p50_ms, peer.p50_ms)).collect();
        let p99: Vec<_> = pairs.iter().map(|(ours, peer)| (ours.p99_ms, peer.p99_ms)).collect();
        let of = format!("{writers} writers");
        figures.push(Figure::higher(&format!("store writes, {of}"), &rates, Some(0.8), "durable writes/s"));
        figures.push(Figure::lower(&format!("store p50, {of}"), &p50, None, "ms a write"));
        figures.push(Figure::lower(&format!("store p99, {of}"), &p99, None, "ms a write"));
    }
    Ok(figures)
}

/// What the reading process tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) opened_s: f64,
    pub(crate) point_p50_ms: f64,
    pub(crate) point_p99_ms: f64,
    pub(crate) page_p50_ms: f64,
    pub(crate) page_p99_ms: f64,
}

/// Reads at random in a store, tells how long it took, and goes on writing until it is killed.
pub(crate) async fn reader(path: &Path) -> Result<()> {
    let begun = Instant::now();
    let store = open(path)?;
    let opened_s = begun.elapsed().as_secs_f64();
    let mut told = reads(&store).await?;
    told.opened_s = opened_s;
    println!("{}", serde_json::to_string(&told)?);
    for number in 0.. {
        store.create(Ticket::new(9000 + u64::from(std::process::id() % 999), number)).await?;
    }
    Ok(())
}

pub(crate) async fn reads(store: &Store) -> Result<Told> {
    let mut random = SmallRng::seed_from_u64(7);
    let mut number = || random.random_range(0..DOCUMENTS);
    let (mut points, mut pages) = (Vec::new(), Vec::new());
    for _ in 0..POINT_READS {
        let number = number();
        let id = Ticket::new(number % FILLERS, number).id;
        let started = Instant::now();
        let found = store.get::<Ticket>(&id).await?;
        points.push(started.elapsed().as_secs_f64() * 1000.0);
        ensure!(found.is_some(), "{id} is not there");
    }
    for _ in 0..PAGE_READS {
        let owner = format!("usr_{:016}", number() % 1000);
        let scan = Scan::of("owner").within(IndexKey::new().text(owner)).falling().limit(PAGE);
        let started = Instant::now();
        let page = store.scan::<Ticket>(scan).await?;
        pages.push(started.elapsed().as_secs_f64() * 1000.0);
        ensure!(page.items.len() == PAGE, "a page of {}", page.items.len());
    }
    Ok(Told {
        opened_s: 0.0,
        point_p50_ms: percentile(&mut points, 0.5),
        point_p99_ms: percentile(&mut points, 0.99),
        page_p50_ms: percentile(&mut pages, 0.5),
        page_p99_ms: percentile(&mut pages, 0.99),
    })
}

/// Fills a store with all documents.
pub(crate) async fn fill(store: &Store) -> Result<()> {
    let mut tasks = JoinSet::new();
    for writer in 0..FILLERS {
        let store = store.clone();
        tasks.spawn(async move {
            for number in (writer..DOCUMENTS).step_by(FILLERS as usize) {
                store.create(Ticket::new(writer, number)).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.context("a writer ended")??;
    }
    Ok(())
}

/// Reads among a million documents, the memory it takes, and how soon it is open after kill -9.
pub(crate) async fn million(runs: usize) -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let store = open(directory.path())?;
    fill(&store).await?;
    store.close().await;
    drop(store);
    let (mut told, mut memory) = (Vec::new(), Vec::new());
    // The first one opens what was closed, the others what was killed.
    for _ in 0..=runs {
        let mut command = Command::new(std::env::current_exe().context("this program")?);
        command.arg("--store-reader").arg(directory.path()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("starting a reader")?;
        let mut lines = BufReader::new(child.stdout.take().context("the reader's output")?).lines();
        let line = lines.next_line().await?.context("the reader ended")?;
        told.push(serde_json::from_str::<Told>(&line).context("what the reader told")?);
        memory.push(cpu::resident_mib(child.id())?);
        // In the midst of its writes.
        tokio::time::sleep(Duration::from_millis(300)).await;
        kill(Pid::from_raw(child.id().context("the reader")? as i32), Signal::SIGKILL)?;
        child.wait().await?;
    }
    let killed = told.get(1..).unwrap_or_default();
    let of = |pick: fn(&Told) -> f64| median(told.iter().map(pick));
    Ok(vec![
        Figure::absolute("store point read, p50", of(|told| told.point_p50_ms), None, "ms of 1 M"),
        Figure::absolute("store point read, p99", of(|told| told.point_p99_ms), Some(5.0), "ms of 1 M"),
        Figure::absolute("store page of 50, p50", of(|told| told.page_p50_ms), None, "ms of 1 M"),
        Figure::absolute("store page of 50, p99", of(|told| told.page_p99_ms), Some(5.0), "ms of 1 M"),
        Figure::absolute("store memory", median(memory.into_iter()), Some(400.0), "MiB at 1 M"),
        Figure::absolute(
            "store open after kill",
            median(killed.iter().map(|t| t.opened_s)),
            Some(5.0),
            "s at 1 M",
        ),
    ])
}
