//! Delivery to thousands of viewers, each with a connection of its own, against nginx with the same files; and what one
//! who waits for what is still to come takes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::Process;
use tokio::time::sleep;

use super::cpu;
use super::crowd::{Crowd, allow};
use super::delivery::{self, Stage};
use super::figure::{Figure, median};
use super::http::Ask;

const CROWDS: [usize; 2] = [1_000, 10_000];
/// Those that pay for what all share.
const FIRST: usize = 100;
/// Connections beside the largest crowd's.
const OTHERS: usize = 200;
/// Enough that the kernel's ticks of 10 ms do not show.
const SEGMENTS: usize = 10_000;
const PLAYLISTS: usize = 60_000;

/// A cloud that lets so many come from one address, and gives them time between two requests.
async fn stage() -> Result<Stage> {
    let most = CROWDS.iter().max().map_or(0, |most| most + OTHERS);
    allow(most)?;
    let set = |name: &str, value: usize| (format!("STAGEBOX_HTTP__{name}"), value.to_string().into());
    delivery::stage(vec![
        set("MAX_CONNECTIONS", most),
        set("MAX_CONNECTIONS_PER_ADDRESS", most),
        set("HEADER_MS", 120_000),
    ])
    .await
}

/// Requests that the server answers in a second of processor time: of playlists, and of segments.
async fn rates(
    server: &Process,
    address: &str,
    viewers: usize,
    playlist: &str,
    segments: &[String],
) -> Result<(f64, f64)> {
    let mut crowd = Crowd::connect(address, viewers).await?;
    let playlist = [Ask::new(address, playlist)];
    let segments: Vec<Ask> = segments.iter().map(|path| Ask::new(address, path)).collect();
    // What a connection costs once is nobody's request.
    crowd.ask(&playlist, 1).await?;
    let mut rates = Vec::new();
    for (asks, requests) in [(&playlist[..], PLAYLISTS), (&segments[..], SEGMENTS)] {
        let before = cpu::so_far(server.id())?;
        let asked = crowd.ask(asks, requests / viewers).await?;
        rates.push(asked as f64 / (cpu::so_far(server.id())? - before));
    }
    Ok((rates[0], rates[1]))
}

/// KiB of memory that each of so many takes who wait for the next part, connection and all.
async fn waiting(stage: &Stage, viewers: usize, before_mib: f64) -> Result<f64> {
    let text = stage.cloud.api.fetch_text(&stage.playlist).await?;
    let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
    let first: usize = first.and_then(|number| number.parse().ok()).context("a playlist without a number")?;
    let next = first + text.matches("#EXTINF").count();
    let ask = Ask::new(&stage.cloud.ports.http, &format!("{}?_HLS_msn={next}&_HLS_part=3", stage.playlist));
    let mut crowd = Crowd::connect(&ask.address, viewers).await?;
    crowd.wait_for(&ask).await?;
    // All have been read; none has waited so long that it is answered as it is.
    sleep(Duration::from_millis(1500)).await;
    let after_mib = cpu::resident_mib(stage.cloud.process.id())?;
    let answered = crowd.answered().await;
    ensure!(answered == 0, "{answered} of {viewers} do not wait any more");
    Ok((after_mib - before_mib) * 1024.0 / viewers as f64)
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut each = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        // A server that has served nobody yet: what it has freed would hide what it takes.
        let stage = stage().await?;
        let playlist = [Ask::new(&stage.cloud.ports.http, &stage.playlist)];
        // The first ones pay for what all share.
        Crowd::connect(&stage.cloud.ports.http, FIRST).await?.ask(&playlist, 10).await?;
        waiting(&stage, FIRST, 0.0).await?;
        let before_mib = cpu::resident_mib(stage.cloud.process.id())?;
        for (each, viewers) in each.iter_mut().zip(CROWDS) {
            each.push(waiting(&stage, viewers, before_mib).await?);
        }
    }
    for (each, viewers) in each.into_iter().zip(CROWDS) {
        let kib = median(each.into_iter());
        figures.push(Figure::absolute(&format!("memory of {viewers} who wait"), kib, Some(20.0), "KiB each"));
    }
    let stage = stage().await?;
    let (ours, nginx) = (&stage.cloud.ports.http, stage.peer());
    let files: Vec<String> = stage.segments.iter().map(|path| Stage::beside(path)).collect();
    let list = Stage::beside(&stage.playlist);
    for viewers in CROWDS {
        let (mut playlists, mut segments) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            let own = rates(&stage.cloud.process, ours, viewers, &stage.playlist, &stage.segments).await?;
            let peer = rates(&stage.nginx.process, &nginx, viewers, &list, &files).await?;
            playlists.push((own.0, peer.0));
            segments.push((own.1, peer.1));
        }
        let name = |what: &str| format!("{what}, {viewers} viewers");
        figures.push(Figure::higher(&name("segments"), &segments, Some(1.0), "of 1.1 MB, a CPU-s"));
        figures.push(Figure::higher(&name("playlists"), &playlists, Some(0.6), "a CPU-s"));
    }
    Ok(figures)
}
