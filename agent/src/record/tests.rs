//! The recorder on a real disk, with a clip that ffmpeg made.
#![allow(clippy::disallowed_methods, reason = "a test: it waits for another thread")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stagebox_media::cmaf::CmafReader;
use stagebox_media::{Epoch, Packet, Track, h264};
use stagebox_push::Hub;
use tempfile::TempDir;

use super::handle::{RecorderHandle, spawn_on};
use super::state_tests::{audio_config, frame, video_config};
use super::{RecorderConfig, RecorderState, RecorderStatus, Room, WhenFull, repair};
use crate::clock::Clock;
use crate::durable::Durable;

const EPOCH: u64 = 0x1234_0000_0000_0001;
/// Room of a disk on which files begin, and do not go on.
pub(super) const FICKLE: u64 = 3;

pub(super) struct Fixture {
    pub(super) root: TempDir,
    pub(super) hub: Hub,
    pub(super) recorder: RecorderHandle,
    /// Room on the box's own disk, and on those below a folder called `media`.
    pub(super) free: Arc<AtomicU64>,
    pub(super) usb_free: Arc<AtomicU64>,
}

impl Fixture {
    pub(super) fn new(segment_s: u32) -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), segment_s)
    }

    fn in_dir(root: TempDir, segment_s: u32) -> Self {
        Self::with_room(root, segment_s, Room::new(3_000, None, WhenFull::Stop, None))
    }

    fn with_room(root: TempDir, segment_s: u32, room: Room) -> Self {
        Self::with(root, |dir| RecorderConfig { room, ..RecorderConfig::new(dir, segment_s) })
    }

    /// The configuration is made for a folder of recordings.
    pub(super) fn with(root: TempDir, config: impl FnOnce(PathBuf) -> RecorderConfig) -> Self {
        let hub = Hub::new();
        let durable = Durable::open(root.path()).unwrap();
        let config = config(root.path().join("recordings"));
        let room = || Arc::new(AtomicU64::new(1 << 40));
        let (free, usb_free) = (room(), room());
        let (own, usb) = (Arc::clone(&free), Arc::clone(&usb_free));
        let free_bytes = Box::new(move |path: &Path| {
            let is_usb = path.components().any(|part| part.as_os_str() == "media");
            let free = if is_usb { &usb } else { &own }.load(Ordering::Relaxed);
            let manifest = || std::fs::read_to_string(path.join("manifest.json")).unwrap_or_default();
            Ok(if free == FICKLE && !manifest().contains("\"closed\": false") { 1 << 40 } else { free })
        });
        let recorder = spawn_on(config, hub.clone(), &durable, Clock::new(), free_bytes).unwrap();
        Self { root, hub, recorder, free, usb_free }
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.root.path().join("recordings")
    }

    /// Recordings by name.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir()).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "mp4"));
        files.sort();
        files
    }

    /// Waits until every recording has its checksum, and the files say so.
    pub(super) async fn hashed(&self) -> Vec<String> {
        for _ in 0..400 {
            let all = self.recorder.recordings();
            let sums: Option<Vec<String>> = all.iter().map(|one| one.details.sha256.clone()).collect();
            let written = std::fs::read_to_string(self.dir().join("SHA256SUMS")).unwrap_or_default();
            if let Some(sums) = sums.filter(|sums| sums.iter().all(|sum| written.contains(sum))) {
                return sums;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("checksums do not come: {:?}", self.recorder.recordings());
    }

    pub(super) async fn wait(&self, reached: impl FnMut(&RecorderStatus) -> bool) -> RecorderStatus {
        let mut status = self.recorder.status();
        let wait = status.wait_for(reached);
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("in time").unwrap().clone()
    }
}

/// Ten seconds at 15 frames a second with a keyframe a second, with sound; `None` where there is no ffmpeg.
pub(super) fn clip() -> Option<Vec<Packet>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=15:d=10"])
        .args(["-f", "lavfi", "-i", "sine=r=48000:d=10", "-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        .arg(&path)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: ffmpeg is not there");
        return None;
    }
    let mut reader = CmafReader::new();
    reader.push(std::fs::read(&path).unwrap());
    let mut packets = Vec::new();
    while let Some(packet) = reader.next().unwrap() {
        packets.push(match packet {
            Packet::Frame(mut frame) => {
                frame.epoch = Epoch(EPOCH);
                if frame.track == Track::Video && frame.key {
                    frame.data = h264::write_epoch(&frame.data, Epoch(EPOCH));
                }
                Packet::Frame(frame)
            }
            Packet::Config(mut config) => {
                config.epoch = Epoch(EPOCH);
                Packet::Config(config)
            }
        });
    }
    Some(packets)
}

