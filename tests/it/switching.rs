//! What an event shows as its broadcasts come, fail and come back: the playlist never stands still.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;
use stagebox_tests::house::line::Line;
use stagebox_tests::house::peer::{Client, publish};
use stagebox_tests::house::playlist::source_playlist;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{AgentOptions, Cloud, CloudOptions, free_port, wait_until};

use super::{FRAME_US, STEP, Stage, make_event, publish_url, wait_segments};

/// Waits until the event shows this.
pub(super) async fn wait_on_air(cloud: &Cloud, event: &str, what: &str) -> Result<()> {
    let path = format!("events/{event}");
    wait_until(&format!("{what} is on air"), STEP, || async {
        Ok((cloud.api.get(&path).await?["on_air"] == what).then_some(()))
    })
    .await
}

async fn cloud(directory: &std::path::Path) -> Result<Cloud> {
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    Cloud::start(directory, &options).await
}

/// The item that came of an event: its pictures, in the order in which they are decoded.
pub(super) async fn ended(cloud: &Cloud, event: &str) -> Result<Vec<probe::Packet>> {
    cloud.api.set_status(event, "ended").await?;
    let item = cloud.api.wait_item(event, STEP).await?;
    let path = format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default());
    let video = source_playlist(cloud, &path).await?;
    probe::packets(&format!("{}{video}", cloud.api.base()), Stream::Video, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broadcast_a_started_event_shows_the_slate() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = cloud(directory.path()).await?;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    wait_on_air(&cloud, &event, "slate").await?;
    let end = wait_segments(&cloud, &event, 0, 2).await?;
    let url = publish_url(&cloud, &event, "main").await?;
    let mut publisher = publish(Client::Ffmpeg, directory.path(), &url, 60)?;
    wait_on_air(&cloud, &event, "main").await?;
    let status = publisher.wait(STEP).await?;
    ensure!(status.success(), "ffmpeg ended with {status}: {}", publisher.tail(10));
    wait_on_air(&cloud, &event, "slate").await?;
    let end = wait_segments(&cloud, &event, end + 2, 2).await?;
    // The same event, the same playlist, the same recording.
    let mut publisher = publish(Client::Ffmpeg, directory.path(), &url, 60)?;
    wait_on_air(&cloud, &event, "main").await?;
    publisher.wait(STEP).await?;
    wait_segments(&cloud, &event, end, 2).await?;
    let text = source_playlist(&cloud, &format!("/live/public/{event}/index.m3u8?plain=1")).await?;
    let text = cloud.api.fetch_text(&text).await?;
    let count = |tag: &str| text.lines().filter(|line| line.starts_with(tag)).count();
    ensure!(count("#EXT-X-DISCONTINUITY") - count("#EXT-X-DISCONTINUITY-SEQUENCE") >= 3, "{text}");
    ensure!(count("#EXT-X-GAP") == 0, "{text}");
    let recordings = cloud.api.get("recordings").await?;
    let recordings = recordings["data"].as_array().map_or(0, Vec::len);
    ensure!(recordings == 1, "{recordings} recordings of one started event");
    let packets = ended(&cloud, &event).await?;
    ensure!(packets.len() > 120 + 100, "{} pictures, 120 of them broadcast", packets.len());
    let (first, last) = (packets.first().context("no picture")?, packets.last().context("no picture")?);
    ensure!(first.key, "the item does not begin with a key frame");
    let back = packets.windows(2).filter(|pair| pair[1].dts_us <= pair[0].dts_us).count();
    ensure!(back == 0, "decoding times fall {back} times");
    // Pictures at 15 and at 25 a second: a hole would be longer than the longer of the two.
    let gaps = probe::gaps(&packets, FRAME_US * 2);
    let holes: Vec<&String> = gaps.iter().filter(|gap| !gap.contains(" 0 us")).collect();
    ensure!(holes.is_empty(), "{holes:?} within {} s", (last.dts_us - first.dts_us) / 1_000_000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backup_takes_over_from_an_encoder_that_hangs_and_main_comes_back() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = cloud(directory.path()).await?;
    cloud.api.patch("account/settings", &json!({ "main_back_s": 3 })).await?;
    let event = make_event(&cloud, None).await?;
    let urls = [publish_url(&cloud, &event, "main").await?, publish_url(&cloud, &event, "backup").await?];
    let main = publish(Client::Ffmpeg, &directory.path().join("main"), &urls[0], 3000)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    let _backup = publish(Client::Ffmpeg, &directory.path().join("backup"), &urls[1], 3000)?;
    cloud.api.wait_receiving(&event, "backup", STEP).await?;
    cloud.api.set_status(&event, "started").await?;
    wait_on_air(&cloud, &event, "main").await?;
    let end = wait_segments(&cloud, &event, 0, 2).await?;
    main.signal(Signal::SIGSTOP)?;
    wait_on_air(&cloud, &event, "backup").await?;
    let end = wait_segments(&cloud, &event, end, 1).await?;
    main.signal(Signal::SIGCONT)?;
    wait_on_air(&cloud, &event, "main").await?;
    wait_segments(&cloud, &event, end, 2).await?;
    let packets = ended(&cloud, &event).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(gaps.is_empty(), "{gaps:?}");
    Ok(())
}

/// One of a box's two outputs dies, hangs and comes back: its pictures all arrive by the other one.
#[tokio::test(flavor = "multi_thread")]
async fn losing_one_of_a_boxs_two_outputs_costs_nothing() -> Result<()> {
    let line = Line::to(free_port(0)).await?;
    let stage = Stage::set(&line.cloud(), &AgentOptions::default()).await?;
    stage.command("start_stream").await?;
    for input in ["main", "backup"] {
        stage.cloud.api.wait_receiving(&stage.event, input, STEP).await?;
    }
    ensure!(line.count() == 2, "{} connections of two outputs", line.count());
    stage.cloud.api.set_status(&stage.event, "started").await?;
    let end = wait_segments(&stage.cloud, &stage.event, 0, 1).await?;
    // One dies, and comes back by itself.
    line.cut(0);
    let end = wait_segments(&stage.cloud, &stage.event, end, 1).await?;
    wait_until("the output is back", STEP, || async { Ok((line.count() >= 3).then_some(())) }).await?;
    // Then the other one hangs for good.
    line.hold(1);
    let end = wait_segments(&stage.cloud, &stage.event, end, 2).await?;
    wait_until("the output that hung is back", STEP, || async { Ok((line.count() >= 4).then_some(())) })
        .await?;
    wait_segments(&stage.cloud, &stage.event, end, 1).await?;
    let on_air = stage.cloud.api.get(&format!("events/{}", stage.event)).await?;
    ensure!(on_air["on_air"] != "slate", "the slate was shown");
    let packets = ended(&stage.cloud, &stage.event).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() > 90 && gaps.is_empty(), "{} pictures, {gaps:?}", packets.len());
    let slates = stage.cloud.process.output().matches("Slate").count();
    ensure!(slates == 0, "the slate was shown {slates} times");
    Ok(())
}
