//! The box's recorder at random moments of a broadcast: how much of what the encoder had given is lost.
//!
//! Frames come at their own pace here, so that a moment is one of real time and the disk's own slowness counts.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stagebox_agent::durable::Durable;
use stagebox_media::{Epoch, Frame, Packet, Track};
use stagebox_powercut::{Loss, Tree};
use tokio::time::{Instant, sleep_until};

use super::clip::{self, Clip, FPS};
use super::movies;
use super::recorder::{TAKES, begin, mended, take_plays};
use super::run::Run;
use super::writer::{Order, say};
use super::{Part, disk};

/// What a power cut may cost.
pub const MOST_LOST_S: f64 = 0.6;
/// How many lines a writer says before it is killed: a second's worth to twenty seconds'.
const LINES: std::ops::Range<usize> = 60..1_200;
/// Runs for each moment, at most, in which nothing is recorded just then.
const RUNS: usize = 4;

/// What was lost at each moment.
#[derive(Debug, Clone)]
pub struct Moments {
    /// In seconds of the stream, the least first.
    lost_s: Vec<f64>,
}

impl Moments {
    fn of(mut lost_s: Vec<f64>) -> Result<Self> {
        ensure!(!lost_s.is_empty(), "there was no moment");
        lost_s.sort_by(f64::total_cmp);
        Ok(Self { lost_s })
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lost_s.len()
    }

    /// What half of them cost no more than, in seconds.
    #[must_use]
    pub fn median_s(&self) -> f64 {
        self.lost_s[self.lost_s.len() / 2]
    }

    /// What the worst of them cost, in seconds.
    #[must_use]
    pub fn worst_s(&self) -> f64 {
        self.lost_s[self.lost_s.len() - 1]
    }
}

impl fmt::Display for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, median, worst) = (self.count(), self.median_s(), self.worst_s());
        write!(
            f,
            "{count} power cuts while it recorded: median {median:.2} s lost, worst {worst:.2} s \
             (at most {MOST_LOST_S} s may be); every file plays"
        )
    }
}

/// Cuts the power at `count` random moments of recordings, `per_run` of them in the life of one writer.
///
/// # Errors
/// When a file does not play, or holds something else than what was recorded.
pub async fn moments(seed: u64, count: usize, per_run: usize) -> Result<Moments> {
    let scratch = tempfile::tempdir().context("making a temporary directory")?;
    let scratch = scratch.path().canonicalize().context("finding the temporary directory")?;
    let clip = clip::make(&scratch).await?;
    let mut lost_s = Vec::new();
    for number in 0..RUNS * count.max(1) {
        let run_seed = seed.wrapping_mul(1_000).wrapping_add(number as u64);
        let mut random = StdRng::seed_from_u64(run_seed);
        let folder = disk(&scratch, number as u64, &Tree::default())?;
        let lines = random.random_range(LINES);
        let run = Run::of_writer(Part::Recorder, &folder, &clip, (0, run_seed), lines, &["--paced"]).await?;
        for _ in 0..per_run.min(count - lost_s.len()) {
            let place = random.random_range(0..=run.records().len());
            let loss = if random.random_bool(0.5) { Loss::All } else { Loss::Some(random.random()) };
            let (tree, said) = run.cut(place, loss)?;
            match judged(&scratch, &tree, &clip, said).await {
                Ok(lost) => lost_s.extend(lost),
                Err(error) => {
                    let kept = run.keep("moments", place, &tree)?;
                    let what = format!("seed {seed}, run {number}, cut at {place}, {loss:?}");
                    return Err(error.context(format!("{what}; all of it lies in {}", kept.display())));
                }
            }
        }
        std::fs::remove_dir_all(&folder).context("removing the disk")?;
        if lost_s.len() >= count {
            return Moments::of(lost_s);
        }
    }
    Err(anyhow!("of {count} moments only {} were while something was recorded", lost_s.len()))
}

