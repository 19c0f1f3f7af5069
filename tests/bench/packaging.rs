//! Packaging: 20 streams of 3 Mbit/s made into HLS without transcoding, against nginx with its RTMP module's HLS.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{Cloud, CloudOptions, free_port};
use tokio::time::{Instant, sleep_until};

use super::figure::Figure;
use super::{cpu, footage, live};

const STREAMS: usize = 20;
const WINDOW: Duration = Duration::from_secs(12);
/// All clients are connected and past their first burst after this.
const SETTLE: Duration = Duration::from_secs(8);
/// What is kept in memory for viewers is full after this.
const FULL: Duration = Duration::from_secs(26);

/// A stream's share of a server.
struct Share {
    /// CPU seconds for a stream's minute.
    cpu_s: f64,
    /// MiB of memory beyond those without a stream.
    memory_mib: f64,
}

impl Share {
    fn of(cpu_s: f64, before_mib: f64, after_mib: f64) -> Self {
        let streams = STREAMS as f64;
        Self {
            cpu_s: cpu_s / WINDOW.as_secs_f64() * 60.0 / streams,
            memory_mib: (after_mib - before_mib) / streams,
        }
    }
}

/// Low-latency and plain HLS with audio of its own, recorded, as every event is.
async fn ours(clip: &Path, settle: Duration) -> Result<Share> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let before = cpu::resident_mib(cloud.process.id())?;
    let mut events = Vec::new();
    for _ in 0..STREAMS {
        events.push(live::started(&cloud).await?);
    }
    let begun = Instant::now();
    let urls = events.iter().map(|event| event.url.clone());
    let mut clients = live::publish(clip, directory.path(), urls)?;
    sleep_until(begun + settle).await;
    let used = cpu::during(cloud.process.id(), WINDOW).await?;
    let after = cpu::resident_mib(cloud.process.id())?;
    live::all_publish(&mut clients)?;
    for event in &events {
        live::wait_segments(&cloud, event, 4).await?;
    }
    Ok(Share::of(used, before, after))
}

/// MPEG transport streams of two seconds.
async fn peer(clip: &Path) -> Result<Share> {
    let directory = tempfile::tempdir()?;
    let folder = directory.path().join("hls");
    fs::create_dir_all(&folder)?;
    let hls = format!(
        "application live {{ live on; hls on; hls_path {}; hls_fragment 2s; hls_playlist_length 60s; }}",
        folder.display()
    );
    let nginx = Nginx::rtmp_with(directory.path(), "nginx", free_port(0), &hls).await?;
    let before = cpu::resident_mib(nginx.process.id())?;
    let begun = Instant::now();
    let urls = (0..STREAMS).map(|index| format!("rtmp://127.0.0.1:{}/live/stream{index}", nginx.port));
    let mut clients = live::publish(clip, directory.path(), urls)?;
    sleep_until(begun + SETTLE).await;
    let used = cpu::during(nginx.process.id(), WINDOW).await?;
    let after = cpu::resident_mib(nginx.process.id())?;
    live::all_publish(&mut clients)?;
    for index in 0..STREAMS {
        let playlist = fs::read_to_string(folder.join(format!("stream{index}.m3u8")))?;
        ensure!(playlist.matches("#EXTINF").count() >= 4, "nginx does not keep up: {playlist}");
    }
    Ok(Share::of(used, before, after))
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let clip = footage::steady().await?;
    let (mut pairs, mut memory) = (Vec::new(), None);
    for _ in 0..runs {
        // Memory is looked at once: it takes long to fill, and does not differ from run to run.
        let settle = if memory.is_none() { FULL - WINDOW } else { SETTLE };
        let (ours, peer) = (ours(&clip, settle).await?, peer(&clip).await?);
        memory.get_or_insert((ours.memory_mib, peer.memory_mib));
        pairs.push((ours.cpu_s, peer.cpu_s));
    }
    let mut figures = vec![Figure::lower(
        &format!("packaging cpu, {STREAMS} streams"),
        &pairs,
        Some(0.9),
        "CPU-s a stream's minute",
    )];
    if let Some((ours, peer)) = memory {
        figures.push(Figure::absolute("packaging memory", ours, Some(6.0), "MiB a stream"));
        figures.push(Figure::absolute("packaging memory, nginx", peer, None, "MiB a stream"));
    }
    Ok(figures)
}
