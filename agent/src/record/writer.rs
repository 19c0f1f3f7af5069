//! The thread that writes: every fragment is on disk before the next is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::statvfs::statvfs;
use stagebox_protocol::Outcome;
use tokio::sync::{mpsc, oneshot, watch};

use super::details::{Details, Label};
use super::disk::{Disk, Means, is_full};
use super::hasher::Checksums;
use super::index::sync_dir;
use super::marks::Marking;
use super::mounts::Stick;
use super::name::FileName;
use super::repair::Measured;
use super::room::Room;
use super::state::{Action, Append, FileId, Opening};
use super::written::{Place, WrittenFile};

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
    Flush(Option<oneshot::Sender<()>>),
    Mark(Marking),
    /// A closed file was read once more, if it could be.
    Hashed {
        file: String,
        bytes: u64,
        sha256: io::Result<String>,
    },
    /// The USB disks that there are now.
    Sticks(Vec<Stick>),
}

/// What the thread has done.
#[derive(Debug)]
pub(super) enum Report {
    Opened {
        file: FileName,
        spot: Spot,
    },
    /// On disk now, which makes a file longer by `longer_ns`.
    Written {
        bytes: u64,
        video_frames: u32,
        longer_ns: i64,
        cut_ns: i64,
        free_bytes: Option<u64>,
    },
    Closed,
    /// All open files are given up; what they had on disk stays. There may be another disk to go on with.
    Broken {
        error: String,
        free_bytes: Option<u64>,
        elsewhere: bool,
    },
    /// Where the next file goes, and why not where it should.
    Placed {
        spot: Spot,
        error: Option<String>,
    },
    Marked {
        file: String,
        at_ms: u64,
        label: Option<String>,
    },
    Flushed(Option<oneshot::Sender<()>>),
}

/// A disk as it is told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spot {
    /// What people call it.
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) id: Option<String>,
}

/// Asks how much room there is in a folder.
pub(super) type FreeBytes = Box<dyn Fn(&Path) -> io::Result<u64> + Send>;

pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let room = statvfs(dir)?;
    Ok(room.blocks_available() as u64 * room.fragment_size() as u64)
}

pub(super) struct Writer {
    pub(super) means: Means,
    pub(super) internal: Disk,
    /// The USB disk that is recorded to, if there is one.
    pub(super) usb: Option<Disk>,
    /// Those that failed, until they are taken out.
    pub(super) distrusted: Vec<Stick>,
    /// Why it is not recorded to the USB disk that is there, or was.
    pub(super) disk_error: Option<String>,
    /// Names the box's folder on USB disks.
    pub(super) owner: String,
    pub(super) open: BTreeMap<FileId, WrittenFile>,
    /// Nothing is written until what was given up is known to be.
    pub(super) broken: bool,
    /// The last number of this boot that was given out.
    pub(super) number: u32,
    pub(super) label: watch::Receiver<Label>,
    /// Whether recordings are to be uploaded.
    pub(super) upload: bool,
    pub(super) hashes: Checksums,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    /// Counts what was done.
    pub(super) done: Arc<AtomicU64>,
}

/// What went wrong, and on which disk.
type Failure = (Place, io::Error);

