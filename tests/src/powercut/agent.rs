//! A whole box that records: the real agent with its media process, killed or stopped, cut, and started again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stagebox_agent::clock::Clock;
use stagebox_agent::control::{Intent, IntentStore, Record};
use stagebox_agent::durable::Durable;
use stagebox_agent::record::{self, RecorderConfig};
use stagebox_powercut::{Entry, Loss, Op, Tree};
use stagebox_push::Hub;
use tokio::process::Command;

use super::movies::{self, Movie};
use super::recorder::settled;
use super::run::{Run, preload};
use crate::house::{Process, binary, footage, wait_until};

const STEP: Duration = Duration::from_secs(25);
const FPS: usize = 15;
/// Video frames of a fragment, by the stream's time: 0.6 s less the frame that completes it.
const FRAGMENT_FRAMES: usize = FPS * 6 / 10 - 1;

/// How the agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// kill -9.
    Killed,
    /// SIGTERM, so that the log can be compared with the disk.
    Stopped,
}

/// A box in a folder of its own; what it writes lies below `disk`.
struct Stage {
    scratch: PathBuf,
    disk: PathBuf,
}

impl Stage {
    /// Its configuration, and the intent to record.
    async fn set(scratch: &Path, disk: PathBuf) -> Result<Self> {
        fs::create_dir_all(disk.join("data")).context("making the box's folder")?;
        let config = format!(
            "data_dir = {:?}\n[source]\nkind = \"file\"\npath = {:?}\n[video]\nwidth = 320\nheight = 180\n\
             fps = {FPS}\nbitrate_kbps = 400\npreset = \"ultrafast\"\n[record]\ndir = {:?}\nsegment_s = 10\n\
             [panel]\nsocket = {:?}\n",
            disk.join("data"),
            footage(),
            disk.join("recordings"),
            scratch.join("panel.sock"),
        );
        fs::write(scratch.join("agent.toml"), config).context("writing agent.toml")?;
        Ok(Self { scratch: scratch.to_owned(), disk })
    }

    /// What a press of the record button leaves behind.
    async fn press_record(&self) -> Result<()> {
        let durable = Durable::open(&self.disk.join("data"))?;
        let recording = Intent { on: true, since_unix_ms: 1, origin: None };
        IntentStore::open(&durable)?.keep(&Record { recording, ..Record::default() }).await?;
        drop(durable);
        let store = fs::File::open(self.disk.join("data/store/db")).context("opening the box's store")?;
        wait_until("the store is let go", STEP, || async {
            let file = store.try_clone().context("opening the box's store")?;
            Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(drop))
        })
        .await
    }

    fn start(&self, log: Option<&Path>) -> Result<Process> {
        let mut command = Command::new(binary("stagebox-agent")?);
        command.arg("--config").arg(self.scratch.join("agent.toml"));
        if let Some(log) = log {
            preload(&mut command, &self.disk, log)?;
        }
        Process::start("box", &self.scratch.join("logs"), command)
    }

    fn recordings(&self) -> PathBuf {
        self.disk.join("recordings")
    }

    /// Bytes in all recordings.
    fn recorded(&self) -> u64 {
        let files = crate::house::probe::recordings(&self.recordings());
        files.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum()
    }
}

/// Lets a box record until its files have `bytes`, ends it, and cuts its log `cuts` times.
///
/// # Errors
/// When a fragment is lost that was followed by another, or the box does not go on with what is left.
pub async fn a_box_that_records(seed: u64, cuts: usize, bytes: u64, end: End) -> Result<()> {
    let scratch = tempfile::tempdir().context("making a temporary directory")?;
    let scratch = scratch.path().canonicalize().context("finding the temporary directory")?;
    let stage = Stage::set(&scratch, scratch.join("disk")).await?;
    stage.press_record().await?;
    let before = Tree::read(&stage.disk).context("reading the disk")?;
    let log = scratch.join("box.log");
    let mut process = stage.start(Some(&log))?;
    let recorded =
        wait_until("the box records", STEP, || async { Ok((stage.recorded() >= bytes).then_some(())) });
    recorded.await.with_context(|| process.tail(20))?;
    match end {
        End::Killed => process.kill().await?,
        End::Stopped => {
            process.signal(Signal::SIGTERM)?;
            process.wait(STEP).await?;
        }
    }
    let run = Run::read(before, &log)?;
    if end == End::Stopped {
        run.is_complete(&stage.disk)?;
    }
    let mut random = StdRng::seed_from_u64(seed);
    for place in run.places(&mut random, cuts) {
        let loss = if random.random_bool(0.5) { Loss::All } else { Loss::Some(random.random()) };
        let judged = judge(&scratch, &run, place, loss).await;
        judged.with_context(|| format!("box, seed {seed}, cut at {place}, {loss:?}"))?;
    }
    let (left, _) = run.cut(run.records().len(), Loss::All)?;
    goes_on(&scratch, &left).await
}

