//! The ladder: 1080p at 15 pictures a second as 720p, 480p, 360p and itself, against one ffmpeg with the same settings.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::playlist::{beside, uris};
use stagebox_tests::house::{Cloud, CloudOptions, Process, free_port, wait_until};
use tokio::process::Command;
use tokio::time::sleep;

use super::figure::{self, Figure};
use super::{cpu, footage, live};

const WINDOW: Duration = Duration::from_secs(12);
const SETTLE: Duration = Duration::from_secs(3);
/// What the cloud makes of 1080p at 15 pictures a second: width, height and kbit/s.
const RENDITIONS: [(u32, u32, u32); 3] = [(1280, 720, 1750), (854, 480, 875), (640, 360, 500)];

/// Half the pictures of 30 a second: all of it fits into two cores beside the publisher, so nothing is given up.
async fn clip() -> Result<PathBuf> {
    let rates = "-b:v 4500k -maxrate 4500k -bufsize 4500k -g 30 -sc_threshold 0 -b:a 128k";
    let rates: Vec<&str> = rates.split(' ').collect();
    footage::clip("1080p15.flv", (1920, 1080, 15), 24, 6, &rates).await
}

async fn ours(clip: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let event = live::started(&cloud).await?;
    let mut publishing = live::publish(clip, directory.path(), [event.url.clone()])?;
    let master = format!("{}?plain=1", event.master());
    let playlists = wait_until("all renditions have a segment", live::STEP, || async {
        let Ok(text) = cloud.api.fetch_text(&master).await else { return Ok(None) };
        let paths: Vec<String> = uris(&text).map(|name| beside(&master, name)).collect();
        if paths.len() <= RENDITIONS.len() {
            return Ok(None);
        }
        for path in &paths {
            if !cloud.api.fetch_text(path).await.is_ok_and(|text| text.contains("#EXTINF")) {
                return Ok(None);
            }
        }
        let all = RENDITIONS.iter().all(|(width, height, _)| text.contains(&format!("{width}x{height}")));
        Ok(all.then_some(paths))
    })
    .await?;
    sleep(SETTLE).await;
    let used = cpu::during(cloud.process.id(), WINDOW).await?;
    live::all_publish(&mut publishing)?;
    for path in &playlists {
        let text = cloud.api.fetch_text(path).await?;
        let whole = !text.contains("#EXT-X-GAP") && text.matches("#EXTINF").count() >= 6;
        ensure!(whole, "the machine is too slow for {path}: {text}");
    }
    Ok(used / WINDOW.as_secs_f64())
}

/// ffmpeg's words for what the worker does: one thread each to decode, to scale in a cascade, and for each encoder.
fn ffmpeg(input: &str, folder: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args("-hide_banner -nostdin -v error -filter_complex_threads 1 -threads 1 -i".split(' '));
    command.arg(input);
    let mut graph = String::new();
    let mut from = "0:v".to_owned();
    for (index, (width, height, _)) in RENDITIONS.iter().enumerate() {
        let _ = write!(graph, "[{from}]scale={width}:{height}:flags=bilinear");
        from = format!("next{index}");
        let is_last = index + 1 == RENDITIONS.len();
        let _ = if is_last {
            write!(graph, "[out{index}]")
        } else {
            write!(graph, ",split[out{index}][{from}];")
        };
    }
    command.args(["-filter_complex", &graph, "-map", "0:v", "-c:v:0", "copy"]);
    let mut streams = "v:0,agroup:sound".to_owned();
    for (index, (_, _, kbps)) in RENDITIONS.iter().enumerate() {
        let number = index + 1;
        command.args(["-map", &format!("[out{index}]"), &format!("-c:v:{number}"), "libx264"]);
        for (option, value) in [("b", *kbps), ("maxrate", *kbps), ("bufsize", *kbps / 2)] {
            command.args([format!("-{option}:v:{number}"), format!("{value}k")]);
        }
        for (option, value) in [
            ("preset", "veryfast"),
            ("tune", "zerolatency"),
            ("threads", "1"),
            ("bf", "0"),
            ("g", "10000"),
            ("sc_threshold", "0"),
            ("force_key_frames", "source"),
        ] {
            command.args([&format!("-{option}:v:{number}"), value]);
        }
        let _ = write!(streams, " v:{number},agroup:sound");
    }
    command.args(["-map", "0:a", "-c:a", "copy", "-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", "2"]);
    command.args(["-hls_list_size", "0", "-hls_flags", "independent_segments", "-var_stream_map"]);
    command.arg(format!("{streams} a:0,agroup:sound")).arg(folder.join("stream%v.m3u8"));
    command
}

async fn peer(clip: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let folder = directory.path().join("hls");
    fs::create_dir_all(&folder)?;
    // Takes the broadcast in, as ffmpeg cannot well; it is not counted.
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), false).await?;
    let url = format!("rtmp://127.0.0.1:{}/live/stream", nginx.port);
    let mut publishing = live::publish(clip, directory.path(), [url.clone()])?;
    let mut server = Process::start("ffmpeg", &directory.path().join("logs"), ffmpeg(&url, &folder))?;
    let playlist = |index: usize| fs::read_to_string(folder.join(format!("stream{index}.m3u8"))).ok();
    let begun = wait_until("all renditions have a segment", live::STEP, || async {
        let all = (0..=RENDITIONS.len()).all(|index| playlist(index).is_some());
        Ok(all.then_some(()))
    });
    begun.await.with_context(|| server.tail(20))?;
    sleep(SETTLE).await;
    let used = cpu::during(server.id(), WINDOW).await?;
    live::all_publish(&mut publishing)?;
    ensure!(server.ended().is_none(), "ffmpeg ended early: {}", server.tail(20));
    for index in 0..=RENDITIONS.len() {
        let text = playlist(index).unwrap_or_default();
        ensure!(text.matches("#EXTINF").count() >= 6, "ffmpeg does not keep up: {text}");
    }
    Ok(used / WINDOW.as_secs_f64())
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let clip = clip().await?;
    let pairs = figure::alternating(runs, async || ours(&clip).await, async || peer(&clip).await).await?;
    Ok(vec![Figure::lower("ladder cpu, 1080p15", &pairs, Some(1.1), "CPU-s a second")])
}
