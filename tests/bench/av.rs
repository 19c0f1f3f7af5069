//! Sound against picture after a long time, where the clock of the source's sound is off: click and flash, decoded.

#[path = "../../agent/tests/av/mod.rs"]
mod pattern;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pattern::Offset;
use stagebox_agent::clock::Clock;
use stagebox_agent::config::{AlarmConfig, AudioConfig, SourceConfig, VideoConfig};
use stagebox_agent::encode::{EncoderSetup, Hubs, MediaSetup, spawn};
use stagebox_media::Packet;
use stagebox_push::{Hub, SubscribeOptions};
use stagebox_tests::house::binary;
use tokio::time::timeout;

use super::figure::Figure;

const SILENCE: Duration = Duration::from_secs(30);
const MOST_MS: f64 = 20.0;

/// What the test pattern's offsets are over so many minutes.
async fn play(ppm: i32, minutes: u32) -> Result<Vec<Offset>> {
    let media = MediaSetup {
        source: SourceConfig::Pattern { script: vec![format!("clock {ppm:+} ppm")] },
        video: VideoConfig { width: 320, height: 180, fps: 25, bitrate_kbps: 300, ..VideoConfig::default() },
        audio: AudioConfig::default(),
        alarms: AlarmConfig::default(),
        recording_kbps: None,
        twice: None,
        name: "bench".to_owned(),
        origin_ns: Clock::new().monotonic_ns(),
        trials: None,
        avoid: Vec::new(),
    };
    let hub = Hub::new();
    let options = SubscribeOptions { max_bytes: 64 << 20, from_last_keyframe: true };
    let mut subscriber = hub.subscribe(options);
    let encoder = spawn(
        EncoderSetup { program: binary("stagebox-agent")?, media },
        Hubs { stream: hub.clone(), ..Hubs::new() },
    );
    let end_ns = i64::from(minutes) * 60_000_000_000;
    let mut packets = Vec::new();
    loop {
        let packet = timeout(SILENCE, subscriber.recv()).await.context("no packets come")?;
        let packet = packet.context("the media process ended")?;
        let is_end = matches!(&packet, Packet::Frame(frame) if frame.pts_ns > end_ns);
        packets.push(packet);
        if is_end {
            break;
        }
    }
    let restarts = encoder.status().borrow().restarts;
    encoder.stop().await;
    ensure!(restarts == 0, "the media process was started anew");
    tokio::task::spawn_blocking(move || pattern::offsets(&packets)).await?
}

pub(crate) async fn measure(minutes: u32) -> Result<Vec<Figure>> {
    let (fast, slow) = tokio::try_join!(play(200, minutes), play(-200, minutes))?;
    let mut figures = Vec::new();
    for (name, mut offsets) in [("+200 ppm", fast), ("-200 ppm", slow)] {
        // The first click is before there is enough to begin.
        offsets.remove(0);
        let (first, last) = offsets.first().zip(offsets.last()).context("there are no flashes")?;
        let worst = offsets.iter().map(|offset| offset.late_ms.abs()).fold(0.0, f64::max);
        let mut add = |what: &str, late_ms: f64| {
            figures.push(Figure::absolute(&format!("av {name}, {what}"), late_ms, Some(MOST_MS), "ms"));
        };
        add("first", first.late_ms.abs());
        add("worst", worst);
        add("last", last.late_ms.abs());
    }
    Ok(figures)
}
