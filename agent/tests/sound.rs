//! Sound through the real media child, in real time: a clock that is off, and an ALSA input.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests of a real process in real time")]

mod av;

use std::f64::consts::TAU;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stagebox_agent::clock::Clock;
use stagebox_agent::config::{AlarmConfig, AudioConfig, ChannelPair, SourceConfig, VideoConfig};
use stagebox_agent::encode::{EncoderHandle, EncoderSetup, Hubs, MediaSetup, MediaStatus, spawn};
use stagebox_media::{Packet, Track};
use stagebox_push::{Hub, SubscribeOptions, Subscriber};

const LIMIT: Duration = Duration::from_secs(30);
const FPS: u32 = 25;
/// Samples in which a clock that is off by 1000 ppm turns the tone by a few degrees only.
const WINDOW: usize = 2_400;

fn start(program: PathBuf, script: &[&str], audio: AudioConfig) -> (EncoderHandle, Subscriber) {
    let media = MediaSetup {
        source: SourceConfig::Pattern { script: script.iter().map(|line| (*line).to_owned()).collect() },
        video: VideoConfig { width: 320, height: 180, fps: FPS, bitrate_kbps: 300, ..VideoConfig::default() },
        audio,
        recording_kbps: None,
        twice: None,
        alarms: AlarmConfig::default(),
        name: "Stage left".to_owned(),
        origin_ns: Clock::new().monotonic_ns(),
        trials: None,
        avoid: Vec::new(),
    };
    let hub = Hub::new();
    let subscriber = hub.subscribe(SubscribeOptions { max_bytes: 64 << 20, from_last_keyframe: true });
    (spawn(EncoderSetup { program, media }, Hubs { stream: hub, ..Hubs::new() }), subscriber)
}

fn agent() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_stagebox-agent"))
}

/// Everything up to a moment of the stream.
async fn read(subscriber: &mut Subscriber, until_s: i64) -> Vec<Packet> {
    let mut packets = Vec::new();
    loop {
        let packet = tokio::time::timeout(LIMIT, subscriber.recv()).await.expect("packets come").unwrap();
        let is_end = matches!(&packet, Packet::Frame(frame) if frame.pts_ns > until_s * 1_000_000_000);
        packets.push(packet);
        if is_end {
            return packets;
        }
    }
}

/// What share of these samples' power a sine of so many hertz has.
fn share(samples: &[f32], hz: f64) -> f64 {
    let (mut sines, mut cosines, mut power) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let (sine, cosine) = (TAU * hz * index as f64 / 48_000.0).sin_cos();
        let sample = f64::from(*sample);
        (sines, cosines, power) = (sines + sample * sine, cosines + sample * cosine, power + sample * sample);
    }
    let count = samples.len() as f64;
    if power == 0.0 { 0.0 } else { 2.0 * (sines * sines + cosines * cosines) / count / power }
}

#[tokio::test(flavor = "multi_thread")]
async fn click_and_flash_stay_together_where_the_clock_of_sound_is_off() {
    tokio::join!(stays_together("clock +200 ppm"), stays_together("clock -1000 ppm"));
}

async fn stays_together(clock: &str) {
    let (encoder, mut subscriber) = start(agent(), &[clock], AudioConfig::default());
    let packets = read(&mut subscriber, 18).await;
    let trouble = encoder.status().borrow().stats.sound_trouble.clone();
    encoder.stop().await;
    assert_eq!(trouble, None);

    // Frame follows frame, each 1024 samples after the one before.
    let times: Vec<i64> = packets
        .iter()
        .filter_map(|packet| match packet {
            Packet::Frame(frame) if frame.track == Track::Audio => Some(frame.pts_ns),
            _ => None,
        })
        .collect();
    let lasts_ns = 1_024 * 1_000_000_000 / 48_000;
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - lasts_ns).abs() <= 2), "{times:?}");

    let offsets = av::offsets(&packets).unwrap();
    assert!(offsets.len() >= 15, "{offsets:?}");
    // Before the first click there is silence, until the line is filled.
    assert!(offsets[1..].iter().all(|offset| offset.late_ms.abs() < 20.0), "{offsets:?}");
    // Without following, 1000 ppm would be 15 ms more in the end than in the beginning.
    let moved_ms = (offsets[offsets.len() - 1].late_ms - offsets[2].late_ms).abs();
    assert!(moved_ms < 6.0, "{offsets:?}");

    // Between two clicks the tone goes on: after a block too few or too many its phase would be another, and where windows
    // overlap by half, one of them has the seam well inside.
    let dir = tempfile::tempdir().unwrap();
    let (from_ns, samples) = av::sound(dir.path(), &packets).unwrap();
    let clicks = av::clicks(from_ns, &samples);
    for click in &clicks[1..clicks.len() - 1] {
        let at = usize::try_from((click - from_ns) * 48 / 1_000_000).unwrap();
        for from in (at + 2_400..at + 43_200).step_by(WINDOW / 2) {
            let tone = share(&samples[from..from + WINDOW], 440.0);
            assert!(tone > 0.95, "{clock}: {tone} of the sound from {from} on is the tone");
        }
    }
}

/// An ALSA input of four channels that a pipe feeds, with a clock that is off: the third channel has a tone.
struct Card {
    dir: tempfile::TempDir,
    is_away: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    hand: Option<std::thread::JoinHandle<()>>,
}

