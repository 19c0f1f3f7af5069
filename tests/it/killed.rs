//! The cloud and its workers killed at random moments of a broadcast that comes back by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use stagebox_tests::house::playlist::{beside, source_playlist, uris};
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Cloud, child_of, wait_until};
use tokio::process::Command;

use super::{AgentOptions, CloudOptions, FRAME_US, STEP, Stage, no_slate, wait_segments};

/// What a reconnected box begins with: a group of pictures, and a part that was not written.
const BEGINS_MS: u64 = 2_500;

/// What a part lasts, in microseconds.
const PART_US: i64 = 500_000;

/// Kills the cloud and starts it again; how long nothing was taken in.
async fn kill_cloud(mut stage: Stage) -> Result<(Stage, Duration)> {
    let killed = Instant::now();
    stage.cloud.process.kill().await?;
    stage.cloud = stage.cloud.restart().await?;
    stage.cloud.api.wait_receiving(&stage.event, "main", STEP).await?;
    Ok((stage, killed.elapsed()))
}

async fn kill_worker(stage: &Stage) -> Result<()> {
    // It may be starting anew just now.
    let id =
        wait_until("a worker", STEP, || async { Ok(child_of(stage.cloud.process.id(), " worker").ok()) });
    kill(Pid::from_raw(id.await?), Signal::SIGKILL).context("killing a worker")
}

/// How long the wall clock went on between two segments while their media did not, at each discontinuity.
fn interruptions(text: &str) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    let (mut due_ms, mut date_ms, mut interrupted) = (None, 0, false);
    for line in text.lines() {
        if line == "#EXT-X-DISCONTINUITY" {
            interrupted = true;
        } else if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            date_ms = of_day_ms(date).with_context(|| format!("the date {date}"))?;
        } else if let Some(seconds) = line.strip_prefix("#EXTINF:") {
            let seconds: f64 = seconds.trim_end_matches(',').parse()?;
            if let (true, Some(due_ms)) = (std::mem::take(&mut interrupted), due_ms) {
                found.push(date_ms - due_ms);
            }
            due_ms = Some(date_ms + (seconds * 1000.0).round() as i64);
        }
    }
    Ok(found)
}

/// Milliseconds since midnight of `2026-01-01T12:00:00.000Z`.
fn of_day_ms(date: &str) -> Option<i64> {
    let mut parts = date.split_once('T')?.1.trim_end_matches('Z').splitn(3, ':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some((hours * 60 + minutes) * 60_000 + (seconds * 1000.0).round() as i64)
}

/// A foreign decoder has nothing to say of what a playlist names.
async fn decodes(address: &str) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-v", "error", "-i", address, "-f", "null", "-"]);
    let output = tokio::time::timeout(Duration::from_secs(30), command.kill_on_drop(true).output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "{address}: {said}");
    Ok(())
}

/// All renditions of the item decode, and their decode times rise from the first frame to the last.
///
/// At a kill, as much as a part may be in the sound and not yet in the pictures.
async fn is_whole(cloud: &Cloud, master: &str, kills: usize) -> Result<()> {
    let text = cloud.api.fetch_text(master).await?;
    let names: Vec<&str> = uris(&text).collect();
    // The source, 480p and 360p.
    ensure!(names.len() == 3, "{text}");
    for name in names {
        let address = format!("{}{}", cloud.api.base(), beside(master, name));
        let packets = probe::packets(&address, Stream::Video, None).await?;
        let falls = packets.windows(2).filter(|pair| pair[1].dts_us <= pair[0].dts_us).count();
        ensure!(falls == 0 && packets.first().is_some_and(|first| first.key), "{name} falls {falls} times");
        if name.starts_with("source/") {
            let steps = packets.windows(2).map(|pair| pair[1].dts_us - pair[0].dts_us);
            let holes: Vec<i64> = steps.filter(|step| *step * 2 > FRAME_US * 3).collect();
            let is_explained = holes.len() <= kills && holes.iter().all(|step| *step <= PART_US + FRAME_US);
            ensure!(is_explained, "{name}: {holes:?} at {kills} kills");
        }
        decodes(&address).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_a_broadcast_stays_one_recording() -> Result<()> {
    let seed = std::env::var("STAGEBOX_SEED").ok().map_or(Ok(11), |seed| seed.parse())?;
    let mut random = StdRng::seed_from_u64(seed);
    let agent = AgentOptions { height: 540, width: 960, ..AgentOptions::default() };
    let mut stage = Stage::set(&CloudOptions::default(), &agent).await?;
    no_slate(&stage.cloud).await?;
    stage.command("start_stream").await?;
    stage.cloud.api.wait_receiving(&stage.event, "main", STEP).await?;
    stage.cloud.api.set_status(&stage.event, "started").await?;
    let mut end = wait_segments(&stage.cloud, &stage.event, 0, 1).await?;
    let mut parts = ["cloud", "worker", "cloud", "worker", "cloud"];
    parts.shuffle(&mut random);
    let mut away = Vec::new();
    for part in parts {
        tokio::time::sleep(Duration::from_millis(random.random_range(100..2_500))).await;
        if part == "cloud" {
            let (after, duration) = kill_cloud(stage).await?;
            stage = after;
            away.push(duration);
        } else {
            kill_worker(&stage).await?;
        }
        // The same playlist goes on.
        end = wait_segments(&stage.cloud, &stage.event, end, 1).await?;
    }
    stage.command("stop_stream").await?;
    let api = &stage.cloud.api;
    let recordings = api.get("recordings").await?;
    let count = recordings["data"].as_array().map_or(0, Vec::len);
    ensure!(count == 1, "{count} recordings of one started event: {recordings}");
    api.set_status(&stage.event, "ended").await?;
    let item = api.wait_item(&stage.event, STEP).await?;
    let master = format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default());
    is_whole(&stage.cloud, &master, away.len()).await.with_context(|| format!("seed {seed}"))?;
    let text = api.fetch_text(&source_playlist(&stage.cloud, &master).await?).await?;
    let interruptions = interruptions(&text)?;
    ensure!(interruptions.len() == away.len(), "seed {seed}: {interruptions:?} of {away:?}\n{text}");
    for (ms, away) in interruptions.iter().zip(&away) {
        let most_ms = away.as_millis() as u64 + BEGINS_MS;
        ensure!((0..=most_ms as i64).contains(ms), "seed {seed}: {ms} ms are missing after {away:?}\n{text}");
    }
    Ok(())
}
