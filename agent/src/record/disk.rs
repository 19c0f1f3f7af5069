//! One disk with recordings: its folder, its room, and what has to be mended or removed there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::makedev;
use stagebox_durable::make_folder;

use super::index::{Adopt, Index, ReadManifest, Recording, sync_dir};
use super::mounts::Stick;
use super::name::FileName;
use super::room::{Room, Verdict};
use super::uploads::Uploads;
use super::writer::FreeBytes;
use crate::clock::Clock;
use crate::durable::Durable;

/// How long the room of a removed recording may take to show.
const SHOWS: Duration = Duration::from_secs(10);
/// A disk that did not take something is not asked again for so long.
const REST: Duration = Duration::from_secs(2);
/// While it is waited for, at least this has to be free.
const LEAST_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// What work on every disk needs.
pub(super) struct Means {
    pub(super) index: Index,
    pub(super) uploads: Uploads,
    pub(super) durable: Durable,
    pub(super) clock: Clock,
    /// Of each disk.
    pub(super) room: Room,
    pub(super) free_bytes: FreeBytes,
}

impl Means {
    /// How much is free in a folder, where it can be asked.
    pub(super) fn free(&self, dir: &Path) -> Option<u64> {
        (self.free_bytes)(dir).ok()
    }

    /// The recordings on a disk, oldest first, with how their uploads stand.
    fn list_on(&self, disk: Option<&str>) -> Vec<Recording> {
        let mut all = self.index.list_on(disk);
        for recording in &mut all {
            recording.upload = self.uploads.standing(&recording.file);
        }
        all
    }
}

pub(super) struct Disk {
    /// None for the box's own.
    pub(super) stick: Option<Stick>,
    /// None for the box's own.
    pub(super) id: Option<String>,
    pub(super) dir: PathBuf,
    /// It stopped for want of room, and goes on once there is more of it.
    was_full: bool,
    /// What recordings that are closed take.
    closed_bytes: u64,
    /// The last removal for want of room: until when its room may take to show, and how much is free then at least.
    removal: Option<(Instant, u64)>,
    /// When it last did not take something.
    refused_at: Option<Instant>,
    /// Files may lie there that were not closed.
    pub(super) unmended: bool,
}

impl Disk {
    pub(super) fn internal(dir: PathBuf) -> Self {
        Self {
            stick: None,
            id: None,
            dir,
            was_full: false,
            closed_bytes: 0,
            removal: None,
            refused_at: None,
            unmended: true,
        }
    }

    /// The box's own folder on a USB disk: what lies beside it is somebody else's.
    ///
    /// # Errors
    /// The disk has gone, or cannot be written to.
    pub(super) fn usb(stick: Stick, owner: &str) -> io::Result<Self> {
        is_there(&stick)?;
        let dir = stick.path.join(format!("stagebox-{owner}"));
        // Never the folders above: without the disk they are the box's own.
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        sync_dir(&stick.path)?;
        let known = ReadManifest::of(&dir).disk.filter(|id| is_id(id));
        let id = match known {
            Some(id) => id,
            None => random_id()?,
        };
        Ok(Self { stick: Some(stick), id: Some(id), ..Self::internal(dir) })
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        self.stick.as_ref().map_or_else(|| "internal".to_owned(), Stick::name)
    }

    /// Notes that it did not take something.
    pub(super) fn refuse(&mut self, now: Instant) {
        self.refused_at = Some(now);
    }

