//! An encoder made of numbers, and what the meter says of it.

mod anything;
mod rules;
mod seconds;
mod sound;
mod stream;

use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::cmaf::CmafReader;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use super::{Meter, Source};
use crate::live::timeline::Now;

/// A second of the wall clock begins here.
const START_S: i64 = 1_790_000_000;
const MS: i64 = 1_000_000;
/// Slices that refer to pictures before, and B slices that nothing refers to.
const P_SLICE: u8 = 0xc0;
const B_SLICE: u8 = 0xa0;

/// One picture on its way.
#[derive(Debug, Clone, Copy)]
struct Shot {
    at_ms: i64,
    dts_ms: i64,
    pts_ms: i64,
    is_key: bool,
    is_b: bool,
    bytes: usize,
}

/// A meter, an encoder that broadcasts to it, and the time.
struct Feed {
    meter: Meter,
    start: Instant,
    ms: i64,
    fps: i64,
    has_sound: bool,
}

impl Feed {
    /// An encoder of 30 pictures and two key frames every two seconds, with sound, that has just connected.
    #[allow(clippy::disallowed_methods, reason = "any instant will do; it moves on by numbers")]
    fn new() -> Self {
        let start = Instant::now() + Duration::from_secs(1_000);
        let mut feed = Self { meter: Meter::default(), start, ms: 0, fps: 30, has_sound: true };
        feed.connect();
        feed
    }

    fn connect(&mut self) {
        let source = Source { address: "192.0.2.7".to_owned(), encoder: "Test 1".to_owned() };
        self.meter.begin(self.now(self.ms), source);
        self.configure(video(1_280, 720, 1, 8));
        if self.has_sound {
            self.configure(audio(AudioSpecificConfig::lc(48_000, 2).unwrap().to_bytes()));
        }
    }

    fn now(&self, ms: i64) -> Now {
        let instant = self.start + Duration::from_millis(ms.unsigned_abs());
        Now { instant, unix_ms: START_S * 1_000 + ms }
    }

    fn configure(&mut self, config: TrackConfig) {
        self.meter.packet(self.now(self.ms), &Packet::Config(config));
    }

    /// Sends for so many seconds; `change` may alter a picture, by its number, or leave it out.
    fn play(&mut self, seconds: i64, change: impl Fn(i64, Shot) -> Option<Shot>) {
        let (from, to) = (self.ms, self.ms + seconds * 1_000);
        let mut packets: Vec<(i64, Packet)> = Vec::new();
        for n in 0..seconds * self.fps {
            let dts_ms = from + n * 1_000 / self.fps;
            let is_key = n % (2 * self.fps) == 0;
            let shot = Shot { at_ms: dts_ms, dts_ms, pts_ms: dts_ms, is_key, is_b: false, bytes: 10_000 };
            packets.extend(change(n, shot).map(|shot| (shot.at_ms, picture(shot))));
        }
        if self.has_sound {
            packets.extend((from..to).step_by(20).map(|ms| (ms, sound(ms, &[0; 200]))));
        }
        packets.sort_by_key(|(at_ms, _)| *at_ms);
        for (at_ms, packet) in packets {
            self.meter.packet(self.now(at_ms), &packet);
        }
        self.pass_to(to);
    }

    /// Sends as it should.
    fn play_well(&mut self, seconds: i64) {
        self.play(seconds, |_, shot| Some(shot));
    }

    /// Lets time go by.
    fn pass_to(&mut self, ms: i64) {
        self.ms = ms;
        self.meter.tick(self.now(ms));
    }

    fn warnings(&self) -> Vec<&'static str> {
        self.meter.warnings().map(|warning| warning.name).collect()
    }

    /// The words of a warning that is on.
    fn words(&self, name: &str) -> String {
        let found = self.meter.warnings().find(|warning| warning.name == name);
        found.map_or_else(|| panic!("no {name} in {:?}", self.warnings()), |warning| warning.words.to_owned())
    }
}

