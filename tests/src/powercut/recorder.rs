//! The box's recorder: what is older than 0.6 s plays, and a take that was stopped is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stagebox_agent::clock::Clock;
use stagebox_agent::durable::Durable;
use stagebox_agent::record::{self, RecorderConfig, RecorderHandle, RecorderState, RecorderStatus};
use stagebox_media::{Epoch, Frame, Packet, Track};
use stagebox_push::Hub;
use tokio::process::Command;
use tokio::time::timeout;

use super::clip::Clip;
use super::movies::{self, Movie, begin_with};
use super::writer::{Order, said, say};
use crate::house::wait_until;

/// What a power cut may cost.
const AGE_NS: i64 = 600_000_000;
/// The recorder counts pictures: the sound of a fragment ends so much before its picture at most.
const SOUND_LAG_NS: i64 = 50_000_000;
/// Takes in one life.
pub(super) const TAKES: u64 = 50;
/// The longest that the recorder may take for anything.
const LIMIT: Duration = Duration::from_secs(20);
/// Two files in a longer take.
const SEGMENT_S: u32 = 3;

fn folder(root: &Path) -> PathBuf {
    root.join("box/recordings")
}

pub(super) fn recorder(root: &Path, hub: &Hub, durable: &Durable) -> Result<RecorderHandle> {
    let config = RecorderConfig::new(folder(root), SEGMENT_S);
    record::spawn(config, hub.clone(), durable, Clock::new()).context("starting the recorder")
}

/// One take after the other: `frame TAKE NUMBER` is said of each frame once those that are older than 0.6 s by the
/// stream's own time are said to be on disk; `stopped TAKE COUNT` when a take has ended.
pub(super) async fn write(order: &Order) -> Result<()> {
    let clip = Clip::read(&order.clip)?;
    let durable = Durable::open(&order.folder.join("box/data"))?;
    let mut random = StdRng::seed_from_u64(order.seed);
    for take in (0..TAKES).map(|number| 1 + number + order.run * TAKES) {
        let (hub, recorder) = begin(&order.folder, &durable, &clip, take).await?;
        let mut status = recorder.status();
        let count = random.random_range(20..clip.frames.len());
        for number in 0..count {
            let frame = clip.frame(number, Epoch(take)).context("a clip's frame")?;
            let until_ns = frame.dts_ns - AGE_NS;
            hub.publish(Packet::Frame(frame));
            let is_old =
                |frame: &&Frame| frame.track == Track::Video && frame.dts_ns <= until_ns + SOUND_LAG_NS;
            let old = clip.frames.iter().filter(is_old).count() as u64;
            reach(&mut status, |status| status.frames >= old).await?;
            say(&format!("frame {take} {number}"))?;
        }
        recorder.stop().await;
        say(&format!("stopped {take} {count}"))?;
    }
    Ok(())
}

/// A take that is about to begin: a recorder that has been told the clip's configuration.
pub(super) async fn begin(
    root: &Path,
    durable: &Durable,
    clip: &Clip,
    take: u64,
) -> Result<(Hub, RecorderHandle)> {
    let hub = Hub::new();
    let recorder = recorder(root, &hub, durable)?;
    recorder.start();
    reach(&mut recorder.status(), |status| status.state == RecorderState::Starting).await?;
    clip.configs(Epoch(take)).for_each(|config| hub.publish(config));
    Ok((hub, recorder))
}

pub(super) async fn reach(
    status: &mut tokio::sync::watch::Receiver<RecorderStatus>,
    reached: impl FnMut(&RecorderStatus) -> bool,
) -> Result<()> {
    let last = status.borrow().clone();
    timeout(LIMIT, status.wait_for(reached))
        .await
        .with_context(|| format!("the recorder stays at {last:?}"))??;
    Ok(())
}

