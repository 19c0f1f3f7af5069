//! The real media child: real pictures and sound, in real time, for a few seconds.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests of a real process in real time")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stagebox_agent::capture::{PictureFormat, timecode};
use stagebox_agent::clock::Clock;
use stagebox_agent::config::{AlarmConfig, AudioConfig, SourceConfig, VideoConfig};
use stagebox_agent::encode::{EncoderHandle, EncoderSetup, Hubs, MediaSetup, spawn};
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::h264::{self, AvcConfig};
use stagebox_media::{Epoch, Frame, Packet, Track};
use stagebox_protocol::telemetry::{EncoderState, SignalAlarm, SignalState};
use stagebox_push::{Hub, SubscribeOptions, Subscriber};

const FPS: u32 = 15;
const WIDTH: usize = 640;
const HEIGHT: usize = 360;

fn start(source: SourceConfig) -> (EncoderHandle, Subscriber) {
    start_with(source, AlarmConfig::default())
}

fn start_with(source: SourceConfig, alarms: AlarmConfig) -> (EncoderHandle, Subscriber) {
    let video =
        VideoConfig { width: 640, height: 360, fps: FPS, bitrate_kbps: 800, ..VideoConfig::default() };
    let origin_ns = Clock::new().monotonic_ns();
    let media = MediaSetup {
        source,
        video,
        audio: AudioConfig::default(),
        alarms,
        recording_kbps: None,
        twice: None,
        name: "Stage left".to_owned(),
        origin_ns,
        trials: None,
        avoid: Vec::new(),
    };
    let hub = Hub::new();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_stagebox-agent"));
    let subscriber = hub.subscribe(SubscribeOptions { max_bytes: 64 << 20, from_last_keyframe: true });
    (spawn(EncoderSetup { program, media }, Hubs { stream: hub, ..Hubs::new() }), subscriber)
}

fn pattern(script: &[&str]) -> SourceConfig {
    SourceConfig::Pattern { script: script.iter().map(|line| (*line).to_owned()).collect() }
}

fn footage() -> SourceConfig {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/media/bigbuckbunny.mp4"));
    SourceConfig::File { path, script: Vec::new() }
}

/// Reads until there are so many pictures.
async fn read(subscriber: &mut Subscriber, pictures: usize) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut seen = 0;
    let limit = Instant::now() + Duration::from_secs(40);
    while seen < pictures {
        assert!(Instant::now() < limit, "{seen} pictures of {pictures}");
        let Ok(next) = tokio::time::timeout(Duration::from_secs(15), subscriber.recv()).await else {
            panic!("no packet for 15 s, after {seen} pictures");
        };
        let packet = next.expect("the hub is open");
        seen += usize::from(matches!(&packet, Packet::Frame(frame) if frame.track == Track::Video));
        packets.push(packet);
    }
    packets
}

fn frames(packets: &[Packet], track: Track) -> Vec<&Frame> {
    packets
        .iter()
        .filter_map(|packet| match packet {
            Packet::Frame(frame) if frame.track == track => Some(frame),
            _ => None,
        })
        .collect()
}