impl Writer {
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>, sticks: Vec<Stick>) {
        if self.internal.dir.is_dir() {
            let open = self.open_names();
            self.internal.mend(&self.means, &open);
            self.take_up(Place::Internal);
        }
        self.sticks(sticks);
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Do(action) => {
                    if !self.broken
                        && let Err((place, error)) = self.perform(action)
                    {
                        self.give_up(place, &error);
                    }
                    self.done.fetch_add(1, Ordering::Release);
                }
                Job::Abandon => {
                    self.abandon();
                    self.broken = false;
                }
                Job::Tidy => {
                    self.internal.tidy(&self.means);
                    self.usb.iter_mut().for_each(|usb| usb.tidy(&self.means));
                }
                Job::Room(room) => self.means.room = room,
                Job::Flush(done) => self.report(Report::Flushed(done)),
                Job::Mark(marking) => self.mark(marking),
                Job::Hashed { file, bytes, sha256 } => self.hashed(&file, bytes, sha256),
                Job::Sticks(sticks) => self.sticks(sticks),
            }
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), Failure> {
        match action {
            Action::Open { file, opening } => self.create(file, &opening),
            Action::Append { file, append } => self.append(file, &append),
            Action::Close { file, last, tables, header } => {
                if let Some(append) = &last {
                    self.append(file, append)?;
                }
                self.close(file, &tables, &header)
            }
        }
    }

    fn append(&mut self, id: FileId, append: &Append) -> Result<(), Failure> {
        // One that was given up before is no more.
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        let (place, is_gap) = (open.place, !append.gaps.is_empty());
        let longer_ns = open.append(append).map_err(|error| (place, error))?;
        let noted = is_gap.then(|| open.recording(false));
        self.report(Report::Written {
            bytes: append.data.len() as u64,
            video_frames: append.video_frames,
            longer_ns,
            cut_ns: append.cut_ns,
            free_bytes: self.means.free(&self.disk(place).dir),
        });
        noted.iter().for_each(|recording| self.note(place, recording));
        self.make_room(place).map_err(|error| (place, error))
    }

    /// Makes a file on the disk that is preferred, or on the other one.
    fn create(&mut self, id: FileId, opening: &Opening) -> Result<(), Failure> {
        let now = self.means.clock.now();
        if self.usb.as_ref().is_some_and(|usb| !usb.rests(now)) {
            match self.create_on(Place::Usb, id, opening) {
                Ok(()) => return Ok(()),
                // What is still written there has to go on elsewhere as well.
                Err(error) if !is_full(&error) && self.is_open(Place::Usb) => {
                    return Err((Place::Usb, error));
                }
                Err(error) => self.turn_away(&error),
            }
        }
        self.create_on(Place::Internal, id, opening).map_err(|error| (Place::Internal, error))
    }

    fn create_on(&mut self, place: Place, id: FileId, opening: &Opening) -> io::Result<()> {
        let open = self.open_names();
        let (disk, means) = match (place, &mut self.usb) {
            (Place::Usb, Some(usb)) => (usb, &self.means),
            _ => (&mut self.internal, &self.means),
        };
        let was_unmended = disk.unmended;
        disk.prepare(means, &open)?;
        let (dir, disk_id) = (disk.dir.clone(), disk.id.clone());
        if was_unmended {
            self.take_up(place);
        }
        self.make_room(place)?;
        let label = self.label.borrow().clone();
        let clock = &self.means.clock;
        let (clock_synced, boot, mono_ms) = (clock.synced(), clock.boot_id().to_owned(), clock.mono_ms());
        let unix_ms = clock.unix_ms();
        let number = self.next_number(&dir)?;
        let name = FileName::new(&label.title, unix_ms, clock_synced, &boot, number);
        let path = dir.join(name.as_str());
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let bytes = opening.header.len() as u64;
        let measured = Measured { epoch: opening.epoch, bytes, ..Measured::default() };
        let details = Details {
            event: Some(label),
            boot_id: Some(boot),
            started_mono_ms: Some(mono_ms),
            video: opening.video.clone(),
            audio: opening.audio.clone(),
            to_upload: self.upload,
            disk: disk_id,
            ..Details::default()
        };
        let mut written = WrittenFile { name: name.clone(), place, file, measured, details, clock_synced };
        let begun = written.file.write_all(&opening.header);
        if let Err(error) = begun.and_then(|()| written.file.sync_all()).and_then(|()| sync_dir(&dir)) {
            // Nothing is in it.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        self.number = number;
        self.note(place, &written.recording(false));
        self.open.insert(id, written);
        if place == Place::Usb {
            self.disk_error = None;
        }
        self.place();
        self.report(Report::Opened { file: name, spot: self.spot(place) });
        Ok(())
    }

    /// The next number of this boot: names never repeat, whatever the wall clock does and wherever they lie.
    fn next_number(&self, dir: &Path) -> io::Result<u32> {
        let boot = self.means.clock.boot_id();
        let mut last = self.number;
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name().to_str().and_then(FileName::parse);
            last = last.max(name.and_then(|name| name.number_in(boot)).unwrap_or(0));
        }
        for recording in self.means.index.list() {
            let name = FileName::parse(&recording.file);
            last = last.max(name.and_then(|name| name.number_in(boot)).unwrap_or(0));
        }
        last.checked_add(1)
            .ok_or_else(|| io::Error::other("this boot has used up all numbers; restart the box"))
    }

    fn close(&mut self, id: FileId, tables: &[u8], header: &[u8]) -> Result<(), Failure> {
        let Some(mut open) = self.open.remove(&id) else { return Ok(()) };
        let place = open.place;
        if let Err(error) = open.close(tables, header) {
            self.disk_mut(place).unmended = true;
            return Err((place, error));
        }
        let recording = open.recording(true);
        self.note(place, &recording);
        self.count(place);
        self.hashes.want(&self.disk(place).dir.join(&recording.file), &recording);
        self.report(Report::Closed);
        Ok(())
    }

    fn give_up(&mut self, place: Place, error: &io::Error) {
        let now = self.means.clock.now();
        let disk = self.disk_mut(place);
        disk.unmended = true;
        disk.refuse(now);
        let (words, dir) = (disk.in_words(error), disk.dir.clone());
        let free_bytes = self.means.free(&dir);
        self.drop_open();
        if place == Place::Usb {
            self.turn_away(error);
        }
        self.break_off(words, free_bytes, place);
    }

    /// Waits until it is known that what was open is no more; it may go on elsewhere then.
    pub(super) fn break_off(&mut self, error: String, free_bytes: Option<u64>, place: Place) {
        let other = if place == Place::Usb { Some(&self.internal) } else { self.usb.as_ref() };
        let now = self.means.clock.now();
        let elsewhere = other.is_some_and(|other| !other.rests(now));
        self.mend();
        self.broken = true;
        self.report(Report::Broken { error, free_bytes, elsewhere });
    }

    fn abandon(&mut self) {
        self.drop_open();
        self.mend();
    }

    /// Files that cannot be written on are whole up to what is on disk; mending closes them.
    pub(super) fn drop_open(&mut self) {
        for open in std::mem::take(&mut self.open).into_values() {
            self.disk_mut(open.place).unmended = true;
            // behind this lies at most a piece of a fragment, which mending takes away as well
            let _ = open.file.set_len(open.measured.bytes);
        }
    }

    fn mend(&mut self) {
        for place in [Place::Internal, Place::Usb] {
            let disk = self.disk(place);
            if disk.unmended && disk.dir.is_dir() {
                let (open, means) = (BTreeSet::new(), &self.means);
                match (place, &mut self.usb) {
                    (Place::Internal, _) => self.internal.mend(means, &open),
                    (Place::Usb, Some(usb)) => usb.mend(means, &open),
                    (Place::Usb, None) => continue,
                }
                self.take_up(place);
            }
        }
    }

    fn make_room(&mut self, place: Place) -> io::Result<()> {
        let of_disk = self.open.values().filter(|open| open.place == place);
        let open_bytes = of_disk.map(|open| open.measured.bytes).sum();
        match (place, &mut self.usb) {
            (Place::Usb, Some(usb)) => usb.make_room(&self.means, open_bytes),
            _ => self.internal.make_room(&self.means, open_bytes),
        }
    }

    fn count(&mut self, place: Place) {
        match (place, &mut self.usb) {
            (Place::Usb, Some(usb)) => usb.count(&self.means),
            _ => self.internal.count(&self.means),
        }
    }

    pub(super) fn is_open(&self, place: Place) -> bool {
        self.open.values().any(|open| open.place == place)
    }

    fn open_names(&self) -> BTreeSet<FileName> {
        self.open.values().map(|open| open.name.clone()).collect()
    }

    pub(super) fn disk(&self, place: Place) -> &Disk {
        self.usb.as_ref().filter(|_| place == Place::Usb).unwrap_or(&self.internal)
    }

    pub(super) fn disk_mut(&mut self, place: Place) -> &mut Disk {
        match (place, &mut self.usb) {
            (Place::Usb, Some(usb)) => usb,
            _ => &mut self.internal,
        }
    }

    pub(super) fn report(&self, report: Report) {
        // without a driver nobody asks
        let _ = self.reports.send(report);
    }

    /// Answers somebody who may have gone.
    pub(super) fn answer(reply: oneshot::Sender<Outcome>, outcome: Outcome) {
        let _ = reply.send(outcome);
    }
}