/// The recordings in a tree.
fn films(tree: &Tree) -> Vec<Movie> {
    let files = tree.0.iter().filter_map(|(path, entry)| match entry {
        Entry::File(bytes) if path.ends_with(".mp4") => Some(Movie::parse(Path::new(path), bytes)),
        _ => None,
    });
    files.collect()
}

/// The place of the last write to a recording before `place`.
fn last_write(run: &Run, place: usize) -> usize {
    let mut films = BTreeSet::new();
    let mut last = 0;
    for (number, record) in run.records().iter().enumerate().take(place) {
        match &record.op {
            Op::Open { file, path, .. } if path.ends_with(".mp4") => {
                films.insert(*file);
            }
            Op::Write { file, .. } if films.contains(file) => last = number,
            _ => {}
        }
    }
    last
}

/// All but the fragment that was just being written is there, once mended.
async fn judge(scratch: &Path, run: &Run, place: usize, loss: Loss) -> Result<()> {
    let required = films(&run.disk(last_write(run, place))?.cut(Loss::Nothing));
    let seen = films(&run.disk(place)?.cut(Loss::Nothing));
    for (before, after) in required.iter().zip(&seen) {
        let fragment = after.video.len() - before.video.len();
        ensure!(fragment <= FRAGMENT_FRAMES, "a fragment has {fragment} frames at {FPS} a second");
    }
    let disk = scratch.join("left");
    run.cut(place, loss)?.0.write(&disk).context("writing what is left")?;
    let durable = Durable::open(&disk.join("data"))?;
    let kept = IntentStore::open(&durable)?.load()?;
    ensure!(kept.recording.on, "the intent to record is gone");
    let config = RecorderConfig::new(disk.join("recordings"), 10);
    let recorder = record::spawn(config, Hub::new(), &durable, Clock::new())?;
    settled(&recorder, &disk.join("recordings")).await?;
    let left = movies::read_all(&disk.join("recordings"))?;
    for wanted in required.iter().filter(|movie| !movie.video.is_empty()) {
        let name = wanted.path.file_name();
        let found = left.iter().find(|movie| movie.path.file_name() == name);
        let found = found.with_context(|| format!("{name:?} is gone"))?;
        ensure!(found.closed && found.broken.is_none(), "{name:?} is not mended: {:?}", found.broken);
        ensure!(found.video.starts_with(&wanted.video), "{name:?} lost pictures");
        ensure!(found.audio.starts_with(&wanted.audio), "{name:?} lost sound");
    }
    if let Some(last) = left.last() {
        movies::plays(last).await?;
    }
    fs::remove_dir_all(&disk).context("removing what is left")
}

/// The real agent takes up what is left: it mends the file and records another, nobody having pressed anything.
async fn goes_on(scratch: &Path, left: &Tree) -> Result<()> {
    let disk = scratch.join("again");
    left.write(&disk).context("writing what is left")?;
    let stage = Stage::set(scratch, disk).await?;
    let old = crate::house::probe::recordings(&stage.recordings());
    let mut process = stage.start(None)?;
    let more = wait_until("the box records again", STEP, || async {
        let files = crate::house::probe::recordings(&stage.recordings());
        let newest = files.last().and_then(|path| fs::metadata(path).ok()).map_or(0, |file| file.len());
        Ok((files.len() > old.len() && newest > 10_000).then_some(()))
    });
    more.await.with_context(|| process.tail(20))?;
    process.signal(Signal::SIGTERM)?;
    process.wait(STEP).await?;
    for movie in movies::read_all(&stage.recordings())? {
        ensure!(movie.closed && movie.broken.is_none(), "{}: {:?}", movie.path.display(), movie.broken);
        movies::plays(&movie).await?;
    }
    Ok(())
}