/// Opens what is left; a panic in between is an error like others.
async fn judged(scratch: &Path, tree: &Tree, clip: &Path, said: Vec<String>) -> Result<Option<f64>> {
    let folder = scratch.join("left");
    tree.write(&folder).context("writing what is left")?;
    let (root, clip) = (folder.clone(), clip.to_owned());
    let judging = tokio::spawn(async move { lost_s(&root, &clip, &said).await });
    let lost = judging.await.map_err(|error| anyhow!("reading what is left: {error}"))?;
    std::fs::remove_dir_all(&folder).context("removing what is left")?;
    lost
}

/// `given TAKE NUMBER` is said of each frame when it comes, at its own time; `stopped TAKE COUNT` when a take has ended.
pub(super) async fn write(order: &Order) -> Result<()> {
    let clip = Clip::read(&order.clip)?;
    let durable = Durable::open(&order.folder.join("box/data"))?;
    let mut random = StdRng::seed_from_u64(order.seed);
    for take in 1..=TAKES {
        let (hub, recorder) = begin(&order.folder, &durable, &clip, take).await?;
        let count = random.random_range(20..clip.frames.len());
        let (begun, first_ns) = (Instant::now(), clip.frames.first().map_or(0, |frame| frame.dts_ns));
        for number in 0..count {
            let frame = clip.frame(number, Epoch(take)).context("a clip's frame")?;
            let due_ns = u64::try_from(frame.dts_ns - first_ns).unwrap_or(0);
            sleep_until(begun + Duration::from_nanos(due_ns)).await;
            say(&format!("given {take} {number}"))?;
            hub.publish(Packet::Frame(frame));
        }
        recorder.stop().await;
        say(&format!("stopped {take} {count}"))?;
    }
    Ok(())
}

/// The take that was recorded at the end of these lines, and the number of its newest frame.
fn under_way(lines: &[String]) -> Option<(u64, u64)> {
    let mut words = lines.last()?.split(' ');
    let is_given = words.next() == Some("given");
    let mut number = || words.next()?.parse().ok();
    Some((number()?, number()?)).filter(|_| is_given)
}

/// Seconds of the picture that were given and do not play; nothing where nothing was recorded just then.
async fn lost_s(root: &Path, clip: &Path, lines: &[String]) -> Result<Option<f64>> {
    let clip = Clip::read(clip)?;
    let (_recorder, films) = mended(root).await?;
    for film in &films {
        movies::plays(film).await?;
    }
    let Some((take, newest)) = under_way(lines) else { return Ok(None) };
    let files: Vec<_> = films.into_iter().filter(|film| film.epoch == Epoch(take)).collect();
    let given = usize::try_from(newest)? + 1;
    take_plays(&clip, &files, take, given, i64::MIN)?;
    let is_picture = |frame: &&Frame| frame.track == Track::Video;
    let pictures = clip.frames.iter().take(given).filter(is_picture).count();
    let plays = files.iter().map(|film| film.video.len()).sum::<usize>();
    Ok(Some(pictures.saturating_sub(plays) as f64 / FPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_their_median_and_their_worst() {
        let moments = Moments::of(vec![0.5, 0.1, 0.0, 0.2, 0.3]).unwrap();
        assert_eq!((moments.count(), moments.median_s(), moments.worst_s()), (5, 0.2, 0.5));
        let told = moments.to_string();
        assert!(told.contains("median 0.20 s lost, worst 0.50 s"), "{told}");
        assert!(Moments::of(Vec::new()).is_err());
    }

    #[test]
    fn a_take_is_under_way_until_it_is_stopped() {
        let lines = |all: &[&str]| all.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(under_way(&lines(&["given 1 0", "given 1 1"])), Some((1, 1)));
        assert_eq!(under_way(&lines(&["given 1 0", "stopped 1 1"])), None);
        assert_eq!(under_way(&lines(&["stopped 1 1", "given 2 7"])), Some((2, 7)));
        assert_eq!(under_way(&[]), None);
    }
}
