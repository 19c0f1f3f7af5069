//! A run of the real worker: the clip, the program, and all that came of it.
#![allow(clippy::disallowed_methods, reason = "these tests run real processes in real time")]

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stagebox_media::cmaf::CmafReader;
use stagebox_media::h264::{AvcConfig, contains_idr};
use stagebox_media::{Frame, Packet, TrackConfig};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::{FromWorker, Scaled, SourceSize, Start, Transcoder, ladder};

pub(super) const WANTED: [u16; 4] = [360, 240, 180, 120];
pub(super) const FPS: u32 = 15;
/// How often a run is looked at from one frame to the next.
const STEPS: u32 = 6;
/// Frames from one key frame to the next.
pub(super) const GROUP: usize = 30;

/// A clip of 640×360 at 15 frames a second with moving noise.
pub(super) fn clip(seconds: u32, bframes: u32) -> (TrackConfig, Vec<Frame>) {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size=640x360:rate={FPS}:duration={seconds},noise=alls=12:allf=t"))
        .args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-sc_threshold", "0"])
        .args(["-g", &GROUP.to_string(), "-bf", &bframes.to_string(), "-b:v", "1500k"])
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "-"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut reader = CmafReader::new();
    reader.push(&made.stdout);
    let (mut config, mut frames) = (None, Vec::new());
    while let Some(packet) = reader.next().unwrap() {
        match packet {
            Packet::Config(found) => config = Some(found),
            Packet::Frame(frame) => frames.push(frame),
        }
    }
    assert_eq!(frames.len(), usize::try_from(seconds * FPS).unwrap());
    (config.unwrap(), frames)
}

/// A worker's program under a name of its own, so that its processes can be found.
pub(super) struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = std::env::current_exe().unwrap();
        let target = target.parent().and_then(Path::parent).unwrap().join(env!("CARGO_PKG_NAME"));
        assert!(target.exists(), "{} is not built; cargo test without --lib builds it", target.display());
        symlink(target, folder.path().join("program")).unwrap();
        Self { folder }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        let name = self.path();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let found = numbers.find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(name.to_str().unwrap().as_bytes())
        });
        found.map(Pid::from_raw)
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It may have ended by itself meanwhile.
            let _ = kill(pid, signal);
        }
    }
}

/// All that came of one run.
#[derive(Default)]
pub(super) struct Made {
    pub(super) configs: BTreeMap<u8, Vec<TrackConfig>>,
    pub(super) frames: BTreeMap<u8, Vec<Frame>>,
    pub(super) lost: usize,
    pub(super) dropped: Vec<(u8, String)>,
    pub(super) done: bool,
}

impl Made {
    pub(super) fn take(&mut self, made: FromWorker) {
        match made {
            FromWorker::Packet { run: 7, rendition, packet: Packet::Config(config) } => {
                self.configs.entry(rendition).or_default().push(config);
            }
            FromWorker::Packet { run: 7, rendition, packet: Packet::Frame(frame) } => {
                self.frames.entry(rendition).or_default().push(frame);
            }
            FromWorker::Lost { run: 7 } => self.lost += 1,
            FromWorker::Dropped { run: 7, rendition, words } => self.dropped.push((rendition, words)),
            FromWorker::Done { run: 7 } => self.done = true,
            other => panic!("of another run: {other:?}"),
        }
    }

    pub(super) fn pts(&self, rendition: u8) -> Vec<i64> {
        self.frames.get(&rendition).into_iter().flatten().map(|frame| frame.pts_ns).collect()
    }
}

/// Gives `frames` at `speed` times real time; `at` is called before each of them.
pub(super) async fn run(
    program: &Program,
    clip: &(TrackConfig, Vec<Frame>),
    speed: f64,
    mut at: impl FnMut(usize),
) -> (Vec<Scaled>, Made) {
    let mut last = None;
    let once = |index, _| {
        if last.replace(index) != Some(index) {
            at(index);
        }
    };
    run_watched(program, clip, speed, once).await
}

