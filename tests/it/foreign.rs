//! Foreign programs publish, a foreign program plays, and the box publishes to a foreign server.

use anyhow::{Result, ensure};
use stagebox_tests::house::peer::{Client, Nginx, publish};
use stagebox_tests::house::playlist::source_playlist;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, free_port, wait_until};

use super::{FRAME_US, STEP, make_event, publish_url};

const FRAMES: u32 = 90;

/// The client publishes; every frame is in the live playlist and in the item.
async fn plays_out(client: Client) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    let mut publisher =
        publish(client, directory.path(), &publish_url(&cloud, &event, "main").await?, FRAMES)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    let status = publisher.wait(STEP).await?;
    ensure!(status.success(), "{client:?} ended with {status}: {}", publisher.tail(10));

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
