//! The thread that writes: every fragment is on disk before the next is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use stagebox_durable::make_folder;
use stagebox_media::Epoch;
use tokio::sync::{mpsc, oneshot};

use super::index::{Index, Recording, sync_dir};
use super::name::FileName;
use super::repair::Measured;
use super::room::{Room, Verdict};
use super::state::{Action, Append, FileId};
use crate::clock::Clock;

/// How long the room of a removed recording may take to show.
const SHOWS: Duration = Duration::from_secs(10);
/// While it is waited for, at least this has to be free.
const LEAST_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// What the thread is to do, in order.
#[derive(Debug)]
pub(super) enum Job {
    Do(Action),
    /// Gives up what is open, as nobody will write on.
    Abandon,
    /// Removes what is older than it is to be kept.
    Tidy,
    /// Recordings may take this from now on.
    Room(Room),
    /// Comes back as [`Report::Flushed`] when all before it is done.
    Flush(oneshot::Sender<()>),
}

/// What the thread has done.
#[derive(Debug)]
pub(super) enum Report {
    Opened {
        file: FileName,
    },
    /// On disk now, which makes a file longer by `longer_ns`.
    Written {
        bytes: u64,
        video_frames: u32,
        longer_ns: i64,
        free_bytes: Option<u64>,
    },
    Closed,
    /// All open files are given up; what they had on disk stays.
    Broken {
        error: String,
        free_bytes: Option<u64>,
    },
    Flushed(oneshot::Sender<()>),
}

/// Asks how much room there is in a folder.
pub(super) type FreeBytes = Box<dyn Fn(&Path) -> io::Result<u64> + Send>;

pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let room = statvfs(dir)?;
    Ok(room.blocks_available() as u64 * room.fragment_size() as u64)
}

pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) index: Index,
    pub(super) clock: Clock,
    pub(super) room: Room,
    /// It stopped for want of room, and goes on once there is more of it.
    pub(super) was_full: bool,
    /// What recordings that are closed take.
    pub(super) closed_bytes: u64,
    /// The last removal for want of room: until when its room may take to show, and how much is free then at least.
    pub(super) removal: Option<(Instant, u64)>,
    pub(super) free_bytes: FreeBytes,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    pub(super) open: BTreeMap<FileId, WrittenFile>,
    /// Files may lie there that were not closed.
    pub(super) unmended: bool,
}

#[derive(Debug)]
pub(super) struct WrittenFile {
    name: FileName,
    file: File,
    measured: Measured,
    /// The box knew what time it was when it gave the name.
    clock_synced: bool,
}

