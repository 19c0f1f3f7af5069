//! `./run soak`: the whole job for as long as asked, with a part killed every little while.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use stagebox_tests::house::memory::{FLAT_MIB, Growth, resident_mib};
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, child_of, last_segment, wait_until};
use stagebox_tests::powercut::{self, End, Part};
use tokio::time::{interval, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

const STEP: Duration = Duration::from_secs(60);
const PAUSE_S: std::ops::Range<u64> = 5..25;
const FRAME_US: i64 = 66_667;

/// The memory of the box that nobody kills is looked at so often.
const SAMPLE: Duration = Duration::from_secs(2);

/// What is killed with kill -9.
const PARTS: [&str; 5] = ["agent", "media", "cloud", "mosquitto", "worker"];

pub(crate) async fn run(minutes: u64, seed: u64) -> Result<()> {
    let directory = tempfile::tempdir().context("making a temporary directory")?;
    let mut random = StdRng::seed_from_u64(seed);
    println!("Soak of {minutes} min, seed {seed} (the same seed kills the same parts in the same order).");
    let mut cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let options = AgentOptions { width: 960, height: 540, ..AgentOptions::default() };
    let mut agent = Agent::start(directory.path(), &cloud, &options).await?;
    let event = cloud.api.post("events", &json!({ "title": "Soak", "device_id": agent.id })).await?;
    let event = event["id"].as_str().context("the event has an id")?.to_owned();
    live_and_recording(&agent, &cloud).await?;
    let steady = steady_box(&directory.path().join("steady"), &cloud).await?;
    let memory = Memory::of(steady.process.id().context("the box that nobody kills has ended")?);
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    cloud.api.set_status(&event, "started").await?;
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_secs(minutes * 60) {
        sleep(Duration::from_secs(random.random_range(PAUSE_S))).await;
        let before = last_segment(&cloud, &event).await.unwrap_or(0);
        let part = PARTS[random.random_range(0..PARTS.len())];
        (cloud, agent) = kill_part(part, cloud, agent).await?;
        let after = wait_until("the playlist goes on", STEP, || async {
            Ok(last_segment(&cloud, &event).await.ok().filter(|after| *after > before + 1))
        })
        .await
        .with_context(|| format!("after kill -9 of {part}"))?;
        rounds += 1;
        println!("{:>6} s  killed {part:<9}  segment {before} → {after}", begun.elapsed().as_secs());
    }
    wait_until("stop_recording", STEP, || async { Ok(agent.command(&cloud, "stop_recording").await.ok()) })
        .await?;
    cloud.api.set_status(&event, "ended").await?;
    cloud.api.wait_item(&event, STEP).await?;
    let files = probe::recordings(&agent.recordings());
    for file in &files {
        let packets = probe::packets(&file.display().to_string(), Stream::Video, None).await?;
        let gaps = probe::gaps(&packets, FRAME_US);
        ensure!(gaps.is_empty(), "{}: {gaps:?}", file.display());
    }
    println!("{rounds} parts killed; the event has its item, {} recordings are whole.", files.len());
    println!("{}", memory.told());
    Ok(())
}

async fn live_and_recording(agent: &Agent, cloud: &Cloud) -> Result<()> {
    for command in ["start_recording", "start_stream"] {
        wait_until(command, STEP, || async { Ok(agent.command(cloud, command).await.ok()) }).await?;
    }
    Ok(())
}

/// A second box of which no part is killed, though its cloud, its broker and its servers are: its memory is to stay.
async fn steady_box(directory: &Path, cloud: &Cloud) -> Result<Agent> {
    let options = AgentOptions { width: 320, height: 180, bitrate_kbps: 400, ..AgentOptions::default() };
    let agent = Agent::start(directory, cloud, &options).await?;
    cloud.api.post("events", &json!({ "title": "Steady", "device_id": agent.id })).await?;
    live_and_recording(&agent, cloud).await?;
    Ok(agent)
}

/// A process's memory, looked at until it is dropped.
struct Memory {
    samples_mib: Arc<Mutex<Vec<f64>>>,
    _end: DropGuard,
}

impl Memory {
    fn of(id: u32) -> Self {
        let samples_mib = Arc::<Mutex<Vec<f64>>>::default();
        let (kept, end) = (Arc::clone(&samples_mib), CancellationToken::new());
        tokio::spawn(end.clone().run_until_cancelled_owned(async move {
            let mut beat = interval(SAMPLE);
            while let Some(mib) = resident_mib(id) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(mib);
                beat.tick().await;
            }
        }));
        Self { samples_mib, _end: end.drop_guard() }
    }

    fn told(&self) -> String {
        let samples = self.samples_mib.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(growth) = Growth::of(&samples) else {
            return "The soak was too short for memory.".to_owned();
        };
        format!(
            "The agent that nobody killed: {:.1} MiB in the second quarter, {:.1} MiB in the last, {} (target: at most \
             {FLAT_MIB} MiB more).",
            growth.second_quarter_mib,
            growth.last_quarter_mib,
            if growth.is_flat() { "met" } else { "missed" },
        )
    }
}

