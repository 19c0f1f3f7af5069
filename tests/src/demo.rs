//! `./run demo`: a cloud and a simulated box, live, with a link to open.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stagebox_media::cmaf::CmafReader;
use stagebox_tests::house::playlist::{beside, last_segment, source_playlist, uris};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, free_port, wait_until};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// How long each step may take before the demo gives up and shows the logs.
const STEP: Duration = Duration::from_secs(40);
const STOP: Duration = Duration::from_secs(8);

/// Where the running demo is, for `./run panel`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) socket: PathBuf,
    pub(crate) address: String,
}

impl Running {
    fn file() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/demo.json")
    }

    pub(crate) fn read() -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(Self::file()).ok()?).ok()
    }
}

pub(crate) async fn run(seconds: Option<u64>, data: Option<PathBuf>) -> Result<()> {
    let temporary = tempfile::tempdir().context("making a temporary directory")?;
    let directory = data.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&directory)
        .with_context(|| format!("--data {}: cannot be created", directory.display()))?;
    let directory = directory.canonicalize().with_context(|| format!("--data {}", directory.display()))?;
    let mut house = None;
    let outcome = tokio::select! {
        outcome = show(&directory, seconds, &mut house) => outcome,
        () = asked_to_stop() => { println!("\nStopping …"); Ok(()) }
    };
    let _ = fs::remove_file(Running::file());
    let outcome = match house {
        Some(house) => outcome.and(stop(house).await),
        None => outcome,
    };
    if outcome.is_err() {
        for name in ["cloud", "box"] {
            let log = fs::read_to_string(directory.join(format!("logs/{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("---- {name} ----\n{}", lines[lines.len().saturating_sub(15)..].join("\n"));
        }
    }
    if let Some(data) = data {
        println!("The data is kept in {}.", data.display());
    }
    outcome
}

async fn asked_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}

/// Ends both in order, so that the recording is closed and every write is on disk.
async fn stop(house: (Cloud, Agent)) -> Result<()> {
    let (mut cloud, mut agent) = house;
    agent.process.stop(STOP).await.context("stopping the box")?;
    cloud.process.stop(STOP).await.context("stopping the cloud")?;
    Ok(())
}

async fn show(directory: &Path, seconds: Option<u64>, house: &mut Option<(Cloud, Agent)>) -> Result<()> {
    let (cloud, agent) = house.insert(start(directory).await?);
    let event = go_live(cloud, agent).await?;
    page(cloud, &event);
    let running = Running { socket: agent.socket(), address: cloud.api.base().to_owned() };
    fs::write(Running::file(), serde_json::to_vec(&running)?).context("writing target/demo.json")?;
    let Some(seconds) = seconds else {
        return watch(cloud, agent).await;
    };
    let before = last_segment(cloud, &event).await?;
    tokio::select! {
        ended = watch(cloud, agent) => return ended,
        () = sleep(Duration::from_secs(seconds)) => {}
    }
    let after = last_segment(cloud, &event).await?;
    ensure!(after > before, "the playlist did not advance: its last segment stayed {before}");
    println!("The playlist advanced from segment {before} to {after}.");
    let samples = item_plays(cloud, &event).await?;
    println!("The item plays: {samples} frames in its first segments.");
    Ok(())
}

async fn start(directory: &Path) -> Result<(Cloud, Agent)> {
    step("Starting the cloud");
    let options = CloudOptions {
        ports: [free_port(8080), free_port(1935), free_port(1883)],
        ..CloudOptions::default()
    };
    let cloud = Cloud::start(directory, &options).await?;
    step("Starting the box");
    let options = AgentOptions {
        width: 1280,
        height: 720,
        fps: 25,
        bitrate_kbps: 2500,
        preset: "superfast".into(),
        ..AgentOptions::default()
    };
    let agent = Agent::start(directory, &cloud, &options).await?;
    Ok((cloud, agent))
}

/// Makes an event, puts the box live and starts the event; returns its id.
async fn go_live(cloud: &Cloud, agent: &Agent) -> Result<String> {
    let event = cloud
        .api
        .post("events", &json!({ "title": "Demo", "device_id": agent.id }))
        .await
        .context("making an event")?;
    let event = event["id"].as_str().context("the event has an id")?.to_owned();
    step("Waiting for the box");
    wait_until("the box is online", STEP, || async {
        // A box that is not there yet answers 409 or 504: it is asked again.
        Ok(agent.command(cloud, "start_stream").await.ok())
    })
    .await?;
    agent.command(cloud, "start_recording").await.context("starting the box's recording")?;
    step("The box goes live");
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    cloud.api.set_status(&event, "started").await.context("starting the event")?;
    wait_until("the event plays", STEP, || async { Ok(last_segment(cloud, &event).await.ok()) }).await?;
    Ok(event)
}

fn step(text: &str) {
    println!("  {text} …");
}

fn page(cloud: &Cloud, event: &str) {
    let base = cloud.api.base();
    let (email, password) = cloud.api.credentials();
    println!(
        "\n  Stagebox is live.\n\n  \
         Watch     {base}/embed/events/{event}\n  \
         Admin     {base}/\n  \
         User      {email}\n  \
         Password  {password}\n  \
         Panel     ./run panel   (in another terminal)\n\n  \
         Ctrl-C ends it.\n"
    );
}

/// Returns only when one of the two has ended by itself.
async fn watch(cloud: &mut Cloud, agent: &mut Agent) -> Result<()> {
    loop {
        if let Some(status) = cloud.process.ended() {
            bail!("the cloud ended with {status}");
        }
        if let Some(status) = agent.process.ended() {
            bail!("the box ended with {status}");
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Ends the event and reads frames out of the item's first segments.
async fn item_plays(cloud: &Cloud, event: &str) -> Result<usize> {
    cloud.api.set_status(event, "ended").await.context("ending the event")?;
    let item = cloud.api.wait_item(event, Duration::from_secs(10)).await?;
    let id = item["id"].as_str().context("the item has an id")?;
    let path = format!("/vod/public/{id}/index.m3u8");
    let path = source_playlist(cloud, &path).await?;
    let playlist = cloud.api.fetch_text(&path).await?;
    ensure!(playlist.contains("#EXT-X-ENDLIST"), "the item's playlist has no end");
    let init = playlist
        .split("#EXT-X-MAP:URI=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .context("the item's playlist has no EXT-X-MAP")?;
    let mut reader = CmafReader::new();
    reader.push(cloud.api.fetch(&beside(&path, init)).await?);
    for name in uris(&playlist).take(3) {
        reader.push(cloud.api.fetch(&beside(&path, name)).await?);
    }
    let mut frames = 0;
    while let Some(packet) = reader.next().context("reading the item's frames")? {
        frames += usize::from(matches!(packet, stagebox_media::Packet::Frame(_)));
    }
    ensure!(frames > 0, "the item has no frames");
    Ok(frames)
}
