//! What an account may keep: a full one goes on live without being recorded, and what is old goes by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::peer::{Client, publish};
use stagebox_tests::house::playlist::{beside, segments, source_playlist, uris};
use stagebox_tests::house::{Cloud, CloudOptions, wait_until};

use super::tenant::account;
use super::{STEP, make_event, publish_url, wait_segments};

const FULL: &str = "account-storage-full";

async fn alarms(cloud: &Cloud) -> Result<String> {
    Ok(cloud.api.get("alarms").await?["data"].to_string())
}

async fn wait_event(cloud: &Cloud, event: &str, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    wait_until(what, STEP, || async {
        let event = cloud.api.get(&format!("events/{event}")).await?;
        Ok(is(&event).then_some(event))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_account_is_seen_live_and_recorded_again_once_there_is_room() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = directory.path();
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(place, &options).await?;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    let mut publisher = publish(Client::Ffmpeg, place, &publish_url(&cloud, &event, "main").await?, 3_000)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    let end = wait_segments(&cloud, &event, 0, 3).await?;
    ensure!(!alarms(&cloud).await?.contains(FULL), "{}", alarms(&cloud).await?);

    account(place, &["limit", "1", "--storage-gib", "0"]).await?;
    let warned =
        wait_event(&cloud, &event, "the event has a warning", |event| event["warning"].is_string()).await?;
    ensure!(warned["warning"].as_str().is_some_and(|words| words.contains("storage")), "{warned}");
    ensure!(warned["status"] == "started", "{warned}");
    wait_until("the alarm", STEP, || async { Ok(alarms(&cloud).await?.contains(FULL).then_some(())) })
        .await?;
    let own = cloud.api.get("account").await?;
    ensure!(own["usage"]["storage_level"] == "full", "{own}");
    // Live goes on as if nothing were.
    let later = wait_segments(&cloud, &event, end, 4).await?;
    let recording = warned["recordings"][0].as_str().context("a recording")?.to_owned();
    let shown = cloud.api.get(&format!("recordings/{recording}")).await?;
    ensure!(shown["gaps"][0]["reason"] == "storage" && shown["gaps"][0]["to"].is_null(), "{shown}");
    ensure!(shown["warning"].as_str().is_some_and(|words| words.contains("Not recorded")), "{shown}");

    account(place, &["limit", "1", "--storage-gib", "none"]).await?;
    wait_event(&cloud, &event, "the warning goes", |event| event["warning"].is_null()).await?;
    wait_until("the alarm goes", STEP, || async {
        Ok((!alarms(&cloud).await?.contains(FULL)).then_some(()))
    })
    .await?;
    wait_segments(&cloud, &event, later, 3).await?;
    let (_, live_end) = segments(&cloud, &event).await?;
    cloud.api.set_status(&event, "ended").await?;
    publisher.kill().await?;
    let item = cloud.api.wait_item(&event, STEP).await?;
    let shown = cloud.api.get(&format!("recordings/{recording}")).await?;
    ensure!(shown["gaps"].as_array().is_some_and(|gaps| gaps.len() == 1), "{shown}");
    ensure!(shown["gaps"][0]["to"].is_string(), "{shown}");

    // The item has what was recorded, with the gap where it was not, and its media are no more than that.
    let path = format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default());
    let playlist = source_playlist(&cloud, &path).await?;
    let text = cloud.api.fetch_text(&playlist).await?;
    let kept = text.lines().filter(|line| line.starts_with("#EXTINF")).count() as u64;
    ensure!(kept >= 4 && kept + 3 <= live_end, "{kept} of {live_end} segments are in {text}");
    ensure!(text.contains("#EXT-X-DISCONTINUITY"), "{text}");
    for uri in uris(&text) {
        cloud.api.fetch(&beside(&playlist, uri)).await?;
    }
    // What is counted is what is there.
    let used = wait_until("it is counted", STEP, || async {
        let own = cloud.api.get("account").await?;
        Ok(own["usage"]["storage_bytes"].as_u64().filter(|bytes| *bytes > 0))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let used = cloud.api.get("account").await?["usage"]["storage_bytes"].as_u64().unwrap_or(used);
    let there = bytes_below(&place.join("cloud/data/media"));
    ensure!(used == there, "{used} bytes are counted and {there} are there");
    Ok(())
}

fn bytes_below(folder: &std::path::Path) -> u64 {
    let (mut sum, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => sum += meta.len(),
                Err(_) => {}
            }
        }
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_not_to_be_recorded_are_seen_and_leave_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = directory.path();
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(place, &options).await?;
    cloud.api.patch("account/settings", &json!({ "record": false })).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    let mut publisher = publish(Client::Ffmpeg, place, &publish_url(&cloud, &event, "main").await?, 3_000)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    wait_segments(&cloud, &event, 0, 3).await?;
    wait_event(&cloud, &event, "it says so", |event| {
        event["warning"].as_str().is_some_and(|words| words.contains("settings"))
    })
    .await?;
    cloud.api.set_status(&event, "ended").await?;
    publisher.kill().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(cloud.api.get("items").await?["data"] == json!([]), "an item was made");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broadcast_more_than_the_account_takes_is_refused_in_words() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = directory.path();
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(place, &options).await?;
    account(place, &["limit", "1", "--broadcasts-at-once", "1"]).await?;
    let (first, second) = (make_event(&cloud, None).await?, make_event(&cloud, None).await?);
    let push =
        async |event: &str| publish(Client::Ffmpeg, place, &publish_url(&cloud, event, "main").await?, 3_000);
    let mut publisher = push(&first).await?;
    cloud.api.wait_receiving(&first, "main", STEP).await?;
    let mut refused = push(&second).await?;
    ensure!(!refused.wait(STEP).await?.success(), "the second broadcast was taken");
    let said = refused.output();
    ensure!(said.contains("limit of broadcasts at a time, 1, is reached"), "{said}");
    // The one that was there first goes on, and the other one has its turn after it.
    let shown = cloud.api.get(&format!("events/{first}")).await?;
    ensure!(shown["inputs"]["main"]["receiving"] == true, "{shown}");
    publisher.kill().await?;
    wait_event(&cloud, &first, "the first one is over", |event| {
        event["inputs"]["main"]["receiving"] == false
    })
    .await?;
    let mut publisher = push(&second).await?;
    cloud.api.wait_receiving(&second, "main", STEP).await?;
    publisher.kill().await?;
    Ok(())
}