async fn kill_part(part: &str, mut cloud: Cloud, mut agent: Agent) -> Result<(Cloud, Agent)> {
    let end = |id: i32| kill(Pid::from_raw(id), Signal::SIGKILL).with_context(|| format!("killing {part}"));
    match part {
        "agent" => {
            agent.process.kill().await?;
            agent = agent.restart()?;
        }
        "cloud" => {
            cloud.process.kill().await?;
            cloud = cloud.restart().await?;
        }
        "media" => end(child_of(agent.process.id(), " media")?)?,
        "mosquitto" => end(child_of(cloud.process.id(), "mosquitto")?)?,
        "worker" => {
            // It may be starting anew just now.
            let id =
                wait_until("a worker", STEP, || async { Ok(child_of(cloud.process.id(), " worker").ok()) })
                    .await?;
            end(id)?;
        }
        _ => bail!("no part is called {part}"),
    }
    Ok((cloud, agent))
}

/// Of so many power cuts one box is started as a whole.
const CUTS_OF_A_BOX: usize = 60;
/// Cuts in the life of one writer.
const CUTS_OF_A_RUN: usize = 5;

/// Moments of recordings, at most, at which it is measured what a power cut costs.
const MOMENTS: usize = 200;
const MOMENTS_OF_A_RUN: usize = 8;

/// Cuts the power `cuts` times under all parts or one, and says after each group of them that nothing was lost.
pub(crate) async fn cut_power(cuts: usize, seed: u64, only: Option<Part>) -> Result<()> {
    println!("{cuts} power cuts, seed {seed}.");
    let begun = Instant::now();
    let mut done = 0;
    for group in 0.. {
        let seed = seed.wrapping_add(group);
        for part in Part::ALL.into_iter().filter(|part| only.is_none_or(|only| only == *part)) {
            let some = cuts.saturating_sub(done).min(CUTS_OF_A_BOX / 3);
            done += powercut::cut(part, seed, some, CUTS_OF_A_RUN).await?;
            println!("{:>6} s  {done:>5} cuts, seed {seed}, {}", begun.elapsed().as_secs(), part.name());
        }
        if only.is_none() {
            let end = if group % 2 == 0 { End::Killed } else { End::Stopped };
            powercut::a_box_that_records(seed, CUTS_OF_A_RUN, 400_000, end).await?;
            done += CUTS_OF_A_RUN;
            println!("{:>6} s  {done:>5} cuts, seed {seed}, a whole box", begun.elapsed().as_secs());
        }
        if done >= cuts {
            break;
        }
    }
    if only.is_none_or(|only| only == Part::Recorder) {
        let moments = powercut::moments(seed, cuts.min(MOMENTS), MOMENTS_OF_A_RUN).await?;
        println!("{moments}.");
        ensure!(moments.worst_s() <= powercut::MOST_LOST_S, "more is lost than may be");
    }
    println!("{done} power cuts: everything acknowledged was there, and everything older than 0.6 s played.");
    Ok(())
}
