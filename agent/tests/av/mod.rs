//! When the test pattern's flashes are seen and its clicks heard, in what a media process delivers.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use stagebox_media::h264::{self, AvcConfig};
use stagebox_media::{Packet, Track};

/// Pictures are looked at in this size.
const SIZE: (usize, usize) = (32, 18);
const RATE: i64 = 48_000;

/// A flash, and how much later the click that belongs to it is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offset {
    pub(crate) at_ns: i64,
    pub(crate) late_ms: f64,
}

/// The offset of each flash in these packets, in order.
pub(crate) fn offsets(packets: &[Packet]) -> Result<Vec<Offset>> {
    let dir = tempfile::tempdir().context("a folder for what is decoded")?;
    let (from_ns, samples) = sound(dir.path(), packets)?;
    let clicks = clicks(from_ns, &samples);
    let nearest = |flash: i64| clicks.iter().map(|click| click - flash).min_by_key(|late_ns| late_ns.abs());
    let offset = |at_ns| Some(Offset { at_ns, late_ms: nearest(at_ns)? as f64 / 1e6 });
    Ok(flashes(dir.path(), packets)?.into_iter().filter_map(offset).collect())
}

/// When the first sample is heard, and all samples of both channels mixed, full scale being one.
pub(crate) fn sound(dir: &Path, packets: &[Packet]) -> Result<(i64, Vec<f32>)> {
    let mut stream = Vec::new();
    let mut from_ns = None;
    for packet in packets {
        let Packet::Frame(frame) = packet else { continue };
        if frame.track != Track::Audio {
            continue;
        }
        from_ns.get_or_insert(frame.pts_ns);
        // An ADTS header (ISO/IEC 14496-3, 1.A.2.2): AAC-LC, 48 kHz, stereo.
        let length = frame.data.len() + 7;
        stream.extend_from_slice(&[0xff, 0xf1, 0x4c, 0x80 | (length >> 11) as u8]);
        stream.extend_from_slice(&[(length >> 3) as u8, (length << 5) as u8 | 0x1f, 0xfc]);
        stream.extend_from_slice(&frame.data);
    }
    let raw = decoded(&dir.join("sound.aac"), &stream, &["-f", "s16le", "-ac", "1"])?;
    let samples = raw.as_chunks::<2>().0.iter().map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / 32_768.0);
    Ok((from_ns.context("there is no sound")?, samples.collect()))
}

/// When clicks begin.
pub(crate) fn clicks(from_ns: i64, samples: &[f32]) -> Vec<i64> {
    let mut clicks: Vec<i64> = Vec::new();
    let mut next = 0;
    for (at, sample) in samples.iter().enumerate() {
        if at >= next && sample.abs() > 0.2 {
            clicks.push(from_ns + at as i64 * 1_000_000_000 / RATE);
            next = at + 24_000;
        }
    }
    clicks
}

/// When white pictures are shown.
fn flashes(dir: &Path, packets: &[Packet]) -> Result<Vec<i64>> {
    let mut stream = Vec::new();
    let mut times = Vec::new();
    for packet in packets.iter().filter(|packet| packet.track() == Track::Video) {
        match packet {
            Packet::Config(config) => {
                let config = AvcConfig::parse(&config.data).context("the encoder's configuration")?;
                for set in config.sps.iter().chain(&config.pps) {
                    stream.extend_from_slice(&[0, 0, 0, 1]);
                    stream.extend_from_slice(set);
                }
            }
            Packet::Frame(frame) => {
                stream.extend_from_slice(&h264::avcc_to_annex_b(&frame.data));
                times.push(frame.pts_ns);
            }
        }
    }
    let (width, height) = SIZE;
    let scale = format!("scale={width}:{height}");
    let small = ["-vf", &scale, "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "gray"];
    let raw = decoded(&dir.join("picture.h264"), &stream, &small)?;
    let pictures = raw.chunks_exact(width * height);
    ensure!(pictures.len() == times.len(), "{} of {} pictures can be decoded", pictures.len(), times.len());
    // Below the timecode.
    let mean = |rows: &[u8]| rows.iter().map(|luma| u64::from(*luma)).sum::<u64>() / rows.len() as u64;
    let is_white = |picture: &[u8]| mean(&picture[picture.len() / 2..]) > 200;
    Ok(times.into_iter().zip(pictures).filter(|(_, picture)| is_white(picture)).map(|(at, _)| at).collect())
}

/// What ffmpeg makes of a stream.
fn decoded(path: &Path, stream: &[u8], output: &[&str]) -> Result<Vec<u8>> {
    std::fs::write(path, stream).context("writing what is to be decoded")?;
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args(output).arg("-").stdin(Stdio::null());
    let output = command.output().context("starting ffmpeg")?;
    ensure!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