impl Card {
    const BLOCK: usize = 480;
    const OFF: f64 = 300e-6;

    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("samples");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let config = format!(
            "pcm.stage {{\n  type file\n  slave.pcm {{ type null }}\n  file \"/dev/null\"\n  infile \"{}\"\n  format \"raw\"\n}}\n",
            pipe.display()
        );
        std::fs::write(dir.path().join("asound.conf"), config).unwrap();
        let program = format!(
            "#!/bin/sh\nALSA_CONFIG_PATH={}/asound.conf exec {} \"$@\"\n",
            dir.path().display(),
            agent().display()
        );
        std::fs::write(dir.path().join("agent"), program).unwrap();
        std::fs::set_permissions(dir.path().join("agent"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (is_away, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (away, over) = (is_away.clone(), is_over.clone());
        let hand = Some(std::thread::spawn(move || Self::record(&pipe, &away, &over)));
        Self { dir, is_away, is_over, hand }
    }

    /// Writes blocks in their time, as a card does.
    fn record(pipe: &Path, is_away: &AtomicBool, is_over: &AtomicBool) {
        // Read too, so that neither side waits for the other to open it.
        let mut pipe = std::fs::File::options().read(true).write(true).open(pipe).unwrap();
        let mut due = Instant::now();
        let mut sample = 0_u64;
        while !is_over.load(Ordering::Relaxed) {
            let mut block = Vec::with_capacity(Self::BLOCK * 16);
            for _ in 0..Self::BLOCK {
                let tone = (TAU * 1_000.0 * sample as f64 / 48_000.0 / (1.0 + Self::OFF)).sin();
                for channel in 0..4 {
                    let value = if channel == 2 { tone * 0.1 } else { 0.0 };
                    block.extend_from_slice(&((value * f64::from(i32::MAX)) as i32).to_le_bytes());
                }
                sample += 1;
            }
            due += Duration::from_secs_f64(Self::BLOCK as f64 / 48_000.0 / (1.0 + Self::OFF));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if !is_away.load(Ordering::Relaxed) {
                pipe.write_all(&block).unwrap();
            }
        }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.hand.take().map(std::thread::JoinHandle::join));
    }
}

/// Waits until the box says so.
async fn says(encoder: &EncoderHandle, what: &str, wanted: impl Fn(&MediaStatus) -> bool) -> MediaStatus {
    let mut status = encoder.status();
    let found = tokio::time::timeout(LIMIT, status.wait_for(|status| wanted(status)))
        .await
        .map(|found| found.unwrap().clone());
    found.unwrap_or_else(|_| panic!("{what}: {:?}", encoder.status().borrow().stats))
}

fn has_alsa() -> bool {
    gstreamer::init().unwrap();
    let has = gstreamer::ElementFactory::find("alsasrc").is_some();
    if !has {
        println!("skipped: there is no alsasrc; install the package gstreamer1.0-alsa");
    }
    has
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alsa_input_is_heard_and_its_absence_is_told() {
    if !has_alsa() {
        return;
    }
    let card = Card::new();
    let audio = AudioConfig {
        device: Some("stage".to_owned()),
        channels: Some(ChannelPair::ThreeFour),
        gain_db: 6.0,
        ..AudioConfig::default()
    };
    let (encoder, mut subscriber) = start(card.dir.path().join("agent"), &[], audio);
    let mut levels = encoder.levels();
    let packets = read(&mut subscriber, 14).await;
    // -20 dBFS and 6 dB on the left, nothing on the right; a machine that was too busy for the card may first say so.
    says(&encoder, "the tone, and only that", |status| {
        let level = &status.stats.levels;
        status.stats.signal.audio
            && status.stats.sound_trouble.is_none()
            && level.len() == 2
            && (level[0].peak_dbfs + 14.0).abs() < 0.3
            && (level[0].rms_dbfs + 17.0).abs() < 0.3
            && level[1].peak_dbfs < -100.0
    })
    .await;
    let told = tokio::time::timeout(LIMIT, async {
        let began = Instant::now();
        let mut told = 0;
        while told < 40 {
            levels.changed().await.unwrap();
            told += 1;
        }
        began.elapsed()
    });
    assert!(told.await.unwrap() > Duration::from_millis(1_500), "not more often than 20 times a second");
    let dir = tempfile::tempdir().unwrap();
    let (from_ns, samples) = av::sound(dir.path(), &packets).unwrap();
    let windows = samples.chunks_exact(WINDOW).rev().take(100);
    let tones = windows.filter(|window| share(window, 1_000.0) > 0.98).count();
    assert!(tones > 80, "{tones} % of the sound is the tone, which begins at {from_ns} ns");

    card.is_away.store(true, Ordering::Relaxed);
    let words = |status: &MediaStatus| status.stats.sound_trouble.clone().unwrap_or_default();
    let status = says(&encoder, "silence", |status| words(status).contains("gives no sound")).await;
    assert!(!status.stats.signal.audio && words(&status).starts_with("audio.device: stage"), "{status:?}");
    assert_eq!(status.restarts, 0, "the stream goes on");
    card.is_away.store(false, Ordering::Relaxed);
    says(&encoder, "sound again", |status| {
        status.stats.signal.audio && status.stats.levels.first().is_some_and(|level| level.peak_dbfs > -15.0)
    })
    .await;
    encoder.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alsa_input_that_is_missing_costs_nothing_but_its_sound() {
    let audio = AudioConfig { device: Some("hw:99,0".to_owned()), ..AudioConfig::default() };
    let (encoder, mut subscriber) = start(agent(), &[], audio);
    let status = says(&encoder, "what is missing", |status| status.stats.sound_trouble.is_some()).await;
    let words = status.stats.sound_trouble.unwrap_or_default();
    let fix = if has_alsa() { "arecord -l" } else { "install the package gstreamer1.0-alsa" };
    assert!(words.starts_with("audio.device: ") && words.contains(fix), "{words}");
    assert!(!status.stats.signal.audio && status.restarts == 0);
    read(&mut subscriber, 4).await;
    encoder.stop().await;
}
