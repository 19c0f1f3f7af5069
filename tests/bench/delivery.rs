//! Delivery of a live event: a segment of 1.1 MB against nginx with sendfile, a playlist against a static file.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::playlist::{beside, source_playlist, uris};
use stagebox_tests::house::{Cloud, CloudOptions, Process, footage, free_port, wait_until};
use tokio::process::Command;

use super::cpu;
use super::figure::Figure;
use super::http::{Ask, hammer};

/// 4.4 Mbit/s make a two-second segment of 1.1 MB.
const VIDEO_KBPS: u32 = 4400;
const CONNECTIONS: usize = 8;
/// Enough that the kernel's ticks of 10 ms do not show.
const SEGMENTS: usize = 8000;
const PLAYLISTS: usize = 64_000;

struct Stage {
    cloud: Cloud,
    nginx: Nginx,
    segment: String,
    playlist: String,
    _directory: tempfile::TempDir,
}

fn publisher(directory: &Path, url: &str) -> Result<Process> {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i"])
        .arg(footage());
    command.args([
        "-t",
        "13",
        "-vf",
        "scale=1280:720,fps=25,noise=alls=12:allf=t",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
    ]);
    let rate = format!("{VIDEO_KBPS}k");
    command.args([
        "-b:v", &rate, "-minrate", &rate, "-maxrate", &rate, "-bufsize", &rate, "-g", "50", "-pix_fmt",
        "yuv420p",
    ]);
    command.args([
        "-x264-params",
        "nal-hrd=cbr",
        "-c:a",
        "aac",
        "-b:a",
        "128k",
        "-ac",
        "2",
        "-ar",
        "48000",
        "-f",
        "flv",
        url,
    ]);
    Process::start("publisher", &directory.join("logs"), command)
}

/// A live event with some full segments, whose broadcast has just gone: nothing but delivery uses the processor.
async fn stage() -> Result<Stage> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let event = cloud.api.post("events", &json!({ "title": "Bench" })).await?;
    let id = event["id"].as_str().context("the event has an id")?.to_owned();
    let key = event["inputs"]["main"]["key"].as_str().context("the event has a key")?;
    cloud.api.set_status(&id, "started").await?;
    let mut publishing = publisher(directory.path(), &format!("rtmp://{}/live/{key}", cloud.ports.rtmp))?;
    publishing.wait(Duration::from_secs(60)).await?;
    let master = format!("/live/public/{id}/index.m3u8");
    let playlist = source_playlist(&cloud, &master).await?;
    let text = wait_until("three segments", Duration::from_secs(20), || async {
        Ok(Some(cloud.api.fetch_text(&playlist).await?).filter(|text| text.matches("#EXTINF").count() >= 3))
    })
    .await?;
    let segment = beside(&playlist, uris(&text).nth(1).context("the playlist names no segment")?);
    let body = cloud.api.fetch(&segment).await?;
    ensure!(
        (950_000..1_350_000).contains(&body.len()),
        "the segment has {} bytes, not about 1.1 MB",
        body.len()
    );
    let root = directory.path().join("files");
    std::fs::create_dir_all(&root)?;
    std::fs::write(root.join("segment.m4s"), body)?;
    std::fs::write(root.join("index.m3u8"), text)?;
    let nginx = Nginx::http(directory.path(), "nginx-http", free_port(0), &root).await?;
    Ok(Stage { cloud, nginx, segment, playlist, _directory: directory })
}

/// Milliseconds of the server's processor a request.
async fn cost(server: &Process, address: &str, path: &str, requests: usize) -> Result<f64> {
    let ask = Ask::new(address, path);
    hammer(&ask, CONNECTIONS, requests / 10).await?;
    let before = cpu::so_far(server.id())?;
    hammer(&ask, CONNECTIONS, requests).await?;
    Ok((cpu::so_far(server.id())? - before) * 1000.0 / requests as f64)
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let stage = stage().await?;
    let nginx = format!("127.0.0.1:{}", stage.nginx.port);
    let (mut segments, mut playlists) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        segments.push((
            cost(&stage.cloud.process, &stage.cloud.ports.http, &stage.segment, SEGMENTS).await?,
            cost(&stage.nginx.process, &nginx, "/segment.m4s", SEGMENTS).await?,
        ));
        playlists.push((
            cost(&stage.cloud.process, &stage.cloud.ports.http, &stage.playlist, PLAYLISTS).await?,
            cost(&stage.nginx.process, &nginx, "/index.m3u8", PLAYLISTS).await?,
        ));
    }
    Ok(vec![
        Figure::lower("delivery cpu, segment", &segments, Some(1.0), "CPU-ms a segment of 1.1 MB"),
        Figure::lower("delivery cpu, playlist", &playlists, Some(1.6), "CPU-ms a playlist"),
    ])
}
