//! One run of a program with the preload library, and its log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::Rng;
use stagebox_powercut::{Disk, Loss, Op, Record, Tree, parse_log};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::Part;
use crate::house::binary;

const LIBRARY: &str = "libstagebox_powercut_preload.so";
/// Records in which a program opens what the one before left.
const OPENING: usize = 60;
/// The longest that a writer may take.
const LIMIT: Duration = Duration::from_secs(50);

/// Loads the library into `command`, which works below `folder`, with its log in `log`.
///
/// # Errors
/// When the library is not built, or the folder is not there.
pub fn preload(command: &mut Command, folder: &Path, log: &Path) -> Result<()> {
    command
        .env("LD_PRELOAD", binary(LIBRARY)?)
        .env("POWERCUT_ROOT", folder.canonicalize().context("finding the folder")?)
        .env("POWERCUT_LOG", log);
    Ok(())
}

/// What a program's environment needs so that the disk of `folder` is full to it while the file `<switch>.full` is
/// there, has as many MiB free as the file `<switch>.free` says, and holds as many KiB as `<switch>.holds` says.
///
/// # Errors
/// When the library is not built.
pub fn full_disk(folder: &Path, switch: &Path) -> Result<Vec<(String, OsString)>> {
    Ok(vec![
        ("LD_PRELOAD".to_owned(), binary(LIBRARY)?.into()),
        ("POWERCUT_ROOT".to_owned(), folder.into()),
        ("POWERCUT_FULL".to_owned(), switch.with_extension("full").into()),
        ("POWERCUT_FREE".to_owned(), switch.with_extension("free").into()),
        ("POWERCUT_HOLDS".to_owned(), switch.with_extension("holds").into()),
    ])
}

/// What a program did below a folder.
#[derive(Debug)]
pub struct Run {
    before: Tree,
    records: Vec<Record>,
}

impl Run {
    /// Reads the log of a program that began with `before`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(before: Tree, log: &Path) -> Result<Self> {
        let bytes = std::fs::read(log).context("reading the log")?;
        let records = parse_log(&bytes).with_context(|| format!("{} is no log", log.display()))?;
        Ok(Self { before, records })
    }

    /// Lets a writer work until it has said so many lines, and kills it.
    pub(super) async fn of_writer(
        part: Part,
        folder: &Path,
        clip: &Path,
        (number, seed): (u64, u64),
        lines: usize,
        more: &[&str],
    ) -> Result<Self> {
        let log = folder.with_extension("log");
        let before = Tree::read(folder).context("reading the disk")?;
        let mut command = Command::new(binary("stagebox-tests")?);
        command.args(["write", part.name(), "--seed", &seed.to_string(), "--run", &number.to_string()]);
        command.arg("--folder").arg(folder).arg("--clip").arg(clip).args(more);
        preload(&mut command, folder, &log)?;
        command.env("POWERCUT_SAID", "1").kill_on_drop(true);
        let errors = folder.with_extension("err");
        let stderr = std::fs::File::create(&errors).context("making a file for errors")?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn()?;
        let output = child.stdout.take().context("a writer has an output")?;
        let reading = async {
            let mut output = BufReader::new(output).lines();
            let mut heard = 0;
            while heard < lines && output.next_line().await?.is_some() {
                heard += 1;
            }
            Ok::<_, anyhow::Error>(heard)
        };
        let heard = timeout(LIMIT, reading).await;
        child.kill().await.context("killing a writer")?;
        let heard = heard.with_context(|| format!("the {} writer says nothing", part.name()))??;
        let words = std::fs::read_to_string(&errors).unwrap_or_default();
        ensure!(heard == lines, "the {} writer ended after {heard} of {lines} lines: {words}", part.name());
        let run = Self::read(before, &log)?;
        std::fs::remove_file(log).context("removing the log")?;
        Ok(run)
    }

    /// Keeps what shows a failure: the disk before and after, and what was done until the cut, a line each.
    pub(super) fn keep(&self, name: &str, place: usize, left: &Tree) -> Result<PathBuf> {
        let folder = std::env::temp_dir().join(format!("stagebox-powercut-{name}-{}", std::process::id()));
        self.before.write(&folder.join("before")).context("keeping the disk as it was")?;
        left.write(&folder.join("left")).context("keeping what is left")?;
        let bytes: Vec<u8> = self.records.iter().flat_map(Record::encode).collect();
        std::fs::write(folder.join("log"), bytes).context("keeping the log")?;
        let lines: Vec<_> =
            self.records[..place].iter().map(|record| format!("{}\n", brief(&record.op))).collect();
        std::fs::write(folder.join("done"), lines.concat()).context("keeping what was done")?;
        Ok(folder)
    }

    /// The records themselves.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Places to cut at, in the order of the log; the last is its end.
    pub fn places(&self, random: &mut impl Rng, count: usize) -> Vec<usize> {
        let end = self.records.len();
        // Opening and mending are soon done, and much can go wrong in them.
        let mut place = || {
            let end = if random.random_bool(0.3) { end.min(OPENING) } else { end };
            random.random_range(0..=end)
        };
        let mut places: Vec<_> = (1..count).map(|_| place()).collect();
        places.push(end);
        places.sort_unstable();
        places
    }

    /// The disk as it is before record `place`.
    ///
    /// # Errors
    /// When the log does not tell all.
    pub fn disk(&self, place: usize) -> Result<Disk> {
        let mut disk = Disk::holding(&self.before);
        for (number, record) in self.records.iter().enumerate().take(place) {
            disk.apply(&record.op).with_context(|| format!("record {number}: {}", brief(&record.op)))?;
        }
        Ok(disk)
    }

    /// What a power cut before record `place` leaves, and the lines that had been said.
    ///
    /// # Errors
    /// When the log does not tell all.
    pub fn cut(&self, place: usize, loss: Loss) -> Result<(Tree, Vec<String>)> {
        let mut said = Vec::new();
        for record in &self.records[..place] {
            if let Op::Said { text } = &record.op {
                said.extend_from_slice(text);
            }
        }
        let said = String::from_utf8(said).context("a writer says UTF-8")?;
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        Ok((self.disk(place)?.cut(loss), whole.lines().map(str::to_owned).collect()))
    }

    /// Compares the log with the folder that it tells of, once the program has ended by itself.
    ///
    /// # Errors
    /// When they differ: some operation went past the preload library.
    pub fn is_complete(&self, folder: &Path) -> Result<()> {
        let real = Tree::read(folder).context("reading the disk")?;
        let differences = self.disk(self.records.len())?.cut(Loss::Nothing).differences(&real);
        if !differences.is_empty() {
            bail!("the log does not tell all (by the log, on the disk):\n{}", differences.join("\n"));
        }
        Ok(())
    }
}

/// An operation, its bytes by their number.
fn brief(op: &Op) -> String {
    match op {
        Op::Write { file, offset, data } => {
            format!("Write {{ file: {file}, offset: {offset}, {} bytes }}", data.len())
        }
        Op::Said { text } => format!("Said {:?}", String::from_utf8_lossy(text)),
        other => format!("{other:?}"),
    }
}
