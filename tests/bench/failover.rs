//! What a viewer misses when a broadcast fails that another one stands beside, by the clock in the picture.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use stagebox_agent::capture::PictureFormat;
use stagebox_tests::house::line::Line;
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, free_port, probe, wait_until};
use tokio::time::{Instant, sleep};

use super::figure::{Figure, median};
use super::foreign::{Encoders, unix_ms};
use super::live::{self, Event, STEP};
use super::viewer::{self, PICTURE, Viewer};

/// How long what comes after a failure is watched.
const AFTER: Duration = Duration::from_secs(3);
/// Pauses of a connection that loses packets, and what it lets through between two of them: TCP hides the loss and
/// delivers late.
const PAUSES_MS: [u64; 6] = [200, 900, 400, 1_500, 300, 700];
const BETWEEN: Duration = Duration::from_millis(150);
/// The time to detect is looked at this often.
const LOOK: Duration = Duration::from_millis(5);
const SEGMENT_S: f64 = 2.0;

async fn on_air(cloud: &Cloud, event: &Event) -> Result<String> {
    let event = cloud.api.get(&format!("events/{}", event.id)).await?;
    Ok(event["on_air"].as_str().unwrap_or_default().to_owned())
}

/// Pictures that a box took and no viewer saw, while one of its outputs died, hung, and lost packets.
async fn outputs() -> Result<[f64; 3]> {
    let directory = tempfile::tempdir()?;
    let line = Line::to(free_port(0)).await?;
    let cloud = Cloud::start(directory.path(), &line.cloud()).await?;
    let PictureFormat { width, height, fps } = PICTURE;
    let options = AgentOptions { source: Source::Pattern, width, height, fps, ..AgentOptions::default() };
    let agent = Agent::start(directory.path(), &cloud, &options).await?;
    let event = live::made(&cloud).await?;
    let device = serde_json::json!({ "device_id": agent.id });
    cloud.api.patch(&format!("events/{}", event.id), &device).await?;
    for name in ["start_recording", "start_stream"] {
        wait_until(name, STEP, || async { Ok(agent.command(&cloud, name).await.ok()) }).await?;
    }
    for input in ["main", "backup"] {
        cloud.api.wait_receiving(&event.id, input, STEP).await?;
    }
    // Only now: ffmpeg cannot play on where a slate, with a decoder section of its own, comes before.
    cloud.api.set_status(&event.id, "started").await?;
    live::wait_segments(&cloud, &event, 2).await?;
    let viewer = Viewer::live(&cloud, &event).await?;
    let connections = |count: usize| {
        let line = &line;
        wait_until(
            "an output is back",
            STEP,
            move || async move { Ok((line.count() >= count).then_some(())) },
        )
    };
    let mut began_ms = vec![unix_ms()];
    line.cut(0);
    connections(3).await?;
    sleep(AFTER).await;
    began_ms.push(unix_ms());
    line.hold(1);
    connections(4).await?;
    sleep(AFTER).await;
    began_ms.push(unix_ms());
    for connection in [2, 3] {
        for pause_ms in PAUSES_MS {
            line.hold(connection);
            sleep(Duration::from_millis(pause_ms)).await;
            line.open(connection);
            sleep(BETWEEN).await;
        }
        sleep(AFTER).await;
    }
    began_ms.push(unix_ms());
    let seen: BTreeSet<i64> = viewer.until(unix_ms()).await?.into_iter().collect();
    agent.command(&cloud, "stop_recording").await?;
    let mut taken = BTreeSet::new();
    for recording in probe::recordings(&agent.recordings()) {
        taken.extend(viewer::of_file(&recording).await?);
    }
    let mut lost = [0.0; 3];
    for (lost, pair) in lost.iter_mut().zip(began_ms.windows(2)) {
        let of_it: Vec<_> = taken.range(pair[0]..pair[1]).collect();
        ensure!(of_it.len() as u32 > PICTURE.fps * 2, "the box has recorded only {} pictures", of_it.len());
        *lost = of_it.into_iter().filter(|picture| !seen.contains(picture)).count() as f64;
    }
    Ok(lost)
}

/// Seconds of the picture that are missing, and seconds until the backup is shown, when a foreign main is lost.
async fn foreign(cloud: &Cloud, how: Signal) -> Result<(f64, f64)> {
    let event = live::made(cloud).await?;
    let encoders = Encoders::start(&event.url, &event.backup_url).await?;
    for input in ["main", "backup"] {
        cloud.api.wait_receiving(&event.id, input, STEP).await?;
    }
    // Only now: ffmpeg cannot play on where a slate, with a decoder section of its own, comes before.
    cloud.api.set_status(&event.id, "started").await?;
    wait_until("main is shown", STEP, || async {
        Ok((on_air(cloud, &event).await? == "main").then_some(()))
    })
    .await?;
    // The backup may have been shown first: two segments of main are longer than its key frames are apart, so that it
    // stands by with one.
    let shown = live::segments(cloud, &event).await?;
    live::wait_segments(cloud, &event, shown + 3).await?;
    let viewer = Viewer::live(cloud, &event).await?;
    let lost = Instant::now();
    let lost_ms = unix_ms();
    encoders.lose_main(how)?;
    while on_air(cloud, &event).await? != "backup" {
        ensure!(lost.elapsed() < STEP, "the backup is not shown");
        sleep(LOOK).await;
    }
    let detected = lost.elapsed();
    sleep(AFTER).await;
    let seen = viewer.until(unix_ms()).await.with_context(|| format!("main lost by {how}"))?;
    let around = |pair: &&[i64]| pair[1] > lost_ms - 2_000;
    let missing_ms = seen.windows(2).filter(around).map(|pair| pair[1] - pair[0]).max();
    let frame_ms = 1000 / i64::from(PICTURE.fps);
    let missing_ms = missing_ms.context("no pictures")?.saturating_sub(frame_ms).max(0);
    Ok((missing_ms as f64 / 1000.0, detected.as_secs_f64()))
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let (mut lost, mut died, mut hung) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        lost.push(outputs().await.context("a box's two outputs")?);
        let directory = tempfile::tempdir()?;
        let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
        let cloud = Cloud::start(directory.path(), &options).await?;
        let both = tokio::try_join!(foreign(&cloud, Signal::SIGKILL), foreign(&cloud, Signal::SIGSTOP))?;
        died.push(both.0);
        hung.push(both.1);
    }
    let mut figures = Vec::new();
    for (index, what) in ["dies", "hangs", "loses packets"].into_iter().enumerate() {
        // The worst, not the median: none may be lost.
        let worst = lost.iter().map(|lost| lost[index]).fold(0.0, f64::max);
        figures.push(Figure::absolute(&format!("output {what}"), worst, Some(0.0), "pictures lost"));
    }
    for (what, runs) in [("dies", died), ("hangs", hung)] {
        let gap_s = median(runs.iter().map(|run| run.0));
        figures.push(Figure::absolute(&format!("main {what}, gap"), gap_s, Some(SEGMENT_S), "s"));
        let detected_s = median(runs.iter().map(|run| run.1));
        figures.push(Figure::absolute(&format!("main {what}, detected in"), detected_s, None, "s"));
    }
    Ok(figures)
}
