//! Foreign programs publish, a foreign program plays, and the box publishes to a foreign server.

use anyhow::{Result, ensure};
use stagebox_tests::house::peer::{Client, Nginx, publish};
use stagebox_tests::house::playlist::source_playlist;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, free_port, wait_until};

use super::{FRAME_US, STEP, make_event, publish_url};

const FRAMES: u32 = 90;
/// The rule of what is not there: other bit rates where nothing is transcoded.
const NOT_THERE: [&str; 1] = ["several-bit-rates"];

/// The client publishes; every frame is in the live playlist and in the item.
async fn plays_out(client: Client) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    super::no_slate(&cloud).await?;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    let mut publisher =
        publish(client, directory.path(), &publish_url(&cloud, &event, "main").await?, FRAMES)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    let status = publisher.wait(STEP).await?;
    ensure!(status.success(), "{client:?} ended with {status}: {}", publisher.tail(10));

    no_rule_is_broken(&cloud, &event).await?;
    // Two whole segments of two seconds are there whatever the last one holds.
    let playlist = source_playlist(&cloud, &format!("/live/public/{event}/index.m3u8?plain=1")).await?;
    let live = probe::packets(&format!("{}{playlist}", cloud.api.base()), Stream::Video, Some(60)).await?;
    ensure!(live.len() >= 60, "{client:?}: {} frames from the live playlist, 60 asked for", live.len());
    ensure!(live[0].key, "{client:?}: the live playlist does not begin with a keyframe");

    cloud.api.set_status(&event, "ended").await?;
    let item = cloud.api.wait_item(&event, STEP).await?;
    let id = item["id"].as_str().unwrap_or_default();
    let video = source_playlist(&cloud, &format!("/vod/public/{id}/index.m3u8")).await?;
    let packets = probe::packets(&format!("{}{video}", cloud.api.base()), Stream::Video, None).await?;
    ensure!(packets.len() == FRAMES as usize, "{client:?}: {} of {FRAMES} frames in the item", packets.len());
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(gaps.is_empty(), "{client:?}: {gaps:?}");
    let master = format!("{}/vod/public/{id}/index.m3u8", cloud.api.base());
    let audio = probe::packets(&master, Stream::Audio, None).await?;
    // Six seconds are 281 access units; the encoders begin and end on different ones.
    ensure!((260..=300).contains(&audio.len()), "{client:?}: {} audio packets", audio.len());
    downloads(&cloud, directory.path(), id).await
}

/// What was served has been looked at, and breaks no rule but those of what is not there yet.
async fn no_rule_is_broken(cloud: &Cloud, event: &str) -> Result<()> {
    let path = format!("events/{event}/conformance");
    let found = wait_until("the playlists are looked at", STEP, || async {
        let found = cloud.api.get(&path).await?;
        Ok((found["rounds"].as_u64().unwrap_or(0) >= 2).then_some(found))
    })
    .await?;
    let broken: Vec<&serde_json::Value> = found["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["severity"] == "must" && !NOT_THERE.iter().any(|rule| one["rule"] == *rule))
        .collect();
    ensure!(broken.is_empty(), "{broken:#?}");
    Ok(())
}

/// The item as one MP4: all frames, also when it is fetched in two ranges.
async fn downloads(cloud: &Cloud, directory: &std::path::Path, item: &str) -> Result<()> {
    let whole = cloud.api.download(&format!("items/{item}/download"), None).await?;
    let (first, rest) = whole.split_at(whole.len() / 3);
    let range = |from: usize, to: usize| Some(format!("bytes={from}-{}", to - 1));
    let path = format!("items/{item}/download?rendition=source");
    let begun = cloud.api.download(&path, range(0, first.len())).await?;
    let gone_on = cloud.api.download(&path, range(first.len(), whole.len())).await?;
    ensure!(begun == first && gone_on == rest, "ranges of the file are not what stands in it");
    let file = directory.join("download.mp4");
    std::fs::write(&file, &whole)?;
    let packets = probe::packets(&file.display().to_string(), Stream::Video, None).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() == FRAMES as usize && gaps.is_empty(), "{} frames, {gaps:?}", packets.len());
    ensure!(packets[0].pts_us.abs() < 2 * FRAME_US, "the file begins at {} us", packets[0].pts_us);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_publishes() -> Result<()> {
    plays_out(Client::Ffmpeg).await
}

#[tokio::test(flavor = "multi_thread")]
async fn gstreamer_rtmp2sink_publishes() -> Result<()> {
    plays_out(Client::Rtmp2Sink).await
}

#[tokio::test(flavor = "multi_thread")]
async fn librtmp_publishes() -> Result<()> {
    plays_out(Client::Librtmp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_with_the_reason() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let url = format!("rtmp://{}/live/nonsense", cloud.ports.rtmp);
    let mut publisher = publish(Client::Ffmpeg, directory.path(), &url, FRAMES)?;
    let status = publisher.wait(STEP).await?;
    ensure!(!status.success(), "ffmpeg was let in with a wrong key");
    let said = publisher.output().to_lowercase();
    ensure!(said.contains("key"), "ffmpeg does not show the reason: {said}");
    ensure!(!cloud.process.output().contains("live/nonsense"), "the key is in the log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_publishes_to_nginx() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), true).await?;
    let extra = format!(
        "[[outputs]]\nrole = \"main\"\nurl = \"rtmp://127.0.0.1:{}/live\"\nkey = \"stage\"\n",
        nginx.port
    );
    let options = AgentOptions { extra, ..AgentOptions::default() };
    let agent = Agent::start_alone(directory.path(), &options)?;
    super::outputs::press(&agent).await?;
    let file = wait_until("nginx receives", STEP, || async {
        let files = nginx.recorded();
        Ok(files.into_iter().find(|file| file.metadata().is_ok_and(|metadata| metadata.len() > 300_000)))
    })
    .await?;
    super::outputs::hold(&agent).await?;
    let packets = probe::packets(&file.display().to_string(), Stream::Video, None).await?;
    ensure!(packets.first().is_some_and(|packet| packet.key), "the first frame is not a keyframe");
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() > 30 && gaps.is_empty(), "{} frames, {gaps:?}", packets.len());
    Ok(())
}
