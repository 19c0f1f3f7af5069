//! By which name a server leases jobs, so that its next run takes back what this one leaves.

use super::JobError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// The file in the data directory.
const FILE: &str = "node";
/// Characters of a name.
const CHARS: usize = 32;

/// A server's name.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    /// Locked as long as the process lives: whoever has the lock knows that no other has the name.
    lock: Option<File>,
}

impl Node {
    /// Reads the name from the data directory, or makes one; another process of the same directory gets a new one each time.
    pub(super) fn open(data_dir: &Path) -> Result<Self, JobError> {
        let path = data_dir.join(FILE);
        Self::at(&path).map_err(|source| JobError::Node { path: path.display().to_string(), source })
    }

    fn at(path: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Self { name: draw().into(), lock: None }),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut name = String::new();
        file.read_to_string(&mut name)?;
        if name.len() != CHARS || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            // New, or a power cut came between its making and its writing.
            name = draw();
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(name.as_bytes())?;
            file.sync_all()?;
        }
        Ok(Self { name: name.into(), lock: Some(file) })
    }

    /// Whether no other process can have this name.
    pub(crate) fn is_alone(&self) -> bool {
        self.lock.is_some()
    }
}

fn draw() -> String {
    hex::encode(crate::id::random_bytes::<{ CHARS / 2 }>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_never_shared() {
        let directory = tempfile::tempdir().unwrap();
        let first = Node::open(directory.path()).unwrap();
        let beside = Node::open(directory.path()).unwrap();
        assert!(first.is_alone() && !beside.is_alone());
        assert_ne!(first.name, beside.name);
        let name = Arc::clone(&first.name);
        drop(first);
        let next = Node::open(directory.path()).unwrap();
        assert!(next.is_alone());
        assert_eq!(next.name, name);
        drop(next);
        std::fs::write(directory.path().join(FILE), "torn").unwrap();
        let healed = Node::open(directory.path()).unwrap();
        assert_eq!(healed.name.len(), CHARS);
        drop(healed);
        assert!(matches!(Node::open(&directory.path().join("nowhere")), Err(JobError::Node { .. })));
    }
}