/// Before mending, stopped takes are whole; after mending, all that is old enough plays.
pub(super) async fn judge(root: &Path, clip: &Path, lines: &[String]) -> Result<()> {
    let clip = Clip::read(clip)?;
    let raw = movies::read_all(&folder(root))?;
    for stopped in said(lines, "stopped") {
        let [take, count] = stopped[..] else { continue };
        let files: Vec<_> = raw.iter().filter(|movie| movie.epoch == Epoch(take)).cloned().collect();
        for movie in &files {
            ensure!(
                movie.closed && movie.timed && movie.broken.is_none(),
                "{} was closed: {:?}",
                movie.path.display(),
                movie.broken
            );
        }
        take_plays(&clip, &files, take, count as usize, i64::MAX).context("before mending")?;
    }
    let (recorder, mended) = mended(root).await?;
    let mut takes: Vec<(u64, u64)> = Vec::new();
    for frame in said(lines, "frame") {
        let [take, number] = frame[..] else { continue };
        match takes.last_mut().filter(|(last, _)| *last == take) {
            Some((_, last)) => *last = number,
            None => takes.push((take, number)),
        }
    }
    for (take, last) in takes {
        let given = clip.frames.get(last as usize).context("a clip's frame")?;
        let files: Vec<_> = mended.iter().filter(|movie| movie.epoch == Epoch(take)).cloned().collect();
        take_plays(&clip, &files, take, last as usize + 1, given.dts_ns - AGE_NS)?;
    }
    listed(root, &recorder, &mended)?;
    if let Some(last) = mended.last() {
        movies::plays(last).await?;
    }
    Ok(())
}

/// What is left once the recorder has mended it: every file is whole.
pub(super) async fn mended(root: &Path) -> Result<(RecorderHandle, Vec<Movie>)> {
    let durable = Durable::open(&root.join("box/data"))?;
    let recorder = recorder(root, &Hub::new(), &durable)?;
    settled(&recorder, &folder(root)).await?;
    let mended = movies::read_all(&folder(root))?;
    for movie in &mended {
        ensure!(
            movie.closed && movie.timed && movie.broken.is_none(),
            "{} is not mended: {:?}",
            movie.path.display(),
            movie.broken
        );
    }
    Ok((recorder, mended))
}

/// Waits until the recorder has nothing more to do: every file has its checksum, which is the file's.
pub(super) async fn settled(recorder: &RecorderHandle, folder: &Path) -> Result<()> {
    recorder.stop().await;
    let summed = wait_until("every file has its checksum", LIMIT, || async {
        let line = |recording: record::Recording| {
            Some(format!("{}  {}\n", recording.details.sha256?, recording.file))
        };
        let lines: Option<String> = recorder.recordings().into_iter().map(line).collect();
        // This is written last of all.
        let written = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap_or_default();
        Ok(lines.filter(|lines| *lines == written))
    });
    if summed.await?.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("sha256sum");
    command.args(["--strict", "--quiet", "-c", "SHA256SUMS"]).current_dir(folder);
    let output = command.output().await.context("starting sha256sum")?;
    ensure!(output.status.success(), "checksums: {}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// The files of a take begin with its frames, of the first `given` at least those up to `until_ns`.
pub(super) fn take_plays(clip: &Clip, files: &[Movie], take: u64, given: usize, until_ns: i64) -> Result<()> {
    // One frame more may be on its way than was told of.
    let frames: Vec<_> = (0..=given).filter_map(|number| clip.frame(number, Epoch(take))).collect();
    let first = frames.iter().find(|frame| frame.track == Track::Video).map_or(0, |frame| frame.pts_ns);
    for (track, name) in [(Track::Video, "video"), (Track::Audio, "audio")] {
        // Sound from before the first picture has no place.
        let of_track = |frame: &&Frame| frame.track == track && frame.pts_ns >= first;
        let expected: Vec<Bytes> = frames.iter().filter(of_track).map(|frame| frame.data.clone()).collect();
        let old = frames.iter().take(given).filter(of_track).filter(|frame| frame.dts_ns <= until_ns).count();
        let found: Vec<&Bytes> = match track {
            Track::Video => files.iter().flat_map(|movie| &movie.video).collect(),
            Track::Audio => files.iter().flat_map(|movie| &movie.audio).collect(),
        };
        begin_with(name, &found, &expected, old).with_context(|| format!("take {take}"))?;
    }
    Ok(())
}

/// The index and the manifest name the files that are there.
fn listed(root: &Path, recorder: &RecorderHandle, files: &[Movie]) -> Result<()> {
    if files.is_empty() && !folder(root).is_dir() {
        return Ok(());
    }
    let names: Vec<_> =
        files.iter().filter_map(|movie| movie.path.file_name()?.to_str().map(str::to_owned)).collect();
    let listed: Vec<_> = recorder.recordings().into_iter().map(|recording| recording.file).collect();
    ensure!(listed == names, "the index lists {listed:?}, {names:?} are there");
    let manifest = std::fs::read(folder(root).join("manifest.json")).context("reading the manifest")?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).context("reading the manifest")?;
    let listed = serde_json::to_value(recorder.recordings()).context("listing the recordings")?;
    ensure!(manifest["recordings"] == listed, "the manifest says something else than the index");
    Ok(())
}
