//! What ffprobe, a foreign reader, finds in a file or behind an address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

/// One packet as ffprobe lists it; times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    pub pts_us: i64,
    pub dts_us: i64,
    pub key: bool,
}

/// Which packets to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Video,
    Audio,
}

/// Lists the packets of one stream of `input`, a path or an address; `most` ends a live stream.
///
/// # Errors
/// When ffprobe fails, or is not done in 40 s.
pub async fn packets(input: &str, stream: Stream, most: Option<usize>) -> Result<Vec<Packet>> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_packets", "-of", "json", "-select_streams"]);
    command.arg(if stream == Stream::Video { "v:0" } else { "a:0" });
    if let Some(most) = most {
        command.args(["-read_intervals", &format!("%+#{most}")]);
    }
    if input.contains(".m3u8") {
        command.args(["-live_start_index", "0"]);
    }
    command.arg(input).kill_on_drop(true).stdin(std::process::Stdio::null());
    let output = timeout(Duration::from_secs(40), command.output())
        .await
        .with_context(|| format!("ffprobe {input} did not end"))?
        .context("starting ffprobe")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffprobe {input}: {said}");
    let listing: Value = serde_json::from_slice(&output.stdout).context("reading ffprobe's JSON")?;
    let Some(packets) = listing["packets"].as_array() else {
        bail!("ffprobe {input} lists no packets: {said}")
    };
    packets.iter().map(packet).collect()
}

fn packet(value: &Value) -> Result<Packet> {
    let time = |name: &str| -> Result<i64> {
        let text = value[name].as_str().with_context(|| format!("a packet without {name}"))?;
        let seconds: f64 = text.parse().with_context(|| format!("{name} {text}"))?;
        Ok((seconds * 1e6).round() as i64)
    };
    let key = value["flags"].as_str().is_some_and(|flags| flags.starts_with('K'));
    Ok(Packet { pts_us: time("pts_time")?, dts_us: time("dts_time")?, key })
}

/// Says where frames are missing: each step between decode times that is over 1.5 frames.
#[must_use]
pub fn gaps(packets: &[Packet], frame_us: i64) -> Vec<String> {
    let step = |pair: &[Packet]| pair[1].dts_us - pair[0].dts_us;
    packets
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| step(pair) * 2 > frame_us * 3 || step(pair) <= 0)
        .map(|(index, pair)| {
            format!("packet {index}: {} us after the one before, not {frame_us}", step(pair))
        })
        .collect()
}

/// The MP4 files below a folder, in the order of their names.
#[must_use]
pub fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "mp4") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