/// Decodes a file and counts its video frames; complaints fail the test.
fn decoded_frames(path: &Path) -> u64 {
    let output = Command::new("ffprobe")
        .args(["-v", "warning", "-count_frames", "-select_streams", "v"])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn every_frame_given_before_the_stop_is_in_the_files() {
    let Some(packets) = clip() else { return };
    let fixture = Fixture::new(3);
    fixture.recorder.start();
    fixture.wait(|status| status.state == RecorderState::Starting).await;
    for packet in packets {
        fixture.hub.publish(packet);
    }
    fixture.recorder.stop().await;
    let status = fixture.recorder.status().borrow().clone();
    assert_eq!((status.state, status.frames, status.dropped_frames), (RecorderState::Off, 150, 0));
    assert!((9_900..10_200).contains(&status.duration_ms), "{status:?}");

    let files = fixture.files();
    let frames: Vec<_> = files.iter().map(|path| decoded_frames(path)).collect();
    assert_eq!(frames, [45, 45, 45, 15]);
    let recordings = fixture.recorder.recordings();
    let bytes: Vec<_> = files.iter().map(|path| path.metadata().unwrap().len()).collect();
    assert_eq!(recordings.iter().map(|recording| recording.bytes).collect::<Vec<_>>(), bytes);
    assert!(recordings.iter().all(|recording| recording.closed && recording.duration_ms >= 1_000));
    let sound: u64 = recordings.iter().map(|recording| recording.audio_frames).sum();
    assert!((468..=470).contains(&sound), "{sound} frames of sound in all files");
    let sums = fixture.hashed().await;
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture.dir().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["recordings"], serde_json::to_value(fixture.recorder.recordings()).unwrap());
    assert_eq!(manifest["recordings"][0]["video"], "avc1.42c00c 320x180", "{manifest}");
    assert_eq!(sums.len(), 4);
    let checked =
        Command::new("sha256sum").args(["--strict", "-c", "SHA256SUMS"]).current_dir(fixture.dir()).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(String::from_utf8_lossy(&checked.stdout).matches(": OK").count(), 4);
}

