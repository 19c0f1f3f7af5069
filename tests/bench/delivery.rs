//! Delivery of a live event: a segment of 1.1 MB against nginx with sendfile, a playlist against a static file.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::playlist::{beside, source_playlist, uris};
use stagebox_tests::house::{Cloud, CloudOptions, Process, footage, free_port, wait_until};
use tokio::process::Command;

use super::figure::Figure;
use super::http::{Ask, hammer};
use super::{cpu, live};

/// 4.4 Mbit/s make a two-second segment of 1.1 MB.
const VIDEO_KBPS: u32 = 4400;
const CONNECTIONS: usize = 8;
/// Enough that the kernel's ticks of 10 ms do not show.
const SEGMENTS: usize = 8000;
const PLAYLISTS: usize = 64_000;

/// What viewers fetch, from a cloud and from nginx.
pub(super) struct Stage {
    pub(super) cloud: Cloud,
    pub(super) nginx: Nginx,
    /// Addresses in the cloud, of whole segments of 1.1 MB.
    pub(super) segments: Vec<String>,
    /// The address in the cloud of the low-latency playlist that names them.
    pub(super) playlist: String,
    _directory: tempfile::TempDir,
}

impl Stage {
    /// Where nginx has what the cloud has at `path`.
    pub(super) fn beside(path: &str) -> String {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        format!("/{name}")
    }

    /// Where nginx listens.
    pub(super) fn peer(&self) -> String {
        format!("127.0.0.1:{}", self.nginx.port)
    }
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
pub(super) async fn stage(environment: Vec<(String, OsString)>) -> Result<Stage> {
    let directory = tempfile::tempdir()?;
    let extra = "[live]\ntranscode = false\n".into();
    let options = CloudOptions { extra, environment, ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    cloud.api.patch("account/settings", &json!({ "slate": false })).await?;
    let event = live::started(&cloud).await?;
    let mut publishing = publisher(directory.path(), &event.url)?;
    publishing.wait(Duration::from_secs(60)).await?;
    let playlist = source_playlist(&cloud, &event.master()).await?;
    let text = wait_until("three segments", Duration::from_secs(20), || async {
        Ok(Some(cloud.api.fetch_text(&playlist).await?).filter(|text| text.matches("#EXTINF").count() >= 3))
    })
    .await?;
    let root = directory.path().join("files");
    std::fs::create_dir_all(&root)?;
    let mut segments = Vec::new();
    // The first and the last are shorter.
    for name in uris(&text).skip(1) {
        let segment = beside(&playlist, name);
        let body = cloud.api.fetch(&segment).await?;
        if (950_000..1_350_000).contains(&body.len()) {
            std::fs::write(root.join(Stage::beside(&segment).trim_start_matches('/')), body)?;
            segments.push(segment);
        }
    }
    ensure!(segments.len() >= 2, "only {} segments have about 1.1 MB: {text}", segments.len());
    std::fs::write(root.join(Stage::beside(&playlist).trim_start_matches('/')), text)?;
    let nginx = Nginx::http(directory.path(), "nginx-http", free_port(0), &root).await?;
    Ok(Stage { cloud, nginx, segments, playlist, _directory: directory })
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
    let stage = stage(Vec::new()).await?;
    let (ours, nginx) = (&stage.cloud.ports.http, stage.peer());
    let (segment, playlist) = (&stage.segments[stage.segments.len() - 1], &stage.playlist);
    let (mut segments, mut playlists) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        segments.push((
            cost(&stage.cloud.process, ours, segment, SEGMENTS).await?,
            cost(&stage.nginx.process, &nginx, &Stage::beside(segment), SEGMENTS).await?,
        ));
        playlists.push((
            cost(&stage.cloud.process, ours, playlist, PLAYLISTS).await?,
            cost(&stage.nginx.process, &nginx, &Stage::beside(playlist), PLAYLISTS).await?,
        ));
    }
    Ok(vec![
        Figure::lower("delivery cpu, segment", &segments, Some(1.0), "CPU-ms a segment of 1.1 MB"),
        Figure::lower("delivery cpu, playlist", &playlists, Some(1.6), "CPU-ms a playlist"),
    ])
}
