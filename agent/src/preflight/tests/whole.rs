#![allow(clippy::disallowed_methods, reason = "tests wait for what comes out of it")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use stagebox_media::rtmp::StreamInfo;
use stagebox_protocol::OutputRole;
use stagebox_protocol::preflight::{PreflightState, PreflightVerdict};
use stagebox_protocol::telemetry::{AudioLevel, EncoderState, SignalState};
use stagebox_push::Hub;
use tokio::sync::watch;

use super::super::{PreflightHandle, Setup, Told, spawn};
use crate::clock::Clock;
use crate::durable::Durable;
use crate::encode::MediaStatus;
use crate::push::{self, Output};
use crate::record::{self, Places, RecorderConfig, RecorderHandle, Room, WhenFull};
use crate::trust::Trust;

const LIMIT: Duration = Duration::from_secs(60);

struct Bench {
    media: watch::Sender<MediaStatus>,
    preflight: PreflightHandle,
    recorder: RecorderHandle,
    folder: tempfile::TempDir,
}

/// A box whose media process is played, with a real disk and outputs without servers.
fn bench() -> Bench {
    bench_with(None, |_| None)
}

/// One with a bitrate for the recording alone, and USB disks.
fn bench_with(recording_kbps: Option<u32>, usb: impl FnOnce(&Path) -> Option<Places>) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let record_dir = folder.path().join("recordings");
    std::fs::create_dir(&record_dir).unwrap();
    let (hub, room) = (Hub::new(), Room::new(928, None, WhenFull::Stop, None));
    let durable = Durable::open(&folder.path().join("data")).unwrap();
    let recorder = RecorderConfig { room, usb: usb(folder.path()), ..RecorderConfig::new(record_dir, 60) };
    let recorder = record::spawn(recorder, hub.clone(), &durable, Clock::new()).unwrap();
    let setup = push::Setup { bitrate_kbps: 928, stream: StreamInfo::default(), trust: Trust::default() };
    let (media, status) = watch::channel(MediaStatus::default());
    let setup = Setup {
        media: status,
        fps: 15,
        encoder: "x264enc".to_owned(),
        video_kbps: 800,
        recording_kbps,
        audio_kbps: 128,
        overhead_percent: 5,
        sound_is_apart: false,
        is_muted: false,
        silence_dbfs: -60,
        recorder: recorder.clone(),
        room,
        oldest_go: false,
        outputs: OutputRole::ALL
            .map(|role| (Output::spawn(role, setup.clone(), hub.clone()), Trust::default()))
            .to_vec(),
        both_send: true,
        cloud: None,
    };
    Bench { media, preflight: spawn(move || setup.clone(), Clock::new()), recorder, folder }
}

async fn told(preflight: &PreflightHandle, wanted: impl FnMut(&Option<Told>) -> bool) -> Told {
    let mut status = preflight.status();
    let found = tokio::time::timeout(LIMIT, status.wait_for(wanted)).await.unwrap();
    found.unwrap().clone().unwrap()
}

fn is_over(told: &Option<Told>) -> bool {
    told.as_ref().is_some_and(|told| told.test.state != PreflightState::Running)
}

