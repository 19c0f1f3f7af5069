//! Both disks take nothing: the recording says so, tries again in its time, and ends when it is told to.
#![allow(clippy::disallowed_methods, reason = "a test: it waits for other threads")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::RecorderState;
use super::disk_tests::{on_own, recording};
use super::tests::{FICKLE, Fixture};

const NONE: u64 = 1 << 20;
const MUCH: u64 = 1 << 40;

async fn stop(fixture: &Fixture) {
    let ended = tokio::time::timeout(Duration::from_secs(20), fixture.recorder.stop()).await;
    assert!(ended.is_ok(), "it does not end: {:?}", fixture.recorder.status().borrow());
    assert_eq!(fixture.recorder.status().borrow().state, RecorderState::Off);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_disks_full_it_has_failed_until_one_has_room() {
    let (fixture, _plug, mut player) = recording().await;
    fixture.free.store(NONE, Ordering::Relaxed);
    fixture.usb_free.store(NONE, Ordering::Relaxed);
    let status = player.until(&fixture, |status| status.state == RecorderState::Failed).await;
    assert!(status.error.unwrap().contains("no room"));
    // For three tries nothing else is told.
    let begun = Instant::now();
    let same = |status: &super::RecorderStatus| status.state != RecorderState::Failed;
    while begun.elapsed() < Duration::from_secs(7) {
        player.moment(&fixture).await;
        let status = fixture.recorder.status().borrow().clone();
        assert!(!same(&status) && status.file.is_none(), "{status:?}");
    }
    fixture.free.store(MUCH, Ordering::Relaxed);
    let status = player.until(&fixture, on_own).await;
    assert!(status.error.is_none() && status.disk_error.unwrap().contains("is full"));
    stop(&fixture).await;
    assert!(fixture.recorder.recordings().iter().all(|one| one.closed && one.video_frames > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_stick_full_and_the_own_folder_gone_it_has_failed() {
    let (fixture, _plug, mut player) = recording().await;
    assert!(!fixture.dir().exists(), "nothing was recorded there");
    fs::write(fixture.dir(), "in the way").unwrap();
    fixture.usb_free.store(NONE, Ordering::Relaxed);
    let status = player.until(&fixture, |status| status.state == RecorderState::Failed).await;
    assert!(status.error.unwrap().contains("record.dir"));
    fs::remove_file(fixture.dir()).unwrap();
    player.until(&fixture, on_own).await;
    stop(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_recording_that_no_disk_takes() {
    for (free, usb_free) in [(NONE, NONE), (FICKLE, NONE), (NONE, FICKLE), (FICKLE, FICKLE)] {
        let (fixture, _plug, mut player) = recording().await;
        fixture.free.store(free, Ordering::Relaxed);
        fixture.usb_free.store(usb_free, Ordering::Relaxed);
        // The failure comes after the stop.
        player.play(&fixture, 2_000);
        stop(&fixture).await;
        let left = fixture.recorder.recordings();
        assert!(left.iter().all(|one| one.closed && one.video_frames > 0), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_on_which_files_begin_and_do_not_go_on_costs_no_frame() {
    let (fixture, plug, mut player) = recording().await;
    fixture.usb_free.store(FICKLE, Ordering::Relaxed);
    let status = player.until(&fixture, on_own).await;
    let before = status.frames;
    // Some files later it has been tried again.
    player.until(&fixture, |status| on_own(status) && status.frames > before + 300).await;
    stop(&fixture).await;
    let all: Vec<PathBuf> = fixture.files().into_iter().chain(plug.files()).collect();
    player.is_in(&all);
}
