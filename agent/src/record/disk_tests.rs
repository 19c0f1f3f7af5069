//! Disks that come and go, marks and uploads, with real files.
#![allow(clippy::disallowed_methods, reason = "a test: it waits for other threads")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::stat::{major, minor};
use stagebox_media::{Packet, Track};
use stagebox_protocol::Outcome;

use super::moving_tests::{frames, marked};
use super::state_tests::{audio_config, video_config};
use super::tests::Fixture;
use super::{Label, Places, RecorderConfig, RecorderState, RecorderStatus, Room, UploadNow, WhenFull};

/// Set in the process that has mounts of its own.
const INSIDE: &str = "STAGEBOX_TEST_INSIDE_MOUNTS";

/// A folder of mounts, and a sysfs that takes one device for a stick.
pub(super) struct Plug {
    root: PathBuf,
    pub(super) places: Places,
}

impl Plug {
    pub(super) fn new(root: &Path, mountinfo: PathBuf) -> Self {
        let root = root.canonicalize().unwrap();
        for folder in ["media/STICK", "sys/dev/block", "sys/device"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("sys/device/removable"), "1\n").unwrap();
        let places = Places { mountinfo, sys: root.join("sys"), media: vec![root.join("media")] };
        Self { root, places }
    }

    fn stick(&self) -> PathBuf {
        self.root.join("media/STICK")
    }

    /// Has sysfs say that the device of a folder can be taken away; returns its numbers.
    fn removable(&self, folder: &Path) -> String {
        let device = fs::metadata(folder).unwrap().dev();
        let numbers = format!("{}:{}", major(device), minor(device));
        let link = self.root.join("sys/dev/block").join(&numbers);
        if !link.exists() {
            std::os::unix::fs::symlink(self.root.join("sys/device"), link).unwrap();
        }
        numbers
    }

    /// A line of the table for the stick, or none.
    pub(super) fn table(&self, mount: Option<u32>) {
        let numbers = self.removable(&self.stick());
        let line = mount.map(|id| {
            format!("{id} 1 {numbers} / {} rw,nosuid - exfat /dev/sda1 rw\n", self.stick().display())
        });
        fs::write(&self.places.mountinfo, line.unwrap_or_default()).unwrap();
    }

    /// The recordings on it.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.stick()).into_iter().flatten().map(|entry| entry.unwrap().path());
        let own = folders.filter(|path| path.is_dir());
        own.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "mp4"))
            .collect()
    }
}

/// Plays a stream into a recorder, a keyframe a second.
pub(super) struct Player {
    ms: i64,
    given: BTreeSet<bytes::Bytes>,
}

impl Player {
    pub(super) fn new(fixture: &Fixture) -> Self {
        fixture.hub.publish(Packet::Config(video_config(1)));
        fixture.hub.publish(Packet::Config(audio_config(1)));
        Self { ms: 0, given: BTreeSet::new() }
    }

    pub(super) fn play(&mut self, fixture: &Fixture, ms: i64) {
        for _ in 0..ms / 40 {
            for (track, key) in [(Track::Video, self.ms % 1_000 == 0), (Track::Audio, true)] {
                let frame = marked(track, self.ms, key);
                self.given.insert(frame.data.clone());
                fixture.hub.publish(Packet::Frame(frame));
            }
            self.ms += 40;
        }
    }

    /// Plays on until it is as it shall be.
    pub(super) async fn until(
        &mut self,
        fixture: &Fixture,
        reached: impl Fn(&RecorderStatus) -> bool,
    ) -> RecorderStatus {
        for _ in 0..600 {
            let status = fixture.recorder.status().borrow().clone();
            if reached(&status) {
                return status;
            }
            self.moment(fixture).await;
        }
        panic!("it stays at {:?}", fixture.recorder.status().borrow());
    }