/// A stick, as far as the recorder can tell.
fn stick(root: &Path) -> Places {
    let root = root.canonicalize().unwrap();
    for folder in ["media/STICK", "sys/dev/block", "sys/device"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("sys/device/removable"), "1\n").unwrap();
    let device = std::fs::metadata(&root).unwrap().dev();
    let numbers = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    std::os::unix::fs::symlink(root.join("sys/device"), root.join("sys/dev/block").join(&numbers)).unwrap();
    let line = format!("40 1 {numbers} / {}/media/STICK rw - exfat /dev/sda1 rw\n", root.display());
    std::fs::write(root.join("mountinfo"), line).unwrap();
    Places { mountinfo: root.join("mountinfo"), sys: root.join("sys"), media: vec![root.join("media")] }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_and_the_rate_that_are_tested_are_those_of_the_recording() {
    let bench = bench_with(Some(11_872), |root| Some(stick(root)));
    let mut status = bench.recorder.status();
    let on_stick = status.wait_for(|status| status.disk_id.is_some());
    tokio::time::timeout(LIMIT, on_stick).await.unwrap().unwrap();
    // The box's own folder is as good as gone: nothing of it is looked at.
    let own = bench.folder.path().join("recordings");
    std::fs::remove_dir_all(&own).unwrap();
    std::fs::write(&own, "in the way").unwrap();
    for (not_twice, said) in [(None, "at 12000 kbit/s"), (Some("too slow"), "at 928 kbit/s")] {
        bench.media.send_modify(|media| media.stats.not_twice = not_twice.map(str::to_owned));
        bench.preflight.start(1, Duration::from_secs(1));
        told(&bench.preflight, |told| !is_over(told) && told.is_some()).await;
        let Told { test, .. } = told(&bench.preflight, is_over).await;
        let of = |name: &str| test.checks.iter().find(|check| check.name == name).unwrap();
        assert!(of("room").said.contains(said), "{test:#?}");
        let disk = of("disk");
        assert!(disk.said.contains("written and synced"), "{test:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_tested_from_end_to_end() {
    let bench = bench();
    let media = bench.media.clone();
    tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(200));
        loop {
            beat.tick().await;
            media.send_modify(|media| {
                media.state = EncoderState::Running;
                media.stats.encoder = "x264enc".to_owned();
                media.stats.frames += 3;
                media.stats.signal.state = SignalState::Locked;
                media.stats.signal.audio = true;
                media.stats.levels = vec![AudioLevel { peak_dbfs: -20.0, rms_dbfs: -30.0 }];
            });
        }
    });
    bench.preflight.start(7, Duration::from_secs(1));
    let running = told(&bench.preflight, Option::is_some).await;
    assert_eq!((running.run, running.test.state), (7, PreflightState::Running));
    let Told { run, test } = told(&bench.preflight, is_over).await;
    assert_eq!((run, test.percent), (7, 100));
    let verdict = |name: &str| test.checks.iter().find(|check| check.name == name).unwrap().verdict;
    for (name, verdicts) in [
        ("source", [PreflightVerdict::Pass; 2]),
        ("sound", [PreflightVerdict::Pass; 2]),
        ("room", [PreflightVerdict::Pass, PreflightVerdict::Warn]),
        // No server is set, neither of the two.
        ("main", [PreflightVerdict::Fail; 2]),
        ("backup", [PreflightVerdict::Skipped; 2]),
        // It belongs to no cloud.
        ("upload", [PreflightVerdict::Skipped; 2]),
    ] {
        assert!(verdicts.contains(&verdict(name)), "{name}: {test:#?}");
    }
    // The box's own servers are not spoken of where there are none.
    assert_eq!(test.checks.len(), 9, "{test:#?}");
    for name in ["encoder", "disk", "clock"] {
        let verdict = verdict(name);
        assert!(!matches!(verdict, PreflightVerdict::Waiting | PreflightVerdict::Running), "{test:#?}");
    }
    assert_eq!(test.state, PreflightState::Failed);
    let left = std::fs::read_dir(bench.folder.path().join("recordings")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("preflight")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_cancelled_at_once_and_another_one_begins() {
    let bench = bench();
    // Nothing comes of the media process, so that there is something to wait for.
    bench.preflight.start(1, Duration::from_secs(30));
    told(&bench.preflight, Option::is_some).await;
    bench.preflight.cancel("the box went live");
    let Told { run, test } = told(&bench.preflight, is_over).await;
    assert_eq!((run, test.state), (1, PreflightState::Cancelled));
    assert!(test.checks.iter().any(|check| check.said == "the box went live"), "{test:#?}");
    bench.preflight.start(2, Duration::from_secs(1));
    let again = told(&bench.preflight, |told| told.as_ref().is_some_and(|told| told.run == 2)).await;
    assert_eq!(again.test.state, PreflightState::Running);
    bench.preflight.cancel("enough");
    told(&bench.preflight, is_over).await;
}
