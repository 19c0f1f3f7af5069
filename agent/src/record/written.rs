//! A file that is being written: every fragment is on disk before the next is taken.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::details::{Details, MOST_GAPS};
use super::index::Recording;
use super::name::FileName;
use super::repair::Measured;
use super::state::Append;

/// Which of the box's disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Internal,
    Usb,
}

#[derive(Debug)]
pub(super) struct WrittenFile {
    pub(super) name: FileName,
    pub(super) place: Place,
    pub(super) file: File,
    pub(super) measured: Measured,
    pub(super) details: Details,
    /// The box knew what time it was when it gave the name.
    pub(super) clock_synced: bool,
}

impl WrittenFile {
    /// Returns by how much the file is longer now.
    pub(super) fn append(&mut self, append: &Append) -> io::Result<i64> {
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file being written was removed"));
        }
        self.file.write_all(&append.data)?;
        self.file.sync_data()?;
        self.measured.bytes += append.data.len() as u64;
        self.measured.video_frames += u64::from(append.video_frames);
        self.measured.audio_frames += u64::from(append.audio_frames);
        self.details.gaps.extend(append.gaps.iter().copied());
        self.details.gaps.truncate(MOST_GAPS);
        let before_ns = std::mem::replace(&mut self.measured.duration_ns, append.duration_ns);
        Ok(append.duration_ns - before_ns)
    }

    pub(super) fn close(&mut self, tables: &[u8], header: &[u8]) -> io::Result<()> {
        self.file.write_all(tables)?;
        self.file.sync_data()?;
        self.measured.bytes += tables.len() as u64;
        self.file.write_all_at(header, 0)?;
        self.file.sync_all()
    }

    /// As the index has it.
    pub(super) fn recording(&self, closed: bool) -> Recording {
        let (clock_synced, details) = (self.clock_synced, self.details.clone());
        Recording { closed, clock_synced, details, ..Recording::new(&self.name, &self.measured) }
    }
}
