//! Each figure beside a peer's on the same work, alternating, the median of at least three runs.
#![allow(clippy::disallowed_methods, reason = "a driver: it starts processes and measures them")]

mod api;
mod av;
mod capture;
mod commands;
mod cpu;
mod crash;
mod crowd;
mod delivery;
mod door;
mod failover;
mod figure;
mod flv;
mod footage;
mod foreign;
mod glass;
mod http;
mod ingest;
mod item;
mod ladder;
mod live;
mod memory;
mod network;
mod outages;
mod packaging;
mod panel;
mod postgres;
mod powercut;
mod queue;
mod redb_peer;
mod servers;
mod simulcast;
mod stand;
mod start;
mod store;
mod viewer;
mod viewers;

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use figure::Figure;

#[derive(Debug, Parser)]
#[command(name = "./run bench", about = "Figures beside a peer's on the same work")]
struct Arguments {
    /// Which figures; all by default. `faults` are all of the box's.
    names: Vec<String>,
    /// Writes the figures as JSON lines too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Runs of each side, of which the median counts (3); power cuts (200).
    #[arg(long)]
    runs: Option<usize>,
    /// How long sound and picture are compared (av, 20), and how long there are outages (outages, 10).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=120))]
    minutes: Option<u32>,
    /// Be the ingest server that is measured.
    #[arg(long, hide = true)]
    sink: Option<SocketAddr>,
    /// Be the process that reads in a store.
    #[arg(long, hide = true)]
    store_reader: Option<PathBuf>,
    /// Have the outages in the network that this runs in.
    #[arg(long, hide = true)]
    outages_inside: bool,
    /// Be one of the processes that work a queue off.
    #[arg(long, hide = true)]
    queue_worker: Option<String>,
}

/// What can be measured, by name.
const NAMES: &[&str] = &[
    "box",
    "ingest",
    "packaging",
    "ladder",
    "simulcast",
    "delivery",
    "viewers",
    "api",
    "streams",
    "storm",
    "glass",
    "av",
    "start",
    "failover",
    "item",
    "store",
    "million",
    "postgres",
    "postgres-million",
    "queue",
    "commands",
    "golive",
    "servers",
    "outages",
    "crash",
    "memory",
    "powercut",
];

/// What a box does about orders and faults.
const FAULTS: &[&str] = &["commands", "golive", "servers", "outages", "crash", "memory", "powercut"];

const RUNS: usize = 3;
const AV_MINUTES: u32 = 20;
const OUTAGES_MINUTES: u32 = 10;

async fn measure(name: &str, arguments: &Arguments) -> Result<Vec<Figure>> {
    let runs = arguments.runs.unwrap_or(RUNS).max(1);
    match name {
        "box" => capture::measure(runs).await,
        "ingest" => ingest::measure(runs).await,
        "packaging" => packaging::measure(runs).await,
        "ladder" => ladder::measure(runs).await,
        "simulcast" => simulcast::measure(runs).await,
        "delivery" => delivery::measure(runs).await,
        "viewers" => viewers::measure(runs).await,
        "api" => api::answers(runs).await,
        "streams" => api::streams().await,
        "storm" => api::storm(runs).await,
        "store" => store::writes(runs).await,
        "million" => store::million(runs).await,
        "postgres" => postgres::writes(runs).await,
        "postgres-million" => postgres::million(runs).await,
        "queue" => queue::measure(runs).await,
        "glass" => glass::measure(runs).await,
        "av" => av::measure(arguments.minutes.unwrap_or(AV_MINUTES)).await,
        "start" => start::measure(runs).await,
        "failover" => failover::measure(runs).await,
        "item" => item::measure().await,
        "commands" => commands::measure().await,
        "golive" => servers::starts().await,
        "servers" => servers::faults().await,
        "outages" => outages::measure(arguments.minutes.unwrap_or(OUTAGES_MINUTES)).await,
        "crash" => crash::measure().await,
        "memory" => memory::measure().await,
        "powercut" => powercut::measure(arguments.runs.unwrap_or(powercut::MOMENTS).max(1)).await,
        _ => bail!("no figure '{name}'; there are: {}, and faults", NAMES.join(", ")),
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    if let Some(address) = arguments.sink {
        return ingest::sink(address).await;
    }
    if let Some(path) = &arguments.store_reader {
        return store::reader(path).await;
    }
    if let Some(url) = &arguments.queue_worker {
        return queue::worker(url).await;
    }
    if arguments.outages_inside {
        let outcome = outages::inside(arguments.minutes.unwrap_or(OUTAGES_MINUTES), true).await?;
        println!("{}", serde_json::to_string(&outcome)?);
        return Ok(());
    }
    let names: Vec<&str> = if arguments.names.is_empty() {
        NAMES.to_vec()
    } else {
        let named = arguments.names.iter().map(String::as_str);
        named.flat_map(|name| if name == "faults" { FAULTS.to_vec() } else { vec![name] }).collect()
    };
    let mut json = arguments
        .json
        .as_ref()
        .map(File::create)
        .transpose()
        .context("--json: the file cannot be created")?;
    println!("{}", figure::HEAD);
    for name in names {
        for figure in measure(name, arguments).await.with_context(|| format!("figure '{name}'"))? {
            println!("{figure}");
            if let Some(json) = &mut json {
                writeln!(json, "{}", serde_json::to_string(&figure)?).context("--json: writing")?;
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Runtime::new()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
