//! Power cuts: the house's real code writes below a folder, and is held to what it said when the power goes.
//!
//! A writer (`writer`, a process of its own) runs with `stagebox-powercut-preload` loaded, says what it has been
//! promised, a line each, and is killed. Its log is then cut at random records; what the disk has left each time is
//! opened with the real code again and compared with what had been said until then. Writers go on with what a cut
//! left, so that mending is interrupted as well.
#![allow(clippy::disallowed_methods, reason = "a driver: it starts processes and waits for them")]

mod agent;
mod clip;
mod kept;
mod moments;
mod movies;
mod recorder;
mod run;
mod store;
mod writer;

pub use agent::{End, a_box_that_records};
pub use moments::{MOST_LOST_S, Moments, moments};
pub use run::{Run, full_disk, preload};
pub use writer::{Order, write};

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use stagebox_powercut::{Loss, Tree};

/// What is written, and by whom it is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The cloud's store on sled, with several writers.
    Store,
    /// The box's outbox and intents.
    Kept,
    /// The box's recorder.
    Recorder,
}

/// Runs in a row on what the cut before them left.
const CHAIN: u64 = 3;

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Store, Self::Kept, Self::Recorder];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Kept => "kept",
            Self::Recorder => "recorder",
        }
    }

    /// How many lines a writer says before it is killed, at least and at most.
    fn lines(self) -> std::ops::Range<usize> {
        match self {
            Self::Store => 1..400,
            Self::Kept => 1..300,
            Self::Recorder => 1..900,
        }
    }

    async fn judge(self, folder: PathBuf, clip: PathBuf, said: Vec<String>) -> Result<()> {
        match self {
            Self::Store => store::judge(&folder, &said).await,
            Self::Kept => kept::judge(&folder, &said).await,
            Self::Recorder => recorder::judge(&folder, &clip, &said).await,
        }
    }
}

/// Cuts the power `cuts` times, `per_run` of them in the life of one writer; returns how many there were.
///
/// The seed draws when a writer is killed, where its log is cut and what is lost. How the threads of a writer take turns
/// is the machine's, so what a failure needs to be seen again is kept.
///
/// # Errors
/// When something that was said is not there.
pub async fn cut(part: Part, seed: u64, cuts: usize, per_run: usize) -> Result<usize> {
    let scratch = tempfile::tempdir().context("making a temporary directory")?;
    // The preload library compares paths as they are.
    let scratch = scratch.path().canonicalize().context("finding the temporary directory")?.join(part.name());
    let clip = clip::make(&scratch).await?;
    let mut done = 0;
    let mut number = 0;
    let (mut left, mut said) = (Tree::default(), Vec::new());
    while done < cuts {
        if number % CHAIN == 0 {
            (left, said) = (Tree::default(), Vec::new());
        }
        let run_seed = seed.wrapping_mul(1000).wrapping_add(number);
        let mut random = StdRng::seed_from_u64(run_seed);
        let lines = random.random_range(part.lines());
        let folder = disk(&scratch, number, &left)?;
        let run = Run::of_writer(part, &folder, &clip, (number, run_seed), lines, &[]).await?;
        let mut next = None;
        for cut in run.places(&mut random, per_run.min(cuts - done)) {
            let loss = *[Loss::All, Loss::Some(random.random())].choose(&mut random).unwrap_or(&Loss::All);
            let what = format!("{} seed {seed}, run {number}, cut at {cut:?}, {loss:?}", part.name());
            let (tree, new) = run.cut(cut, loss).with_context(|| what.clone())?;
            let all: Vec<String> = said.iter().cloned().chain(new).collect();
            if let Err(error) = examine(part, &scratch, &tree, (&clip, &all)).await {
                let kept = run.keep(part.name(), cut, &tree)?;
                return Err(error.context(format!("{what}; all of it lies in {}", kept.display())));
            }
            next = Some((tree, all));
            done += 1;
        }
        (left, said) = next.unwrap_or_default();
        std::fs::remove_dir_all(&folder).context("removing the disk")?;
        number += 1;
    }
    Ok(done)
}

/// A folder that holds `left`.
fn disk(scratch: &Path, number: u64, left: &Tree) -> Result<PathBuf> {
    let folder = scratch.join(format!("disk-{number}"));
    left.write(&folder).context("writing the disk")?;
    Ok(folder)
}

/// Opens what is left and compares it with what was said; a panic in between is an error like others.
async fn examine(part: Part, scratch: &Path, tree: &Tree, (clip, said): (&Path, &[String])) -> Result<()> {
    let folder = scratch.join("left");
    tree.write(&folder).context("writing what is left")?;
    let judging = tokio::spawn(part.judge(folder.clone(), clip.to_owned(), said.to_vec()));
    let judged = judging.await.map_err(|error| anyhow!("reading what is left: {error}"))?;
    std::fs::remove_dir_all(&folder).context("removing what is left")?;
    judged
}