#[tokio::test]
async fn a_power_cut_costs_half_a_second_and_the_files_tell_what_they_are() {
    let Some(packets) = clip() else { return };
    let fixture = Fixture::new(60);
    fixture.recorder.start();
    fixture.wait(|status| status.state == RecorderState::Starting).await;
    let given: Vec<_> = packets
        .into_iter()
        .filter(|packet| !matches!(packet, Packet::Frame(frame) if frame.dts_ns > 7_300_000_000))
        .collect();
    let is_video = |packet: &&Packet| matches!(packet, Packet::Frame(frame) if frame.track == Track::Video);
    let frames = given.iter().filter(is_video).count() as u64;
    given.into_iter().for_each(|packet| fixture.hub.publish(packet));
    let status = fixture.wait(|status| frames - status.frames <= 9).await;

    let cut = tempfile::tempdir().unwrap();
    let dir = cut.path().join("recordings");
    std::fs::create_dir(&dir).unwrap();
    let torn = dir.join(status.file.as_ref().unwrap());
    std::fs::copy(&fixture.files()[0], &torn).unwrap();
    let on_disk = decoded_frames(&torn);
    assert!(frames - on_disk <= 9, "{on_disk} of {frames} at 15 a second");

    // half a fragment behind it, as the disk may have it
    let mut bytes = std::fs::read(&torn).unwrap();
    let tail = bytes[bytes.len() - 700..].to_vec();
    bytes.extend_from_slice(b"\0\0\x08\0moof");
    bytes.extend(tail);
    std::fs::write(&torn, &bytes).unwrap();
    let after = Fixture::in_dir(cut, 60);
    after.recorder.stop().await;
    let recordings = after.recorder.recordings();
    assert_eq!(recordings.len(), 1);
    assert_eq!((recordings[0].video_frames, recordings[0].closed), (on_disk, true));
    assert_eq!(recordings[0].epoch.as_deref(), Some("1234000000000001"));
    assert_eq!(recordings[0].bytes, torn.metadata().unwrap().len());
    assert_eq!(decoded_frames(&torn), on_disk);
}

