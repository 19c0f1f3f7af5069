//! The whole house as real processes on loopback: real media, real sockets, real files.
#![allow(clippy::disallowed_methods, reason = "a driver: it starts processes and waits for them")]

mod accounts;
mod accounts_shared;
mod acme;
mod configuration;
mod disk;
mod duties;
mod encoders;
mod figures;
mod foreign;
mod healing;
mod hush;
mod jobs;
mod killed;
mod mail;
mod management;
mod many;
mod media;
mod openapi;
mod outbound;
mod outputs;
mod personal;
mod poor;
mod postgres;
mod postgres_full;
mod postgres_tls;
mod powercut;
mod preflight;
mod quotas;
mod recovery;
mod roles;
mod secrets;
mod simulcast;
mod store;
mod store_copy;
mod switching;
mod tenant;
mod tls;
mod together;
mod wrong;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::peer::{Client, publish};
use stagebox_tests::house::playlist::segments;
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, wait_until};

/// The longest that one step of a test may take.
const STEP: Duration = Duration::from_secs(20);
/// Microseconds of a frame at 15 a second.
const FRAME_US: i64 = 66_667;

/// A cloud and a box, with an event that the box is assigned to.
struct Stage {
    cloud: Cloud,
    agent: Agent,
    event: String,
    /// Goes last: the processes above write into it.
    _directory: tempfile::TempDir,
}

impl Stage {
    async fn set(options: &CloudOptions, agent: &AgentOptions) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let cloud = Cloud::start(directory.path(), options).await?;
        let agent = Agent::start(directory.path(), &cloud, agent).await?;
        let event = make_event(&cloud, Some(&agent.id)).await?;
        Ok(Self { cloud, agent, event, _directory: directory })
    }

    /// Live and recording, the event started.
    async fn live() -> Result<Self> {
        let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
        let stage = Self::set(&options, &AgentOptions::default()).await?;
        no_slate(&stage.cloud).await?;
        stage.command("start_recording").await?;
        stage.command("start_stream").await?;
        stage.cloud.api.wait_receiving(&stage.event, "main", STEP).await?;
        stage.cloud.api.set_status(&stage.event, "started").await?;
        Ok(stage)
    }

    /// Repeats the command until the box, which may just be starting, carries it out.
    async fn command(&self, name: &str) -> Result<Value> {
        wait_until(name, STEP, || async { Ok(self.agent.command(&self.cloud, name).await.ok()) }).await
    }
}

/// Has events stand still while nothing is broadcast, so that a playlist that goes on shows that something is.
async fn no_slate(cloud: &Cloud) -> Result<()> {
    cloud.api.patch("account/settings", &json!({ "slate": false })).await?;
    Ok(())
}

async fn make_event(cloud: &Cloud, device: Option<&str>) -> Result<String> {
    let event = cloud.api.post("events", &json!({ "title": "Test", "device_id": device })).await?;
    Ok(event["id"].as_str().unwrap_or_default().to_owned())
}

/// The publish address of an event's input, key included.
async fn publish_url(cloud: &Cloud, event: &str, input: &str) -> Result<String> {
    let event = cloud.api.get(&format!("events/{event}")).await?;
    let key = event["inputs"][input]["key"].as_str().unwrap_or_default();
    Ok(format!("rtmp://{}/live/{key}", cloud.ports.rtmp))
}

/// ffmpeg pushes so many frames to an event, which is started and ended around it; the item that comes of it.
async fn broadcast(cloud: &Cloud, directory: &Path, event: &str, url: &str, frames: u32) -> Result<Value> {
    cloud.api.set_status(event, "started").await?;
    let mut publisher = publish(Client::Ffmpeg, directory, url, frames)?;
    cloud.api.wait_receiving(event, "main", STEP).await?;
    let status = publisher.wait(STEP).await?;
    ensure!(status.success(), "ffmpeg ended with {status}: {}", publisher.tail(10));
    cloud.api.set_status(event, "ended").await?;
    cloud.api.wait_item(event, STEP).await
}

/// Waits until the live playlist has `more` complete segments than `from`.
async fn wait_segments(cloud: &Cloud, event: &str, from: u64, more: u64) -> Result<u64> {
    wait_until("the playlist goes on", Duration::from_secs(30), || async {
        let end = segments(cloud, event).await.map_or(0, |(_, end)| end);
        Ok((end >= from + more).then_some(end))
    })
    .await
}