    /// Whether it is to be left alone, as it has just not taken something.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.refused_at.is_some_and(|at| now.saturating_duration_since(at) < REST)
    }

    /// Sees to it that a file can be made.
    pub(super) fn prepare(&mut self, means: &Means, open: &BTreeSet<FileName>) -> io::Result<()> {
        match &self.stick {
            Some(stick) => is_there(stick)?,
            None => make_folder(&self.dir)?,
        }
        if self.unmended {
            self.mend(means, open);
        }
        Ok(())
    }

    /// Makes every file whole, and the index say what is there.
    pub(super) fn mend(&mut self, means: &Means, open: &BTreeSet<FileName>) {
        let adopt = if self.stick.is_some() { Adopt::Known } else { Adopt::All };
        let id = self.id.clone();
        let id = id.as_deref();
        match means.index.rebuild(&self.dir, id, adopt, open) {
            Ok(()) => {
                self.unmended = false;
                self.count(means);
                let there = means.index.list_on(id).into_iter().map(|recording| recording.file).collect();
                if let Err(error) = means.uploads.reconcile(id, &there) {
                    tracing::warn!(%error, "cannot bring the list of uploads up to date");
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look through the recordings"),
        }
    }

    /// Says whether there is room for more, once the oldest have gone where they are to make room.
    pub(super) fn make_room(&mut self, means: &Means, open_bytes: u64) -> io::Result<()> {
        loop {
            let free_bytes = means.free(&self.dir);
            let used_bytes = self.closed_bytes + open_bytes;
            let list = || means.list_on(self.id.as_deref());
            match means.room.decide(free_bytes, used_bytes, list, self.was_full) {
                Verdict::Go => {
                    (self.was_full, self.removal) = (false, None);
                    return Ok(());
                }
                Verdict::Delete(files) => {
                    let (now, free) = (means.clock.now(), free_bytes.unwrap_or(0));
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
                    self.remove(means, &files, "for want of room")?;
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

    /// Removes what is older than it is to be kept.
    pub(super) fn tidy(&mut self, means: &Means) {
        let unix_ms = means.clock.synced().then(|| means.clock.unix_ms());
        let expired = means.room.expired(unix_ms, &means.list_on(self.id.as_deref()));
        if let Err(error) = self.remove(means, &expired, "as it is older than recordings are kept") {
            tracing::warn!(%error, "cannot remove old recordings");
        }
    }

    /// Removes recordings that are closed; one that has gone already is as good.
    fn remove(&mut self, means: &Means, files: &[String], reason: &str) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        for file in files {
            // An upload may have begun since.
            if !means.uploads.release(file) {
                continue;
            }
            match fs::remove_file(self.dir.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            tracing::info!(file, reason, "removed a recording");
            means.index.remove(file)?;
            means.uploads.forget(file).map_err(io::Error::other)?;
        }
        self.count(means);
        // The names are gone for good with the manifest that does not have them.
        self.note(means)?;
        means.index.write_sums(&self.dir, self.id.as_deref())
    }

    /// What failed there, and what to do about it.
    pub(super) fn in_words(&self, error: &io::Error) -> String {
        let dir = match &self.stick {
            Some(stick) => format!("{} on {}", self.dir.display(), stick.name()),
            None => format!("{} (record.dir)", self.dir.display()),
        };
        match error.kind() {
            _ if is_full(error) => {
                format!("no room left in {dir}: {error}; remove recordings or choose a larger disk")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                format!("{dir} cannot be written to: {error}")
            }
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                format!("{dir} is not there as a folder: {error}")
            }
            _ => format!("cannot write to {dir}: {error}"),
        }
    }

    /// Writes its manifest anew.
    pub(super) fn note(&self, means: &Means) -> io::Result<()> {
        means.index.write_manifest(&self.dir, self.id.as_deref())
    }

    /// Counts anew what recordings that are closed take.
    pub(super) fn count(&mut self, means: &Means) {
        let closed = means.index.list_on(self.id.as_deref()).into_iter().filter(|recording| recording.closed);
        self.closed_bytes = closed.map(|recording| recording.bytes).sum();
    }
}

/// A folder where a disk was mounted stays when the disk has gone.
fn is_there(stick: &Stick) -> io::Result<()> {
    let (major, minor) = stick.device;
    if fs::metadata(&stick.path)?.dev() == makedev(major.into(), minor.into()) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "the disk was taken away"))
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Sixteen hexadecimal digits.
pub(super) fn random_id() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(format!("no random numbers: {error}")))?;
    Ok(hex::encode(bytes))
}