/// The one track that a foreign encoder makes of a source, as it is told to.
fn ffmpeg(source: &str, options: &[&str]) -> (TrackConfig, Vec<Frame>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("track.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source])
        .args(options)
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut reader = CmafReader::new();
    let made = std::fs::read(file).unwrap();
    reader.push(&made);
    let (mut config, mut frames) = (None, Vec::new());
    while let Some(packet) = reader.next().unwrap() {
        match packet {
            Packet::Config(found) => config = Some(found),
            Packet::Frame(frame) => frames.push(frame),
        }
    }
    (config.unwrap(), frames)
}

fn picture(shot: Shot) -> Packet {
    let header = if shot.is_key {
        0x65
    } else if shot.is_b {
        0x01
    } else {
        0x41
    };
    let slice = if shot.is_b { B_SLICE } else { P_SLICE };
    let mut data = (shot.bytes as u32).saturating_sub(4).to_be_bytes().to_vec();
    data.extend([header, slice]);
    data.resize(shot.bytes.max(6), 0x55);
    Packet::Frame(Frame {
        track: Track::Video,
        codec: Codec::H264,
        epoch: Epoch::UNKNOWN,
        pts_ns: shot.pts_ms * MS,
        dts_ns: shot.dts_ms * MS,
        key: shot.is_key,
        data: data.into(),
    })
}

fn sound(ms: i64, data: &[u8]) -> Packet {
    Packet::Frame(Frame {
        track: Track::Audio,
        codec: Codec::Aac,
        epoch: Epoch::UNKNOWN,
        pts_ns: ms * MS,
        dts_ns: ms * MS,
        key: true,
        data: Bytes::copy_from_slice(data),
    })
}

fn audio(data: Bytes) -> TrackConfig {
    TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch::UNKNOWN, data }
}

/// A configuration of pictures of a size, by chroma_format_idc and bits a sample.
fn video(width: u32, height: u32, chroma_format: u32, bit_depth: u32) -> TrackConfig {
    let sps = sps(width, height, chroma_format, bit_depth);
    let mut data = vec![1, 244, 0, 40, 0xff, 0xe1];
    data.extend((sps.len() as u16).to_be_bytes());
    data.extend(sps);
    data.extend([1, 0, 2, 0x68, 0xce]);
    TrackConfig { track: Track::Video, codec: Codec::H264, epoch: Epoch::UNKNOWN, data: data.into() }
}

/// A sequence parameter set (ITU-T H.264, 7.3.2.1.1).
fn sps(width: u32, height: u32, chroma_format: u32, bit_depth: u32) -> Vec<u8> {
    let mut bits = String::new();
    let unsigned = |value: u32, bits: &mut String| {
        let digits = format!("{:b}", value + 1);
        bits.push_str(&"0".repeat(digits.len() - 1));
        bits.push_str(&digits);
    };
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    // What cropping counts in: samples of chroma.
    let (across, down) = (if chroma_format == 3 { 1 } else { 2 }, if chroma_format == 1 { 2 } else { 1 });
    // Its id, then the format.
    unsigned(0, &mut bits);
    unsigned(chroma_format, &mut bits);
    if chroma_format == 3 {
        bits.push('0');
    }
    unsigned(bit_depth - 8, &mut bits);
    unsigned(bit_depth - 8, &mut bits);
    // No bypass, no scaling lists; frame numbers of four bits, order counts of type 2, one reference, no holes.
    bits.push_str("00");
    for value in [0, 2, 1] {
        unsigned(value, &mut bits);
    }
    bits.push('0');
    unsigned(columns - 1, &mut bits);
    unsigned(rows - 1, &mut bits);
    // Frames only, 8x8 inference, cropping.
    bits.push_str("111");
    for crop in [0, (columns * 16 - width) / across, 0, (rows * 16 - height) / down] {
        unsigned(crop, &mut bits);
    }
    // No VUI; the stop bit.
    bits.push_str("01");
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let body = bits.as_bytes().chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | (bit & 1)));
    [0x67, 244, 0, 40].into_iter().chain(body).collect()
}
