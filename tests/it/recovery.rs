//! kill -9 of each part: all comes back by itself, and nothing acknowledged is lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stagebox_tests::house::playlist::segments;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{child_of, wait_until};

use super::{FRAME_US, STEP, Stage, wait_segments};

/// Each recording of the box is whole from its first to its last frame.
async fn recordings_are_whole(stage: &Stage, at_least: usize) -> Result<()> {
    let files = probe::recordings(&stage.agent.recordings());
    ensure!(files.len() >= at_least, "{} recordings, {at_least} expected", files.len());
    for file in files {
        let name = file.display().to_string();
        let packets = probe::packets(&name, Stream::Video, None).await?;
        let gaps = probe::gaps(&packets, FRAME_US);
        ensure!(packets.first().is_some_and(|packet| packet.key), "{name} does not begin with a keyframe");
        ensure!(gaps.is_empty(), "{name}: {gaps:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_killed_while_live_and_recording() -> Result<()> {
    let mut stage = Stage::live().await?;
    let end = wait_segments(&stage.cloud, &stage.event, 0, 2).await?;
    let media = child_of(stage.agent.process.id(), " media")?;
    stage.agent.process.kill().await?;
    wait_until("the media child ends with its parent", STEP, || async {
        Ok((!std::path::Path::new(&format!("/proc/{media}")).exists()).then_some(()))
    })
    .await?;
    stage.agent = stage.agent.restart()?;
    // Nobody pressed anything: the intents were kept.
    wait_until("the box records again", STEP, || async {
        Ok((probe::recordings(&stage.agent.recordings()).len() > 1).then_some(()))
    })
    .await?;
    // What was under way when it was killed can still have made a segment or two.
    wait_segments(&stage.cloud, &stage.event, end, 3).await?;
    stage.command("stop_recording").await?;
    stage.command("stop_stream").await?;
    recordings_are_whole(&stage, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_child_is_killed() -> Result<()> {
    let stage = Stage::live().await?;
    let end = wait_segments(&stage.cloud, &stage.event, 0, 2).await?;
    let media = child_of(stage.agent.process.id(), " media")?;
    kill(Pid::from_raw(media), Signal::SIGKILL)?;
    wait_segments(&stage.cloud, &stage.event, end, 2).await?;
    let output = stage.cloud.process.output();
    let connections = output.matches("publishing").count();
    ensure!(connections <= 1, "the RTMP session did not survive its encoder: {connections} publishes");
    stage.command("stop_recording").await?;
    recordings_are_whole(&stage, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_is_killed_while_an_event_is_started() -> Result<()> {
    let mut stage = Stage::live().await?;
    let end = wait_segments(&stage.cloud, &stage.event, 0, 2).await?;
    let (first, _) = segments(&stage.cloud, &stage.event).await?;
    let mosquitto = child_of(stage.cloud.process.id(), "mosquitto")?;
    let acknowledged = super::make_event(&stage.cloud, None).await?;
    stage.cloud.process.kill().await?;
    wait_until("Mosquitto ends with the cloud", STEP, || async {
        Ok((!std::path::Path::new(&format!("/proc/{mosquitto}")).exists()).then_some(()))
    })
    .await?;
    stage.cloud = stage.cloud.restart().await?;
    let event = stage.cloud.api.get(&format!("events/{}", stage.event)).await?;
    ensure!(event["status"] == "started", "the event is {}", event["status"]);
    stage.cloud.api.get(&format!("events/{acknowledged}")).await.context("an acknowledged event is gone")?;
    let after = wait_segments(&stage.cloud, &stage.event, end, 2).await?;
    let (still, _) = segments(&stage.cloud, &stage.event).await?;
    ensure!(still == first && after > end, "another playlist: began at {first}, now at {still}");
    stage.cloud.api.set_status(&stage.event, "ended").await?;
    stage.cloud.api.wait_item(&stage.event, STEP).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_is_killed() -> Result<()> {
    let stage = Stage::live().await?;
    let end = wait_segments(&stage.cloud, &stage.event, 0, 1).await?;
    let mosquitto = child_of(stage.cloud.process.id(), "mosquitto")?;
    kill(Pid::from_raw(mosquitto), Signal::SIGKILL)?;
    // The stream does not need it.
    wait_segments(&stage.cloud, &stage.event, end, 1).await?;
    stage.command("stop_recording").await.context("the box is not back on the broker")?;
    stage.command("start_recording").await?;
    stage.command("stop_recording").await?;
    recordings_are_whole(&stage, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_killed() -> Result<()> {
    let stage = Stage::set(
        &super::CloudOptions::default(),
        &super::AgentOptions { height: 540, width: 960, ..Default::default() },
    )
    .await?;
    stage.command("start_stream").await?;
    stage.cloud.api.wait_receiving(&stage.event, "main", STEP).await?;
    stage.cloud.api.set_status(&stage.event, "started").await?;
    let end = wait_segments(&stage.cloud, &stage.event, 0, 2).await?;
    let renditions = |text: &str| text.matches("#EXT-X-STREAM-INF").count();
    let path = format!("/live/public/{}/index.m3u8?plain=1", stage.event);
    // The source, 480p and 360p.
    wait_until("all renditions", STEP, || async {
        Ok((renditions(&stage.cloud.api.fetch_text(&path).await?) == 3).then_some(()))
    })
    .await?;
    kill(Pid::from_raw(child_of(stage.cloud.process.id(), " worker")?), Signal::SIGKILL)?;
    wait_segments(&stage.cloud, &stage.event, end, 3).await?;
    wait_until("a new worker", Duration::from_secs(10), || async {
        Ok(child_of(stage.cloud.process.id(), " worker").ok())
    })
    .await?;
    // It was given again what the one before it had not delivered: nothing is missing anywhere.
    for rendition in ["source", "480p", "360p"] {
        let path = format!("/live/public/{}/{rendition}/index.m3u8?plain=1", stage.event);
        let playlist = stage.cloud.api.fetch_text(&path).await?;
        ensure!(!playlist.contains("#EXT-X-GAP"), "{rendition}: {playlist}");
    }
    Ok(())
}
