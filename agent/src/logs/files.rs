//! Log files in a folder: a few of some MiB each, of which the oldest goes.
//!
//! A thread writes them, so that nobody waits for a disk; what it is not quick enough for is left out and counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use stagebox_durable::make_folder;

use super::Line;

const FILES: usize = 4;
const FILE_BYTES: u64 = 4 << 20;
/// Lines that may wait for the disk.
const WAITING: usize = 2_048;
/// How long somebody who reads waits for what was not written yet.
const PATIENCE: Duration = Duration::from_secs(2);
/// Lines that are left out after a failure before the disk is tried again.
const SKIPPED: u32 = 100;

enum Job {
    Write(String),
    /// Comes back when all before it is written.
    Flush(SyncSender<()>),
}

/// The files, and the thread that writes them.
pub(super) struct Files {
    folder: PathBuf,
    jobs: SyncSender<Job>,
    lost: Arc<AtomicU64>,
    /// Bytes that were in the newest file when this run began.
    began_at: u64,
    /// How often a file was begun since.
    rotations: Arc<AtomicUsize>,
}

/// What the files hold, the oldest first; which run wrote it is known by its place, as the clock may have been wrong.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) before_this_run: Vec<Line>,
    pub(super) in_this_run: Vec<Line>,
}

impl Files {
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        let (jobs, queue) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer::new(folder, lost.clone());
        writer.open()?;
        let (began_at, rotations) = (writer.bytes, writer.rotations.clone());
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&queue))?;
        Ok(Self { folder: folder.to_owned(), jobs, lost, began_at, rotations })
    }

    pub(super) fn write(&self, line: &Line) {
        if self.jobs.try_send(Job::Write(line.text.clone())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All lines that are there.
    pub(super) fn read(&self) -> Written {
        let (done, written) = sync_channel(1);
        if self.jobs.try_send(Job::Flush(done)).is_ok() {
            // A disk that hangs has what it has.
            let _ = written.recv_timeout(PATIENCE);
        }
        let rotations = self.rotations.load(Ordering::Relaxed);
        let mut written = Written::default();
        for number in (0..FILES).rev() {
            let Ok(bytes) = fs::read(path(&self.folder, number)) else { continue };
            // The file in which this run began has moved on by now.
            let before = match number.cmp(&rotations) {
                std::cmp::Ordering::Greater => bytes.len(),
                std::cmp::Ordering::Equal => usize::try_from(self.began_at).unwrap_or(0).min(bytes.len()),
                std::cmp::Ordering::Less => 0,
            };
            let (before, since) = bytes.split_at(before);
            let lines =
                |bytes| String::from_utf8_lossy(bytes).lines().filter_map(Line::read).collect::<Vec<_>>();
            written.before_this_run.extend(lines(before));
            written.in_this_run.extend(lines(since));
        }
        written
    }
}

fn path(folder: &Path, number: usize) -> PathBuf {
    match number {
        0 => folder.join("agent.log"),
        number => folder.join(format!("agent.log.{number}")),
    }
}

struct Writer {
    folder: PathBuf,
    open: Option<File>,
    bytes: u64,
    skipped: u32,
    lost: Arc<AtomicU64>,
    rotations: Arc<AtomicUsize>,
}

impl Writer {
    fn new(folder: &Path, lost: Arc<AtomicU64>) -> Self {
        let rotations = Arc::default();
        Self { folder: folder.to_owned(), open: None, bytes: 0, skipped: SKIPPED, lost, rotations }
    }

    fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(job) = queue.recv() {
            match job {
                Job::Write(line) => self.write(line),
                // Whoever waited may have gone.
                Job::Flush(done) => drop(done.try_send(())),
            }
        }
    }

    fn write(&mut self, line: String) {
        if self.open.is_none() && self.skipped < SKIPPED {
            self.skipped += 1;
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.skipped = 0;
        let written = self.append(line);
        if let Err(error) = written {
            self.open = None;
            self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, folder = %self.folder.display(), "log lines are not written (data_dir)");
        }
    }

    fn append(&mut self, mut line: String) -> io::Result<()> {
        if self.open.is_none() {
            self.open()?;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let time = line.split(' ').next().unwrap_or_default();
            line = format!(
                "{time}  WARN stagebox_agent::logs: {lost} lines before this one are missing\n{line}"
            );
        }
        line.push('\n');
        if self.bytes > 0 && self.bytes + line.len() as u64 > FILE_BYTES {
            self.rotate()?;
        }
        if let Some(file) = &mut self.open {
            file.write_all(line.as_bytes())?;
            self.bytes += line.len() as u64;
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(path(&self.folder, 0))?;
        self.bytes = file.metadata()?.len();
        if self.bytes > 0 {
            // The last line may have been torn.
            file.write_all(b"\n")?;
            self.bytes += 1;
        }
        self.open = Some(file);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        for number in (1..FILES).rev() {
            match fs::rename(path(&self.folder, number - 1), path(&self.folder, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.rotations.fetch_add(1, Ordering::Relaxed);
        self.open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stagebox_protocol::LogLevel;

    #[test]
    fn the_oldest_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let lost = Arc::new(AtomicU64::new(3));
        let mut writer = Writer::new(folder.path(), lost);
        let long = "x".repeat(4_000);
        let count = 5 * FILE_BYTES as i64 / 4_000;
        for number in 0..count {
            writer.write(Line::new(number, 0, LogLevel::Info, "t", &long).text);
        }
        let mut sizes: Vec<u64> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes.len(), FILES);
        assert!(sizes.iter().all(|size| *size <= FILE_BYTES), "{sizes:?}");
        let files = Files::begin(folder.path()).unwrap();
        let Written { before_this_run: lines, in_this_run } = files.read();
        assert!(in_this_run.is_empty());
        assert!(
            lines.windows(2).all(|pair| pair[0].unix_ms + 1 == pair[1].unix_ms),
            "in order, and none is missing"
        );
        assert_eq!(lines.last().map(|line| line.unix_ms), Some(count - 1));
    }

    #[test]
    fn a_run_knows_its_own_lines_in_files_that_have_moved_on() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(4_000);
        let line = |number: i64| Line::new(number, 0, LogLevel::Info, "t", &long);
        let mut before = Writer::new(folder.path(), Arc::default());
        (0..1_500).for_each(|number| before.write(line(number).text));
        drop(before);
        let files = Files::begin(folder.path()).unwrap();
        let mut next = 1_500;
        for _ in 0..3 {
            let written = files.read();
            assert!(written.before_this_run.last().is_some_and(|line| line.unix_ms == 1_499));
            assert_eq!(written.in_this_run.first().map_or(next, |line| line.unix_ms), 1_500);
            // Fewer than may wait for the disk.
            for _ in 0..600 {
                files.write(&line(next));
                next += 1;
            }
        }
        assert_eq!(files.read().in_this_run.last().map(|line| line.unix_ms), Some(next - 1));
    }

    #[test]
    fn a_folder_that_goes_is_made_up_for_by_memory() {
        let folder = tempfile::tempdir().unwrap();
        let lost = Arc::new(AtomicU64::new(0));
        let gone = folder.path().join("gone");
        let mut writer = Writer::new(&gone, lost.clone());
        for _ in 0..10 {
            writer.write("a line".to_owned());
        }
        assert_eq!(lost.load(Ordering::Relaxed), 10);
        fs::create_dir(&gone).unwrap();
        for _ in 0..SKIPPED {
            writer.write("a line".to_owned());
        }
        let text = fs::read_to_string(path(&gone, 0)).unwrap();
        assert!(text.contains("lines before this one are missing"), "{text}");
    }
}