    /// Plays 40 ms at twice their pace: a source has one, and the recorder's queue an end.
    pub(super) async fn moment(&mut self, fixture: &Fixture) {
        self.play(fixture, 40);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Nothing that was given is missing in these files.
    pub(super) fn is_in(&self, files: &[PathBuf]) {
        let found: BTreeSet<_> =
            files.iter().flat_map(|file| frames(&fs::read(file).unwrap())).map(|frame| frame.data).collect();
        let lost = self.given.difference(&found).count();
        assert_eq!(lost, 0, "of {} frames, in {files:?}", self.given.len());
    }
}

pub(super) fn config(dir: PathBuf, places: &Places) -> RecorderConfig {
    let label = Label { id: Some("evt_1".to_owned()), title: "Autumn Gala".to_owned() };
    RecorderConfig { usb: Some(places.clone()), upload: true, label, ..RecorderConfig::new(dir, 5) }
}

pub(super) fn on_usb(status: &RecorderStatus) -> bool {
    status.state == RecorderState::Recording && status.disk.as_deref() == Some("USB STICK")
}

pub(super) fn on_own(status: &RecorderStatus) -> bool {
    status.state == RecorderState::Recording && status.disk.as_deref() == Some("internal")
}

/// A box that records onto a stick.
pub(super) async fn recording() -> (Fixture, Plug, Player) {
    let root = tempfile::tempdir().unwrap();
    let plug = Plug::new(root.path(), root.path().join("mountinfo"));
    plug.table(Some(40));
    let fixture = Fixture::with(root, |dir| config(dir, &plug.places));
    let mut player = Player::new(&fixture);
    fixture.recorder.start();
    player.until(&fixture, |status| on_usb(status) && status.frames > 20).await;
    (fixture, plug, player)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_costs_no_frame_and_is_not_trusted_again_until_it_is_plugged_in() {
    let root = tempfile::tempdir().unwrap();
    let plug = Plug::new(root.path(), root.path().join("mountinfo"));
    plug.table(Some(40));
    let foreign = plug.stick().join("Autumn-Gala_2026-11-21_22-30-05Z_1b9d6bcd_00001.mp4");
    fs::write(&foreign, "somebody else's").unwrap();
    let fixture = Fixture::with(root, |dir| config(dir, &plug.places));
    let mut player = Player::new(&fixture);
    fixture.recorder.start();
    let status = player.until(&fixture, |status| on_usb(status) && status.frames > 20).await;
    assert!(status.file.unwrap().starts_with("Autumn-Gala_"), "named after the event");

    // A folder that is taken away under its files is as good as a disk that fails.
    let own = plug.files()[0].parent().unwrap().to_owned();
    let kept = plug.root.join("kept");
    fs::create_dir(&kept).unwrap();
    for file in plug.files() {
        fs::copy(&file, kept.join(file.file_name().unwrap())).unwrap();
    }
    fs::remove_dir_all(&own).unwrap();
    let status = player.until(&fixture, on_own).await;
    assert!(status.disk_error.as_ref().unwrap().contains("USB STICK failed"), "{status:?}");
    let before = status.frames;
    player.until(&fixture, |status| status.frames > before + 200).await;
    assert!(!own.exists(), "it is not trusted");

    plug.table(None);
    let same = |status: &RecorderStatus| !on_own(status);
    for _ in 0..60 {
        player.moment(&fixture).await;
        assert!(!same(&fixture.recorder.status().borrow()), "nothing else is to be seen");
    }
    plug.table(Some(41));
    let status = player.until(&fixture, on_usb).await;
    assert_eq!(status.disk_error, None);
    player.play(&fixture, 2_000);
    fixture.recorder.stop().await;
    let kept = fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<_> = kept.chain(fixture.files()).chain(plug.files()).collect();
    player.is_in(&all);
    assert_eq!(fs::read_to_string(foreign).unwrap(), "somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_usb_disk_costs_no_frame_and_is_taken_again_once_it_has_room() {
    let (fixture, plug, mut player) = recording().await;
    fixture.usb_free.store(1 << 20, Ordering::Relaxed);
    let status = player.until(&fixture, on_own).await;
    assert!(status.disk_error.as_ref().unwrap().contains("USB STICK is full"), "{status:?}");
    fixture.usb_free.store(1 << 40, Ordering::Relaxed);
    let status = player.until(&fixture, on_usb).await;
    assert_eq!(status.disk_error, None);
    fixture.recorder.stop().await;
    let all: Vec<_> = fixture.files().into_iter().chain(plug.files()).collect();
    player.is_in(&all);
}

#[test]
fn a_disk_that_is_pulled_in_mid_write_costs_no_frame_and_is_mended_when_it_is_back() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(with_mounts_of_its_own());
    }
    let itself = std::env::current_exe().unwrap();
    let name = concat!(
        module_path!(),
        "::a_disk_that_is_pulled_in_mid_write_costs_no_frame_and_is_mended_when_it_is_back"
    );
    let name = name.split_once("::").map_or(name, |(_, name)| name);
    let mut inside = Command::new("unshare");
    inside.args(["--map-root-user", "--mount"]).arg(itself).args([name, "--exact", "--nocapture"]);
    let output = inside.env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

fn run(program: &str, arguments: &[&str], paths: &[&Path]) {
    let status = Command::new(program).args(arguments).args(paths).status().unwrap();
    assert!(status.success(), "{program} {arguments:?} {paths:?}");
}

async fn with_mounts_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let plug = Plug::new(root.path(), PathBuf::from("/proc/self/mountinfo"));
    // The stick itself, and where it is plugged in.
    let (stick, socket) = (plug.root.join("stick"), plug.stick());
    fs::create_dir(&stick).unwrap();
    run("mount", &["-t", "tmpfs", "tmpfs"], &[&stick]);
    plug.removable(&stick);
    let foreign = stick.join("holiday.mp4");
    fs::write(&foreign, "somebody else's").unwrap();

    let fixture = Fixture::with(root, |dir| config(dir, &plug.places));
    let mut player = Player::new(&fixture);
    fixture.recorder.start();
    player.until(&fixture, |status| on_own(status) && status.frames > 20).await;
    run("mount", &["--bind"], &[&stick, &socket]);
    let status = player.until(&fixture, on_usb).await;
    assert_eq!(status.disk_error, None);
    assert_eq!(fixture.recorder.mark(Some("on the stick".to_owned()), None).await, Outcome::Done);
    let before = status.frames;
    player.until(&fixture, |status| status.frames > before + 20).await;
    run("umount", &["--lazy"], &[&socket]);
    let status = player.until(&fixture, on_own).await;
    assert!(status.disk_error.unwrap().contains("taken away"));
    assert!(fs::read_dir(&socket).unwrap().next().is_none(), "nothing is made where a disk was");
    assert!(fixture.recorder.recordings().iter().all(|one| one.details.disk.is_none()), "it has gone");

    run("mount", &["--bind"], &[&stick, &socket]);
    player.until(&fixture, on_usb).await;
    player.play(&fixture, 2_000);
    fixture.recorder.stop().await;
    let there = plug.files();
    assert_eq!(there.len(), 2);
    let all: Vec<_> = fixture.files().into_iter().chain(there).collect();
    player.is_in(&all);
    // What was torn off is whole again, with all that was said of it.
    let on_stick: Vec<_> =
        fixture.recorder.recordings().into_iter().filter(|one| one.details.disk.is_some()).collect();
    assert!(on_stick.iter().all(|one| one.closed && one.duration_ms > 0), "{on_stick:?}");
    let marks: Vec<_> = on_stick.iter().flat_map(|one| &one.details.marks).collect();
    assert_eq!(marks.len(), 1);
    assert_eq!(marks[0].label.as_deref(), Some("on the stick"));
    assert_eq!(fs::read_to_string(foreign).unwrap(), "somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_on_disk_when_it_is_acknowledged_and_is_made_once() {
    let fixture = Fixture::new(60);
    let refused = fixture.recorder.mark(None, None).await;
    let Outcome::Rejected { code: 409, error } = refused else { panic!("{refused:?}") };
    assert!(error.contains("start the recording"), "{error}");
    let mut player = Player::new(&fixture);
    fixture.recorder.start();
    player.until(&fixture, |status| status.frames > 60).await;
    for _ in 0..2 {
        let label = Some("Encore".to_owned());
        assert_eq!(fixture.recorder.mark(label, Some("cmd_1".to_owned())).await, Outcome::Done);
    }
    let manifest = fs::read_to_string(fixture.dir().join("manifest.json")).unwrap();
    assert!(manifest.contains("Encore"), "{manifest}");
    player.until(&fixture, |status| status.frames > 90).await;
    assert_eq!(fixture.recorder.mark(None, Some("cmd_2".to_owned())).await, Outcome::Done);
    let status = fixture.wait(|status| status.marks.len() == 2).await;
    assert_eq!((status.marks[0].number, status.marks[0].label.as_deref()), (1, Some("Encore")));
    assert!(status.marks[0].at_ms >= 2_000 && status.marks[1].at_ms > status.marks[0].at_ms, "{status:?}");

    // The power goes, and the store with it: the manifest says what was marked, the files the rest.
    let cut = tempfile::tempdir().unwrap();
    run("cp", &["-r"], &[&fixture.dir(), &cut.path().join("recordings")]);
    let after = Fixture::with(cut, |dir| RecorderConfig::new(dir, 60));
    after.recorder.stop().await;
    let recordings = after.recorder.recordings();
    assert!(recordings[0].closed && recordings[0].details.event.is_some(), "{recordings:?}");
    assert_eq!(recordings[0].details.marks.len(), 2);
    let end_ns = i64::try_from(recordings[0].duration_ms + 1).unwrap() * 1_000_000;
    assert!(recordings[0].details.marks.iter().all(|mark| mark.at_ns <= end_ns));
    fixture.recorder.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_recordings_wait_to_be_uploaded_and_stay_while_they_are() {
    let room = Room::new(3_000, None, WhenFull::DeleteOldest, None);
    let upload = |dir| RecorderConfig { upload: true, room, ..RecorderConfig::new(dir, 3) };
    let fixture = Fixture::with(tempfile::tempdir().unwrap(), upload);
    let mut player = Player::new(&fixture);
    fixture.recorder.start();
    fixture.wait(|status| status.state == RecorderState::Starting).await;
    player.play(&fixture, 7_000);
    fixture.recorder.stop().await;
    let sums = fixture.hashed().await;
    let status = fixture.wait(|status| status.uploads_waiting == 3).await;
    assert_eq!(status.state, RecorderState::Off);
    let uploads = fixture.recorder.uploads();
    let jobs = uploads.list();
    assert_eq!(jobs.iter().map(|job| job.sha256.clone()).collect::<Vec<_>>(), sums, "the oldest first");
    let names: Vec<_> = fixture.recorder.recordings().into_iter().map(|one| one.file).collect();
    assert_eq!(jobs.iter().map(|job| job.file.clone()).collect::<Vec<_>>(), names);

    // The oldest is being uploaded while the disk fills up: it stays, and all others make room.
    let now = UploadNow { mono_ms: 1_000, boot_id: "boot" };
    let next = uploads.next(&now, |job| fixture.dir().join(&job.file).is_file()).unwrap();
    assert_eq!(next.file, names[0]);
    uploads.begin(&names[0], &now).unwrap();
    fixture.free.store(1 << 20, Ordering::Relaxed);
    fixture.recorder.start();
    player.until(&fixture, |status| status.state == RecorderState::Failed).await;
    fixture.recorder.stop().await;
    let there: Vec<_> = names.iter().map(|name| fixture.dir().join(name).is_file()).collect();
    assert_eq!(there, [true, false, false]);
    let left: Vec<_> = uploads.list().into_iter().map(|job| job.file).collect();
    assert_eq!(left, names[..1]);
    uploads.done(&names[0]).await.unwrap();
    fixture.wait(|status| status.uploads_waiting == 0).await;
}
