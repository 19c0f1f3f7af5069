//! Glass to player: the age of the picture in Chromium, from the test pattern's own timecode.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
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

/// An event that a box sends its test pattern to.
pub(super) struct Viewed {
    cloud: Cloud,
    event: String,
    _agent: Agent,
    _directory: tempfile::TempDir,
}

impl Viewed {
    /// Not started yet.
    pub(super) async fn receiving() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
        let options = AgentOptions { source: Source::Pattern, fps: 25, ..AgentOptions::default() };
        let agent = Agent::start(directory.path(), &cloud, &options).await?;
        let event = cloud.api.post("events", &json!({ "title": "Glass", "device_id": agent.id })).await?;
        let event = event["id"].as_str().context("the event has an id")?.to_owned();
        wait_until("the box is online", STEP, || async {
            Ok(agent.command(&cloud, "start_stream").await.ok())
        })
        .await?;
        cloud.api.wait_receiving(&event, "main", STEP).await?;
        Ok(Self { cloud, event, _agent: agent, _directory: directory })
    }

    /// Has Chromium watch it by this script, and reads what the script says.
    pub(super) async fn watch<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        let (email, password) = self.cloud.api.credentials();
        let mut command = Command::new("node");
        command
            .args([script, &self.event])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloud/web"))
            .env("STAGEBOX_URL", self.cloud.api.base())
            .env("STAGEBOX_EMAIL", email)
            .env("STAGEBOX_PASSWORD", password)
            .kill_on_drop(true);
        let output = command.output().await.context("starting node")?;
        ensure!(output.status.success(), "the player: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("reading what the player saw")
    }
}

async fn once() -> Result<Seen> {
    let viewed = Viewed::receiving().await?;
    viewed.cloud.api.set_status(&viewed.event, "started").await?;
    let seen: Seen = viewed.watch("e2e/glass.mjs").await?;
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
        Figure::absolute("glass to player, p50", seconds(|seen| seen.p50_ms), Some(2.5), "s"),
        Figure::absolute("glass to player, p95", seconds(|seen| seen.p95_ms), Some(4.0), "s"),
    ])
}
