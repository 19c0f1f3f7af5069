//! What recordings take of the disk that is recorded to.

use std::fs;
use std::path::{Path, PathBuf};

use super::index::Recording;
use super::room::may_go;
use super::{RecorderHandle, Room};

/// The disk that is recorded to, or will be, and what recordings take of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The folder of recordings there.
    pub dir: PathBuf,
    /// What all of them take, those that are written included.
    pub used_bytes: u64,
    /// What those of them take that may make room: neither written nor being uploaded.
    pub removable_bytes: u64,
}

impl RecorderHandle {
    /// Looks at the disk that is recorded to; not for a task, as a disk may hang.
    #[must_use]
    pub fn taken(&self) -> Taken {
        let (dir, disk) = {
            let status = self.status();
            let status = status.borrow();
            (status.dir.clone(), status.disk_id.clone())
        };
        let uploads = self.uploads();
        let mut there = self.recordings();
        there.retain(|recording| recording.details.disk == disk);
        for recording in &mut there {
            recording.upload = uploads.standing(&recording.file);
        }
        Taken::of(dir, &there)
    }
}

impl Taken {
    fn of(dir: PathBuf, there: &[Recording]) -> Self {
        let used_bytes = there.iter().map(|recording| length(&dir, recording)).sum();
        let removable = there.iter().filter(|recording| may_go(recording));
        let removable_bytes = removable.map(|recording| recording.bytes).sum();
        Self { dir, used_bytes, removable_bytes }
    }

    /// What recordings may still take where so much is free, what makes room counted in where the oldest are to.
    #[must_use]
    pub fn left_bytes(&self, room: Room, free_bytes: u64, oldest_go: bool) -> u64 {
        let going = if oldest_go { self.removable_bytes } else { 0 };
        room.left_bytes(free_bytes, self.used_bytes).saturating_add(going)
    }
}

/// The index has the length of what is written once that is closed.
fn length(dir: &Path, recording: &Recording) -> u64 {
    match recording.closed {
        true => recording.bytes,
        false => fs::metadata(dir.join(&recording.file)).map_or(0, |file| file.len()),
    }
}
