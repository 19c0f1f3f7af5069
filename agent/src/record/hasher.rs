//! Reads closed files once more, slowly, for their checksums.
//!
//! Closing a file changes its first bytes, so nothing that ran along with the writing would do.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: it sleeps so that the disk is left to what is recorded"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc as threads;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::index::Recording;
use super::writer::Job;

const PIECE_BYTES: usize = 1024 * 1024;
/// A second's worth of reading: several times what a recording writes, and a fraction of what a disk can do.
const BYTES_PER_S: f64 = 24.0 * 1024.0 * 1024.0;

/// A file to be read, and its length.
#[derive(Debug)]
struct ToHash {
    path: PathBuf,
    file: String,
    bytes: u64,
}

/// Orders checksums, one of a file at a time.
#[derive(Debug)]
pub(super) struct Checksums {
    files: threads::Sender<ToHash>,
    under_way: BTreeSet<String>,
}

impl Checksums {
    /// Orders the checksum of a closed file that has none.
    pub(super) fn want(&mut self, path: &Path, recording: &Recording) {
        if recording.details.sha256.is_some() || !self.under_way.insert(recording.file.clone()) {
            return;
        }
        let (file, bytes) = (recording.file.clone(), recording.bytes);
        // The thread ends only with the writing one.
        let _ = self.files.send(ToHash { path: path.to_owned(), file, bytes });
    }

    /// One has come, or cannot come.
    pub(super) fn came(&mut self, file: &str) {
        self.under_way.remove(file);
    }
}

/// Starts the reading thread; what it finds goes to the writing one, and it ends with that.
pub(super) fn spawn(jobs: mpsc::WeakSender<Job>) -> io::Result<Checksums> {
    let (files, wanted) = threads::channel::<ToHash>();
    std::thread::Builder::new().name("checksums".to_owned()).spawn(move || {
        while let Ok(ToHash { path, file, bytes }) = wanted.recv() {
            let sha256 = hash(&path, bytes, || jobs.upgrade().is_none());
            let Some(jobs) = jobs.upgrade() else { return };
            if jobs.blocking_send(Job::Hashed { file, bytes, sha256 }).is_err() {
                return;
            }
        }
    })?;
    Ok(Checksums { files, under_way: BTreeSet::new() })
}

fn hash(path: &Path, bytes: u64, is_over: impl Fn() -> bool) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE_BYTES];
    let (mut sum, mut read, begun) = (Sha256::new(), 0_u64, Instant::now());
    while !is_over() {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        sum.update(&piece[..length]);
        // Nobody reads it again soon: what is in memory stays there for others. No file system has to know this.
        let offset = i64::try_from(read).unwrap_or(i64::MAX);
        let _ = posix_fadvise(&file, offset, PIECE_BYTES as i64, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        read += length as u64;
        let due = Duration::from_secs_f64(read as f64 / BYTES_PER_S);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    if read != bytes {
        return Err(io::Error::other(format!("it has {read} bytes, not {bytes}")));
    }
    Ok(hex::encode(sum.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"abc").unwrap();
        // FIPS 180-4's own example.
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(&path, 3, || false).unwrap(), wanted);
        assert!(hash(&path, 4, || false).unwrap_err().to_string().contains("3 bytes, not 4"));
        assert!(hash(&path, 3, || true).is_err());
    }
}