impl Writer {
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        if self.dir.is_dir() {
            self.mend();
        }
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Do(action) => {
                    if let Err(error) = self.perform(action) {
                        self.give_up(&error);
                    }
                }
                Job::Abandon => self.abandon(),
                Job::Tidy => self.tidy(),
                Job::Room(room) => self.room = room,
                Job::Flush(done) => self.report(Report::Flushed(done)),
            }
        }
    }

    fn perform(&mut self, action: Action) -> io::Result<()> {
        match action {
            Action::Open { file, header, epoch } => self.create(file, &header, epoch),
            Action::Append { file, append } => match self.open.get_mut(&file) {
                Some(open) => {
                    let longer_ns = open.append(&append)?;
                    self.written(&append, longer_ns)
                }
                // given up before
                None => Ok(()),
            },
            Action::Close { file, last, tables, header } => {
                if let (Some(append), Some(open)) = (&last, self.open.get_mut(&file)) {
                    let longer_ns = open.append(append)?;
                    self.written(append, longer_ns)?;
                }
                self.close(file, &tables, &header)
            }
        }
    }

    fn create(&mut self, id: FileId, header: &[u8], epoch: Epoch) -> io::Result<()> {
        make_folder(&self.dir)?;
        if self.unmended {
            self.mend();
        }
        self.make_room()?;
        let name = FileName::new(self.clock.unix_ms(), self.clock.boot_id(), self.next_number()?);
        let file = OpenOptions::new().write(true).create_new(true).open(self.dir.join(name.as_str()))?;
        let measured = Measured { epoch, ..Measured::default() };
        let clock_synced = self.clock.synced();
        let mut written = WrittenFile { name: name.clone(), file, measured, clock_synced };
        written.file.write_all(header)?;
        written.measured.bytes = header.len() as u64;
        written.file.sync_all()?;
        sync_dir(&self.dir)?;
        let recording = Recording { closed: false, clock_synced, ..Recording::new(&name, &written.measured) };
        self.open.insert(id, written);
        self.note(&recording);
        self.report(Report::Opened { file: name });
        Ok(())
    }

    /// The next number of this boot: names never repeat, whatever the wall clock does.
    fn next_number(&self) -> io::Result<u32> {
        let mut last = 0;
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name().to_str().and_then(FileName::parse);
            last = last.max(name.and_then(|name| name.number_in(self.clock.boot_id())).unwrap_or(0));
        }
        Ok(last + 1)
    }

    fn written(&mut self, append: &Append, longer_ns: i64) -> io::Result<()> {
        self.report(Report::Written {
            bytes: append.data.len() as u64,
            video_frames: append.video_frames,
            longer_ns,
            free_bytes: (self.free_bytes)(&self.dir).ok(),
        });
        self.make_room()
    }

    fn close(&mut self, id: FileId, tables: &[u8], header: &[u8]) -> io::Result<()> {
        let Some(mut open) = self.open.remove(&id) else { return Ok(()) };
        let closed = open.close(tables, header);
        if closed.is_err() {
            self.unmended = true;
        }
        closed?;
        self.note(&Recording {
            clock_synced: open.clock_synced,
            ..Recording::new(&open.name, &open.measured)
        });
        self.count();
        self.report(Report::Closed);
        Ok(())
    }

    fn give_up(&mut self, error: &io::Error) {
        self.unmended = true;
        self.abandon();
        let free_bytes = (self.free_bytes)(&self.dir).ok();
        self.report(Report::Broken { error: in_words(error, &self.dir), free_bytes });
    }

    /// Files that cannot be written on are whole up to what is on disk; mending closes them.
    fn abandon(&mut self) {
        self.unmended |= !self.open.is_empty();
        for open in std::mem::take(&mut self.open).into_values() {
            // behind this lies at most a piece of a fragment, which mending takes away as well
            let _ = open.file.set_len(open.measured.bytes);
        }
        if self.unmended && self.dir.is_dir() {
            self.mend();
        }
    }

    fn mend(&mut self) {
        let open: BTreeSet<_> = self.open.values().map(|open| open.name.clone()).collect();
        match self.index.rebuild(&self.dir, &open) {
            Ok(()) => {
                self.unmended = false;
                self.count();
            }
            Err(error) => tracing::warn!(%error, "cannot look through the recordings"),
        }
    }

    /// Says whether there is room for more, once the oldest have gone where they are to make room.
    fn make_room(&mut self) -> io::Result<()> {
        loop {
            let open_bytes: u64 = self.open.values().map(|open| open.measured.bytes).sum();
            let free_bytes = (self.free_bytes)(&self.dir).ok();
            let used_bytes = self.closed_bytes + open_bytes;
            match self.room.decide(free_bytes, used_bytes, || self.index.list(), self.was_full) {
                Verdict::Go => {
                    (self.was_full, self.removal) = (false, None);
                    return Ok(());
                }
                Verdict::Delete(files) => {
                    let (now, free) = (self.clock.now(), free_bytes.unwrap_or(0));
                    match self.removal {
                        // Some file systems give room back a while after a file has gone.
                        Some((until, _)) if now < until && free >= LEAST_FREE_BYTES => return Ok(()),
                        Some((_, wanted)) if free < wanted => {
                            self.was_full = true;
                            let words = "removing recordings makes no room: something else fills the disk";
                            return Err(io::Error::new(io::ErrorKind::StorageFull, words));
                        }
                        _ => {}
                    }
                    let before = self.closed_bytes;
                    self.remove(&files, "for want of room")?;
                    let freed = before.saturating_sub(self.closed_bytes);
                    self.removal = Some((now + SHOWS, free + freed / 2));
                }
                Verdict::Full(words) => {
                    self.was_full = true;
                    return Err(io::Error::new(io::ErrorKind::StorageFull, words));
                }
            }
        }
    }

    fn tidy(&mut self) {
        let unix_ms = self.clock.synced().then(|| self.clock.unix_ms());
        let expired = self.room.expired(unix_ms, &self.index.list());
        if let Err(error) = self.remove(&expired, "as it is older than recordings are kept") {
            tracing::warn!(%error, "cannot remove old recordings");
        }
    }

    /// Removes recordings that are closed; one that has gone already is as good.
    fn remove(&mut self, files: &[String], reason: &str) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        for file in files {
            match fs::remove_file(self.dir.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            tracing::info!(file, reason, "removed a recording");
            self.index.remove(file)?;
        }
        self.count();
        // The names are gone for good with the manifest that does not have them.
        self.index.write_manifest(&self.dir)
    }

    /// Counts anew what recordings that are closed take.
    fn count(&mut self) {
        let closed = self.index.list().into_iter().filter(|recording| recording.closed);
        self.closed_bytes = closed.map(|recording| recording.bytes).sum();
    }

    /// The index can be rebuilt: a file is never given up for it.
    fn note(&self, recording: &Recording) {
        let noted = self.index.put(recording).and_then(|()| self.index.write_manifest(&self.dir));
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note a recording");
        }
    }

    fn report(&self, report: Report) {
        // without a driver nobody asks
        let _ = self.reports.send(report);
    }
}

impl WrittenFile {
    /// Returns by how much the file is longer now.
    fn append(&mut self, append: &Append) -> io::Result<i64> {
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file being written was removed"));
        }
        self.file.write_all(&append.data)?;
        self.file.sync_data()?;
        self.measured.bytes += append.data.len() as u64;
        self.measured.video_frames += u64::from(append.video_frames);
        self.measured.audio_frames += u64::from(append.audio_frames);
        let before_ns = std::mem::replace(&mut self.measured.duration_ns, append.duration_ns);
        Ok(append.duration_ns - before_ns)
    }

    fn close(&mut self, tables: &[u8], header: &[u8]) -> io::Result<()> {
        self.file.write_all(tables)?;
        self.file.sync_data()?;
        self.measured.bytes += tables.len() as u64;
        self.file.write_all_at(header, 0)?;
        self.file.sync_all()
    }
}

fn in_words(error: &io::Error, dir: &Path) -> String {
    let dir = dir.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("no room left in {dir} (record.dir): {error}; remove recordings or choose a larger disk")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("{dir} (record.dir) cannot be written to: {error}")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("{dir} (record.dir) is not there as a folder: {error}")
        }
        _ => format!("cannot write to {dir} (record.dir): {error}"),
    }
}