fn assert_steps(frames: &[&Frame], step_ns: i64) {
    for pair in frames.windows(2) {
        let step = pair[1].dts_ns - pair[0].dts_ns;
        assert!((step - step_ns).abs() <= 1000, "a step of {step} ns instead of {step_ns}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_plays_without_a_seam_beyond_its_end() {
    let (encoder, mut subscriber) = start(footage());
    // The file has 5.3 seconds.
    let packets = read(&mut subscriber, 7 * FPS as usize).await;
    let stopping = Instant::now();
    encoder.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(2));

    let (video, audio) = (frames(&packets, Track::Video), frames(&packets, Track::Audio));
    assert_steps(&video, 66_666_667);
    assert_steps(&audio, 21_333_333);
    for (index, frame) in video.iter().enumerate() {
        assert_eq!(frame.key, index % (2 * FPS as usize) == 0, "a keyframe every two seconds: {index}");
        let stamped = if frame.key { Some(frame.epoch) } else { None };
        assert_eq!(h264::read_epoch(&frame.data), stamped);
        assert_ne!(frame.epoch, Epoch::UNKNOWN);
    }
    let Packet::Config(config) = packets.iter().find(|p| p.track() == Track::Video).unwrap() else {
        panic!("a configuration comes first")
    };
    let config = AvcConfig::parse(&config.data).unwrap();
    let sps = config.first_sps().unwrap();
    assert_eq!((config.profile, sps.width, sps.height), (100, 640, 360));
    let Packet::Config(config) = packets.iter().find(|p| p.track() == Track::Audio).unwrap() else {
        panic!("a configuration comes first")
    };
    let config = AudioSpecificConfig::parse(&config.data).unwrap();
    assert_eq!((config.object_type, config.sample_rate, config.channels), (2, 48_000, 2));
    let dts: Vec<_> = packets
        .iter()
        .filter_map(|packet| if let Packet::Frame(frame) = packet { Some(frame.dts_ns) } else { None })
        .collect();
    assert!(dts.is_sorted(), "both tracks come in one order");
}

#[tokio::test(flavor = "multi_thread")]
async fn click_and_flash_are_at_the_same_instant() {
    let (encoder, mut subscriber) = start(pattern(&[]));
    let packets = read(&mut subscriber, 4 * FPS as usize + 5).await;
    encoder.stop().await;

    let dir = tempfile::tempdir().unwrap();
    let flashes = flashes(dir.path(), &packets);
    let clicks = clicks(dir.path(), &packets);
    assert!(flashes.len() >= 4, "{flashes:?}");
    for flash in &flashes {
        let nearest = clicks.iter().map(|click| (click - flash).abs()).min().expect("there are clicks");
        assert!(nearest <= 10_000_000, "{nearest} ns apart: {flashes:?} {clicks:?}");
    }
}

/// Presentation times of the white pictures.
fn flashes(dir: &std::path::Path, packets: &[Packet]) -> Vec<i64> {
    let is_white = |picture: &[u8]| {
        let lower = &picture[picture.len() / 2..];
        lower.iter().map(|sample| u64::from(*sample)).sum::<u64>() / lower.len() as u64 > 200
    };
    let pictures = pictures(dir, packets).into_iter();
    pictures.filter(|(_, picture)| is_white(picture)).map(|(at, _)| at).collect()
}

/// The pictures' luma with their presentation times, decoded by ffmpeg.
fn pictures(dir: &std::path::Path, packets: &[Packet]) -> Vec<(i64, Vec<u8>)> {
    let mut stream = Vec::new();
    let mut times = Vec::new();
    for packet in packets.iter().filter(|packet| packet.track() == Track::Video) {
        match packet {
            Packet::Config(config) => {
                let config = AvcConfig::parse(&config.data).unwrap();
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
    let path = dir.join("video.h264");
    std::fs::write(&path, stream).unwrap();
    let raw = ffmpeg(&path, &["-vsync", "0", "-f", "rawvideo", "-pix_fmt", "gray"]);
    let pictures: Vec<_> = raw.chunks_exact(WIDTH * HEIGHT).map(<[u8]>::to_vec).collect();
    assert_eq!(pictures.len(), times.len(), "every picture can be decoded");
    times.into_iter().zip(pictures).collect()
}

/// Times at which a click begins, decoded by ffmpeg.
fn clicks(dir: &std::path::Path, packets: &[Packet]) -> Vec<i64> {
    let audio = frames(packets, Track::Audio);
    let mut stream = Vec::new();
    for frame in &audio {
        // An ADTS header (ISO/IEC 14496-3, 1.A.2.2): AAC-LC, 48 kHz, stereo.
        let length = frame.data.len() + 7;
        stream.extend_from_slice(&[0xff, 0xf1, 0x4c, 0x80 | (length >> 11) as u8]);
        stream.extend_from_slice(&[(length >> 3) as u8, (length << 5) as u8 | 0x1f, 0xfc]);
        stream.extend_from_slice(&frame.data);
    }
    let path = dir.join("audio.aac");
    std::fs::write(&path, stream).unwrap();
    let raw = ffmpeg(&path, &["-f", "f32le", "-ac", "1"]);
    let samples: Vec<_> =
        raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes).abs()).collect();
    let mut clicks = Vec::new();
    let mut at = 0;
    while at < samples.len() {
        if samples[at] > 0.1 {
            clicks.push(audio[0].pts_ns + at as i64 * 1_000_000_000 / 48_000);
            at += 24_000;
        } else {
            at += 1;
        }
    }
    clicks
}

fn ffmpeg(input: &std::path::Path, output: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(input)
        .args(output)
        .arg("-")
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_child_is_replaced_and_time_goes_on() {
    let (encoder, mut subscriber) = start(pattern(&[]));
    let before = read(&mut subscriber, FPS as usize).await;
    kill_child();
    let killed = Instant::now();
    let mut after = Vec::new();
    let epoch = before.last().unwrap().epoch();
    while after.last().is_none_or(|packet: &Packet| packet.epoch() == epoch) {
        after.extend(read(&mut subscriber, 1).await);
    }
    assert!(killed.elapsed() < Duration::from_secs(3), "{:?}", killed.elapsed());
    after.extend(read(&mut subscriber, FPS as usize).await);
    assert_eq!(encoder.status().borrow().restarts, 1);
    assert_eq!(encoder.status().borrow().state, EncoderState::Running);
    encoder.stop().await;

    let all: Vec<_> = before.into_iter().chain(after).collect();
    for track in [Track::Video, Track::Audio] {
        let frames = frames(&all, track);
        assert!(frames.windows(2).all(|pair| pair[0].dts_ns < pair[1].dts_ns), "{track:?} never goes back");
        let hole = frames.windows(2).map(|pair| pair[1].dts_ns - pair[0].dts_ns).max();
        assert!(hole.is_some_and(|hole| hole < 3_000_000_000), "{track:?}: {hole:?}");
    }
}

/// Kills this process's media child.
fn kill_child() {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let parent =
            read("stat").rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1).map(str::to_owned));
        if parent.as_deref() == Some(&own) && read("cmdline").ends_with("\0media\0") {
            let id = entry.file_name().to_string_lossy().parse().unwrap();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL)
                .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_signal_the_slate_stands_and_nothing_else_notices() {
    let script = ["no cable at 5 s for 2 s", "protected at 7 s for 2 s", "1920x1080@50 at 11 s"];
    let (encoder, mut subscriber) = start(pattern(&script));
    let mut status = encoder.status();
    let told = tokio::spawn(async move {
        let mut told: Vec<(SignalState, u32, Option<String>)> = Vec::new();
        while status.changed().await.is_ok() {
            let signal = status.borrow_and_update().stats.signal.clone();
            let one = (signal.state, signal.width, signal.reason);
            if told.last() != Some(&one) && one.1 > 0 {
                told.push(one);
            }
        }
        told
    });
    let mut packets = Vec::new();
    while packets
        .last()
        .is_none_or(|packet| !matches!(packet, Packet::Frame(frame) if frame.pts_ns > 13_000_000_000))
    {
        packets.extend(read(&mut subscriber, 1).await);
    }
    assert_eq!(encoder.status().borrow().restarts, 0);
    encoder.stop().await;

    // Not a frame is missing, and decoders are told nothing new.
    let (video, audio) = (frames(&packets, Track::Video), frames(&packets, Track::Audio));
    assert_steps(&video, 66_666_667);
    assert_steps(&audio, 21_333_333);
    assert!(video.iter().all(|frame| frame.epoch == video[0].epoch));

    let dir = tempfile::tempdir().unwrap();
    let format = PictureFormat { width: 640, height: 360, fps: FPS };
    let shows: Vec<(f64, bool)> = pictures(dir.path(), &packets)
        .into_iter()
        .map(|(at, luma)| (at as f64 / 1e9, timecode::read(&luma, WIDTH, &format).is_some()))
        .collect();
    let all = |from: f64, to: f64, picture: bool| {
        let mut within = shows.iter().filter(|(at, _)| (from..to).contains(at)).peekable();
        assert!(within.peek().is_some(), "nothing from {from} to {to} s");
        let other: Vec<_> = within.filter(|(_, shown)| *shown != picture).collect();
        assert!(other.is_empty(), "from {from} to {to} s, picture {picture}: {other:?}");
    };
    // The slate comes within half a second of the loss, and the picture within a second of the lock.
    all(3.0, 5.1, true);
    all(5.5, 9.0, false);
    all(10.0, 11.1, true);
    all(12.4, 13.0, true);
    let (silence, clicks) = (5.3..9.0, clicks(dir.path(), &packets));
    assert!(clicks.iter().all(|at| !silence.contains(&(*at as f64 / 1e9))), "{clicks:?}");
    assert!(clicks.len() >= 4, "{clicks:?}");

    let told = told.await.unwrap();
    let states: Vec<(SignalState, u32)> = told.iter().map(|(state, width, _)| (*state, *width)).collect();
    assert_eq!(
        states,
        [
            (SignalState::Locked, 640),
            (SignalState::NoCable, 640),
            (SignalState::Protected, 640),
            (SignalState::Locked, 640),
            (SignalState::Unstable, 1920),
            (SignalState::Locked, 1920),
        ]
    );
    assert!(told[1].2.as_ref().is_some_and(|reason| reason.contains("cable")), "{told:?}");
    assert!(told[2].2.as_ref().is_some_and(|reason| reason.contains("HDCP")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_black_still_or_silent_is_told() {
    let script = ["silence at 3 s for 3 s", "black at 7 s for 3 s", "frozen at 11 s for 3 s"];
    let alarms = AlarmConfig { silence_s: 1, black_s: 1, frozen_s: 1, ..AlarmConfig::default() };
    let (encoder, _subscriber) = start_with(pattern(&script), alarms);
    let mut status = encoder.status();
    for alarm in [SignalAlarm::Silent, SignalAlarm::Black, SignalAlarm::Frozen] {
        for wanted in [vec![alarm], vec![]] {
            let told = status.wait_for(|status| status.stats.signal.alarms == wanted);
            let told = tokio::time::timeout(Duration::from_secs(20), told).await;
            assert!(told.is_ok(), "{wanted:?} was not told");
        }
    }
    assert_eq!(encoder.status().borrow().stats.signal.state, SignalState::Locked);
    encoder.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_crashes_costs_a_moment() {
    let (encoder, mut subscriber) = start(pattern(&["crash at 4 s"]));
    let mut packets = Vec::new();
    while packets
        .last()
        .is_none_or(|packet| !matches!(packet, Packet::Frame(frame) if frame.pts_ns > 7_000_000_000))
    {
        packets.extend(read(&mut subscriber, 1).await);
    }
    assert_eq!(
        encoder.status().borrow().restarts,
        1,
        "it crashes once, however often the process is started anew"
    );
    encoder.stop().await;
    let video = frames(&packets, Track::Video);
    let hole = video.windows(2).map(|pair| pair[1].dts_ns - pair[0].dts_ns).max().unwrap();
    assert!((70_000_000..2_000_000_000).contains(&hole), "{hole} ns without a picture");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_play_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "no pictures in here\n".repeat(100)).unwrap();
    let (encoder, _subscriber) = start(SourceConfig::File { path, script: Vec::new() });
    let mut status = encoder.status();
    let failed = tokio::time::timeout(
        Duration::from_secs(20),
        status.wait_for(|status| status.configuration && status.state == EncoderState::Failed),
    );
    let error = failed.await.unwrap().unwrap().error.clone().unwrap_or_default();
    assert!(error.contains("source.path") && error.contains("notes.txt"), "{error}");
    encoder.stop().await;
}
