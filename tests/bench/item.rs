//! An event of four hours that ends: how long it takes until its item plays.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::playlist::{beside, source_playlist, uris};
use stagebox_tests::house::{Cloud, CloudOptions, Process};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::figure::Figure;
use super::{footage, live};

const HOURS: u32 = 4;
/// Beyond the hours: ffmpeg closes without having read what the cloud acknowledged, and what it has not sent by then is
/// lost.
const TAIL_S: u32 = 900;
/// How long the broadcast may take, which is pushed as fast as the cloud takes it.
const BROADCAST: Duration = Duration::from_secs(400);
/// How long somebody looks for the item.
const LIMIT: Duration = Duration::from_secs(60);

/// The newest item, if it is this event's and plays: from its list of renditions to a segment in its middle.
async fn plays(cloud: &Cloud, event: &str) -> Result<Option<f64>> {
    let items = cloud.api.get("items?limit=1").await?;
    let Some(item) = items["data"].get(0).filter(|item| item["event_id"] == event) else { return Ok(None) };
    let id = item["id"].as_str().context("the item has an id")?;
    let playlist = source_playlist(cloud, &format!("/vod/public/{id}/index.m3u8")).await?;
    let text = cloud.api.fetch_text(&playlist).await?;
    let names: Vec<&str> = uris(&text).collect();
    let middle = names.get(names.len() / 2).context("the item has no segments")?;
    let segment = cloud.api.fetch(&beside(&playlist, middle)).await?;
    ensure!(segment.get(4..8).is_some_and(|kind| kind == b"moof" || kind == b"styp"), "no segment: {middle}");
    let lengths = text.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    Ok(Some(lengths.filter_map(|length| length.trim_end_matches(',').parse::<f64>().ok()).sum()))
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let rates = "-b:v 40k -maxrate 40k -bufsize 80k -g 10 -sc_threshold 0 -ar 16000 -ac 1 -b:a 16k";
    let rates: Vec<&str> = rates.split(' ').collect();
    let clip = footage::clip("tiny.flv", (160, 90, 5), 20, 0, &rates).await?;
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    // Times of four hours come within a minute: no slate is to come between.
    cloud.api.patch("account/settings", &json!({ "slate": false })).await?;
    let event = live::started(&cloud).await?;
    let mut command = Command::new("ffmpeg");
    command.args("-hide_banner -nostdin -v error -stream_loop -1 -i".split(' ')).arg(&clip);
    let length_s = HOURS * 3600 + TAIL_S;
    command.args(["-t", &length_s.to_string(), "-c", "copy", "-f", "flv", &event.url]);
    let mut broadcast = Process::start("publisher", &directory.path().join("logs"), command)?;
    let status = broadcast.wait(BROADCAST).await?;
    ensure!(status.success(), "the broadcast failed: {}", broadcast.tail(5));
    not_receiving(&cloud, &event.id).await?;
    let begun = Instant::now();
    cloud.api.set_status(&event.id, "ended").await?;
    let length_s = loop {
        if let Some(length_s) = plays(&cloud, &event.id).await? {
            break length_s;
        }
        ensure!(begun.elapsed() < LIMIT, "there is no item");
        sleep(Duration::from_millis(5)).await;
    };
    let took = begun.elapsed();
    ensure!(length_s >= f64::from(HOURS) * 3600.0, "the item lasts only {length_s} s");
    let name = format!("ended to item, {HOURS} h");
    Ok(vec![Figure::absolute(&name, took.as_secs_f64(), Some(1.0), "s")])
}

/// Waits until the event has taken in all that the encoder sent.
async fn not_receiving(cloud: &Cloud, event: &str) -> Result<()> {
    stagebox_tests::house::wait_until("all of the broadcast is taken in", BROADCAST, || async {
        let event = cloud.api.get(&format!("events/{event}")).await?;
        let receiving = &event["inputs"]["main"]["receiving"];
        Ok((*receiving == Value::Bool(false)).then_some(()))
    })
    .await
}
