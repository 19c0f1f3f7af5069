//! Ten events at once: each has an encoder, viewers and an item of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;
use stagebox_tests::house::playlist::{beside, source_playlist, uris};
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Cloud, CloudOptions, Process, footage, wait_until};
use tokio::process::Command;

use super::{FRAME_US, STEP, make_event, no_slate, publish_url, wait_segments};

const EVENTS: u32 = 10;
/// Of the first event's broadcast; each of the others has one less, so that nobody's frames are another's.
const FRAMES: u32 = 75;

/// What all of them send, encoded once.
async fn encoded(directory: &Path) -> Result<PathBuf> {
    let file = directory.join("broadcast.flv");
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-v", "warning", "-i"]).arg(footage());
    command.args(["-frames:v", &FRAMES.to_string(), "-vf", "scale=320:180,fps=15", "-shortest"]);
    command.args([
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "15",
        "-b:v",
        "200k",
    ]);
    command.args(["-c:a", "aac", "-ac", "2", "-ar", "48000", "-b:a", "64k"]).arg(&file);
    let mut encoder = Process::start("encoder", &directory.join("logs"), command)?;
    let status = encoder.wait(STEP).await?;
    ensure!(status.success(), "ffmpeg ended with {status}: {}", encoder.tail(10));
    Ok(file)
}

/// Sends the first pictures of a file in real time, as they are.
fn push(directory: &Path, file: &Path, frames: u32, url: &str) -> Result<Process> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-v", "warning", "-re", "-i"]).arg(file);
    command.args(["-frames:v", &frames.to_string(), "-c", "copy", "-f", "flv", url]);
    Process::start("publisher", &directory.join(frames.to_string()), command)
}

/// A player fetches the first segment while the broadcast goes on.
async fn plays(cloud: &Cloud, event: &str) -> Result<()> {
    wait_segments(cloud, event, 0, 1).await?;
    let video = source_playlist(cloud, &format!("/live/public/{event}/index.m3u8?plain=1")).await?;
    let text = cloud.api.fetch_text(&video).await?;
    let first = uris(&text).next().context("a playlist without a segment")?;
    ensure!(!cloud.api.fetch(&beside(&video, first)).await?.is_empty(), "{event}: an empty segment");
    Ok(())
}

/// The item has the event's own pictures, all of them.
async fn is_whole(cloud: &Cloud, item: &Value, frames: u32) -> Result<()> {
    let path = format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default());
    let video = source_playlist(cloud, &path).await?;
    let packets = probe::packets(&format!("{}{video}", cloud.api.base()), Stream::Video, None).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() == frames as usize, "{} of {frames} frames in {item}", packets.len());
    ensure!(gaps.is_empty(), "{frames} frames: {gaps:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_events_at_once_play_and_become_items_of_their_own_frames() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let (cloud, file) =
        tokio::try_join!(Cloud::start(directory.path(), &options), encoded(directory.path()))?;
    no_slate(&cloud).await?;
    let mut events = Vec::new();
    for frames in FRAMES - EVENTS + 1..=FRAMES {
        let event = make_event(&cloud, None).await?;
        cloud.api.set_status(&event, "started").await?;
        let url = publish_url(&cloud, &event, "main").await?;
        events.push((event, frames, push(directory.path(), &file, frames, &url)?));
    }
    wait_until("all of them are on at once", STEP, || async {
        let all = cloud.api.get("events").await?;
        let all = all["data"].as_array().into_iter().flatten();
        let on = all.filter(|event| event["inputs"]["main"]["receiving"] == true).count();
        Ok((on == EVENTS as usize).then_some(()))
    })
    .await?;
    try_join_all(events.iter().map(|(event, ..)| plays(&cloud, event))).await?;
    for (event, _, publisher) in &mut events {
        let status = publisher.wait(STEP).await?;
        ensure!(status.success(), "ffmpeg ended with {status}: {}", publisher.tail(10));
        cloud.api.set_status(event, "ended").await?;
    }
    for (event, frames, _) in &events {
        is_whole(&cloud, &cloud.api.wait_item(event, STEP).await?, *frames).await?;
    }
    let items = cloud.api.get("items").await?;
    let count = items["data"].as_array().map_or(0, Vec::len);
    ensure!(count == EVENTS as usize, "{count} items of {EVENTS} events");
    Ok(())
}