/// The same with `at` called several times before each frame, told how far the renditions have come.
pub(super) async fn run_watched(
    program: &Program,
    (config, frames): &(TrackConfig, Vec<Frame>),
    speed: f64,
    mut at: impl FnMut(usize, i64),
) -> (Vec<Scaled>, Made) {
    let sps = AvcConfig::parse(&config.data).unwrap().first_sps().unwrap();
    let source = SourceSize {
        width: sps.width,
        height: sps.height,
        pixel_aspect: sps.pixel_aspect,
        frame_rate: sps.fps(),
    };
    let ladder = ladder(source, &WANTED);
    let (output, mut input) = mpsc::channel(64);
    let reached_ns = Arc::new(AtomicI64::new(0));
    let reached = Arc::clone(&reached_ns);
    let collected = tokio::spawn(async move {
        let mut made = Made::default();
        while let Some(from) = input.recv().await {
            if let FromWorker::Packet { packet: Packet::Frame(frame), .. } = &from {
                reached.fetch_max(frame.pts_ns, Ordering::Relaxed);
            }
            made.take(from);
            if made.done {
                break;
            }
        }
        made
    });
    let start = Start {
        program: program.path(),
        trials: None,
        run: 7,
        config: config.clone(),
        ladder: ladder.clone(),
        keys: None,
    };
    let mut transcoder = Transcoder::start(start, output);
    let begin = Instant::now();
    for (index, frame) in frames.iter().enumerate() {
        for step in (0..STEPS).rev() {
            let frames = (index as f64 - f64::from(step) / f64::from(STEPS)).max(0.0);
            sleep_until(begin + Duration::from_secs_f64(frames / f64::from(FPS) / speed)).await;
            at(index, reached_ns.load(Ordering::Relaxed));
        }
        transcoder.push(frame);
    }
    drop(transcoder);
    let made = timeout(Duration::from_secs(20), collected).await.expect("the run never ends").unwrap();
    assert_eq!(program.pid(), None, "a worker outlives its run");
    (ladder, made)
}

/// Every frame came once, in order, at exactly the source's times, in every rendition.
pub(super) fn assert_whole(clip: &(TrackConfig, Vec<Frame>), ladder: &[Scaled], made: &Made) {
    let mut source: Vec<i64> = clip.1.iter().map(|frame| frame.pts_ns).collect();
    source.sort_unstable();
    let keys: Vec<i64> = clip.1.iter().filter(|frame| frame.key).map(|frame| frame.pts_ns).collect();
    assert_eq!(ladder.len(), 3);
    for (number, scaled) in (0u8..).zip(ladder) {
        assert_eq!(made.pts(number), source, "{scaled:?}");
        for frame in &made.frames[&number] {
            assert_eq!(frame.key, contains_idr(&frame.data), "{scaled:?} at {}", frame.pts_ns);
            assert!(frame.key || !keys.contains(&frame.pts_ns), "{scaled:?} at {}", frame.pts_ns);
        }
        for config in &made.configs[&number] {
            let sps = AvcConfig::parse(&config.data).unwrap().first_sps().unwrap();
            assert_eq!((sps.width, sps.height, sps.pixel_aspect), (scaled.width, scaled.height, (1, 1)));
        }
    }
    assert_eq!((made.lost, made.dropped.len()), (0, 0));
}

/// Presentation times of a rendition's key frames that the source does not have there.
pub(super) fn extra_keys(clip: &(TrackConfig, Vec<Frame>), made: &Made, number: u8) -> Vec<i64> {
    let is_key = |pts: i64| clip.1.iter().any(|frame| frame.key && frame.pts_ns == pts);
    let keys = made.frames[&number].iter().filter(|frame| frame.key).map(|frame| frame.pts_ns);
    keys.filter(|pts| !is_key(*pts)).collect()
}
