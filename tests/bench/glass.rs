//! Glass to player: the age of the picture in Chromium, from the test pattern's own timecode.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, wait_until};
use tokio::process::Command;

use super::figure::{Figure, median};

const STEP: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
struct Seen {
    samples: usize,
    p50_ms: f64,
    p95_ms: f64,
}

async fn once() -> Result<Seen> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let options = AgentOptions { source: Source::Pattern, fps: 25, ..AgentOptions::default() };
    let agent = Agent::start(directory.path(), &cloud, &options).await?;
    let event = cloud.api.post("events", &json!({ "title": "Glass", "device_id": agent.id })).await?;
    let event = event["id"].as_str().context("the event has an id")?;
    wait_until("the box is online", STEP, || async { Ok(agent.command(&cloud, "start_stream").await.ok()) })
        .await?;
    cloud.api.wait_receiving(event, "main", STEP).await?;
    cloud.api.set_status(event, "started").await?;
    let mut command = Command::new("node");
    command
        .args(["e2e/glass.mjs", event])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloud/web"));
    command.env("STAGEBOX_URL", cloud.api.base()).kill_on_drop(true);
    let output = command.output().await.context("starting node")?;
    ensure!(output.status.success(), "the player: {}", String::from_utf8_lossy(&output.stderr));
    let seen: Seen = serde_json::from_slice(&output.stdout).context("reading what the player saw")?;
    ensure!(seen.samples > 20, "only {} pictures had a timecode", seen.samples);
    Ok(seen)
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let mut seen = Vec::new();
    for _ in 0..runs {
        seen.push(once().await?);
    }
    let seconds = |pick: fn(&Seen) -> f64| median(seen.iter().map(pick)) / 1000.0;
    Ok(vec![
        Figure::absolute("glass to player, p50", seconds(|seen| seen.p50_ms), Some(3.0), "s"),
        Figure::absolute("glass to player, p95", seconds(|seen| seen.p95_ms), None, "s"),
    ])
}