#[tokio::test]
async fn without_a_folder_it_says_so_and_goes_on_when_there_is_one() {
    let fixture = Fixture::new(60);
    std::fs::write(fixture.dir(), b"in the way").unwrap();
    fixture.hub.publish(Packet::Config(video_config(1)));
    fixture.hub.publish(Packet::Frame(frame(Track::Video, 0, true)));
    fixture.recorder.start();
    let status = fixture.wait(|status| status.state == RecorderState::Failed).await;
    let error = status.error.unwrap();
    assert!(error.contains("record.dir") && error.contains("recordings"), "{error}");

    std::fs::remove_file(fixture.dir()).unwrap();
    for n in 1..100 {
        fixture.hub.publish(Packet::Frame(frame(Track::Video, n * 1000, true)));
        if fixture.recorder.status().borrow().state == RecorderState::Recording {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let status = fixture.wait(|status| status.state == RecorderState::Recording).await;
    assert_eq!(status.error, None);
    fixture.recorder.stop().await;
    assert_eq!(fixture.files().len(), 1);
}

#[tokio::test]
async fn a_full_disk_ends_the_file_whole_and_room_begins_another() {
    let fixture = Fixture::new(60);
    fixture.recorder.start();
    fixture.wait(|status| status.state == RecorderState::Starting).await;
    fixture.hub.publish(Packet::Config(video_config(1)));
    fixture.hub.publish(Packet::Config(audio_config(1)));
    let mut ms = 0;
    let mut play = async |seconds: i64| {
        for _ in 0..seconds * 25 {
            fixture.hub.publish(Packet::Frame(frame(Track::Video, ms, ms % 1000 == 0)));
            fixture.hub.publish(Packet::Frame(frame(Track::Audio, ms, true)));
            ms += 40;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    play(3).await;
    fixture.wait(|status| status.frames >= 60).await;
    fixture.free.store(1 << 20, Ordering::Relaxed);
    play(2).await;
    let status = fixture.wait(|status| status.state == RecorderState::Failed).await;
    assert!(status.error.unwrap().contains("no room"), "{:?}", status.free_bytes);
    assert_eq!(status.free_bytes, Some(1 << 20));
    // While it is full, each try fails and nothing else is told: who looks is not told of a failure every two seconds.
    let mut watched = fixture.recorder.status();
    watched.mark_unchanged();
    for _ in 0..3 {
        play(1).await;
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let status = watched.borrow_and_update().clone();
        assert_eq!((status.state, status.file), (RecorderState::Failed, None), "{:?}", status.error);
    }
    // Some room is not yet room to spare.
    fixture.free.store(100 << 20, Ordering::Relaxed);
    play(1).await;
    assert_eq!(fixture.files().len(), 1);
    fixture.free.store(1 << 40, Ordering::Relaxed);
    while fixture.recorder.status().borrow().state != RecorderState::Recording {
        play(1).await;
    }
    fixture.recorder.stop().await;
    let recordings = fixture.recorder.recordings();
    assert_eq!(recordings.len(), 2, "{recordings:?}");
    assert!(recordings.iter().all(|recording| recording.closed && recording.video_frames > 0));
    for path in fixture.files() {
        let measured = repair::mend(&path).unwrap().unwrap();
        assert_eq!(measured.bytes, path.metadata().unwrap().len());
    }
}

#[tokio::test]
async fn the_oldest_recordings_make_room_where_they_are_to() {
    let room = Room::new(3_000, None, WhenFull::DeleteOldest, None);
    let fixture = Fixture::with_room(tempfile::tempdir().unwrap(), 2, room);
    fixture.recorder.start();
    fixture.wait(|status| status.state == RecorderState::Starting).await;
    fixture.hub.publish(Packet::Config(video_config(1)));
    for n in 0..10 * 25 {
        fixture.hub.publish(Packet::Frame(frame(Track::Video, n * 40, n % 25 == 0)));
    }
    fixture.wait(|status| status.frames >= 225).await;
    let before = fixture.files();
    assert_eq!(before.len(), 5, "{before:?}");
    // Nothing that is deleted makes more of this disk free: all go but the one that is written.
    fixture.free.store(1 << 20, Ordering::Relaxed);
    for n in 250..300 {
        fixture.hub.publish(Packet::Frame(frame(Track::Video, n * 40, n % 25 == 0)));
    }
    let status = fixture.wait(|status| status.state == RecorderState::Failed).await;
    let error = status.error.unwrap();
    assert!(error.contains("removing recordings makes no room") || error.contains("less than"), "{error}");
    let left = fixture.files();
    assert!(left.len() <= 2 && left.iter().all(|file| !before[..4].contains(file)), "{left:?}");
    fixture.recorder.stop().await;
    let manifest = std::fs::read_to_string(fixture.dir().join("manifest.json")).unwrap();
    let names = |files: &[PathBuf]| -> Vec<String> {
        files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert!(names(&before[..4]).iter().all(|gone| !manifest.contains(gone)), "{manifest}");
    let kept: Vec<String> = fixture.recorder.recordings().into_iter().map(|one| one.file).collect();
    assert_eq!(kept, names(&fixture.files()));
}

#[tokio::test]
async fn a_file_that_is_damaged_in_its_middle_is_left_as_it_is() {
    let fixture = Fixture::new(60);
    fixture.recorder.start();
    fixture.wait(|status| status.state == RecorderState::Starting).await;
    fixture.hub.publish(Packet::Config(video_config(1)));
    for n in 0..100 {
        fixture.hub.publish(Packet::Frame(frame(Track::Video, n * 40, n % 25 == 0)));
    }
    fixture.recorder.stop().await;
    let path = fixture.files().remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.windows(4).enumerate().filter(|(_, kind)| kind == b"moof").nth(1).unwrap().0;
    bytes[second] = b'x';
    bytes.resize(40 << 20, 1);
    std::fs::write(&path, &bytes).unwrap();
    let error = repair::mend(&path).unwrap_err().to_string();
    assert!(error.contains(&format!("byte {}", second - 4)), "{error}");
    assert_eq!(path.metadata().unwrap().len(), 40 << 20);
}

#[test]
fn what_is_not_a_recording_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("2026-11-21T22-30-05Z_1b9d6bcd_00001.mp4");
    let foreign = vec![7; 2 << 20];
    std::fs::write(&path, &foreign).unwrap();
    assert!(repair::mend(&path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), foreign);
    std::fs::write(&path, b"\0\0\0\x20ftypiso6").unwrap();
    assert_eq!(repair::mend(&path).unwrap(), None);
    assert!(!path.exists(), "a file without a frame is nothing");
}
