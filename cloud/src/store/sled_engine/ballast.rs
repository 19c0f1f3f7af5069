//! Room that is held back on the disk, so that sled can be opened again when nothing else is left.
//!
//! sled writes when it is opened: what is left of the log's last segment, and a list of its pages. Without room for
//! that, a database that met a full disk could not be read until somebody makes some.

use nix::errno::Errno;
use nix::fcntl::posix_fallocate;
use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

const MIB: u64 = 1024 * 1024;
/// The file that takes the room.
const NAME: &str = "ballast";
/// What it takes at least, and beside it a part of what the database takes: so long may the list of its pages be.
const LEAST: u64 = 8 * MIB;
const PART: u64 = 16;
/// Room is taken in such pieces, so that where there is less than wanted, all of it is taken.
const PIECE: u64 = MIB / 4;

/// The room; given back by removing the file.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    file: Option<File>,
    held: u64,
    /// The file system does not keep room for anybody.
    useless: bool,
}

impl Ballast {
    /// Knows of a folder; what is in it of a run before is taken over by [`Ballast::fill`].
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join(NAME), file: None, held: 0, useless: false }
    }

    /// Takes all the room that a database of so many bytes may need.
    ///
    /// # Errors
    /// When the disk does not have it; what it has is taken.
    pub(super) fn fill(&mut self, database: u64) -> Result<()> {
        let wanted = (LEAST + database / PART).next_multiple_of(PIECE);
        while self.held < wanted && !self.useless {
            match self.grow() {
                Ok(()) => self.held += PIECE,
                Err(error) if is_full(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "no room can be held back for the store: on a full disk it may be unreadable");
                    self.useless = true;
                }
            }
        }
        Ok(())
    }

    fn grow(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            // What is there is not cut: the room it takes is there for nobody else.
            none => none.insert(File::options().write(true).create(true).truncate(false).open(&self.path)?),
        };
        let length = |bytes: u64| i64::try_from(bytes).map_err(Error::other);
        posix_fallocate(&*file, length(self.held)?, length(PIECE)?).map_err(Error::from)
    }

    /// Gives the room back.
    pub(super) fn release(&mut self) {
        (self.file, self.held) = (None, 0);
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "the room that is held back for the store cannot be given back");
        }
    }
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &Error) -> bool {
    let quota = error.raw_os_error() == Some(Errno::EDQUOT as i32);
    quota || matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn the_room_is_really_taken_and_grows_with_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let taken = || fs::metadata(&path).map_or(0, |file| file.blocks() * 512);
        let mut ballast = Ballast::new(folder.path());
        ballast.fill(0).unwrap();
        assert!(taken() >= LEAST);
        ballast.fill(64 * MIB).unwrap();
        assert!(taken() >= LEAST + 4 * MIB);
        // The next run finds it there, or a copy of it that takes no room.
        drop(ballast);
        File::create(&path).unwrap().set_len(LEAST).unwrap();
        assert!(taken() < LEAST);
        let mut ballast = Ballast::new(folder.path());
        ballast.fill(0).unwrap();
        assert!(taken() >= LEAST);
        ballast.release();
        assert!(!path.exists());
        ballast.fill(0).unwrap();
        assert!(taken() >= LEAST);
    }
}
