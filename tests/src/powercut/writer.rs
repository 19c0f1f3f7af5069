//! `stagebox-tests write PART`: the process that writes, under the preload library.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::{Part, kept, moments, recorder, store};

/// Who writes, where and what.
#[derive(Debug, Clone, Args)]
pub struct Order {
    pub part: Part,
    #[arg(long)]
    pub folder: PathBuf,
    /// Footage for the recorder.
    #[arg(long)]
    pub clip: PathBuf,
    #[arg(long)]
    pub seed: u64,
    /// How many writers there were here before.
    #[arg(long)]
    pub run: u64,
    /// Frames come at their own pace.
    #[arg(long)]
    pub paced: bool,
}

/// Writes until it is killed.
///
/// # Errors
/// When something that should work does not.
pub async fn write(order: &Order) -> Result<()> {
    match order.part {
        Part::Store => store::write(order).await,
        Part::Kept => kept::write(order).await,
        Part::Recorder if order.paced => moments::write(order).await,
        Part::Recorder => recorder::write(order).await,
    }
}

/// Tells the world something that is true from here on, whatever happens.
pub(super) fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes()).context("saying something")?;
    output.flush().context("saying something")
}

/// The numbers of the lines that begin with `word`.
pub(super) fn said<'a>(lines: &'a [String], word: &'a str) -> impl Iterator<Item = Vec<u64>> + 'a {
    lines.iter().filter_map(move |line| {
        let mut words = line.split(' ');
        (words.next() == Some(word)).then(|| words.filter_map(|number| number.parse().ok()).collect())
    })
}

/// The highest number that was said with `word`.
pub(super) fn last_said(lines: &[String], word: &str) -> Option<u64> {
    said(lines, word).filter_map(|numbers| numbers.first().copied()).max()
}
