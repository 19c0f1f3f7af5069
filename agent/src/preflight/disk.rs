//! How quickly the recordings' disk takes what is written and synced, and how much it still takes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::record::{Room, Taken};

/// A file of ours that is nobody's recording; it has this name for a moment only.
const NAME: &str = ".stagebox-preflight";
/// What a test may take of the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// What is written at most.
    bytes: u64,
    /// How long is written at most.
    lasts: Duration,
}

/// Of a disk that nobody else needs.
pub(super) const WHOLE: Share = Share { bytes: 64 << 20, lasts: Duration::from_secs(2) };
/// Of a disk that takes a recording meanwhile.
pub(super) const BESIDE_A_RECORDING: Share = Share { bytes: 8 << 20, lasts: Duration::from_millis(500) };
/// Less than this says nothing about a disk.
const LEAST_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: usize = 1 << 20;
/// What is written between two syncs: a recorder syncs often, and what waits in memory is no disk.
const SYNC_BYTES: u64 = 4 << 20;

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) took: Duration,
}

/// Writes and syncs until the share's time or bytes are used up, but never more than half of `left_bytes`; `None` if
/// there is too little room, or nobody wants to know any more. Nothing of it stays.
///
/// # Errors
/// The disk does not take it.
pub(super) fn measure(
    dir: &Path,
    share: Share,
    left_bytes: u64,
    clock: &Clock,
    stop: &CancellationToken,
) -> io::Result<Option<Written>> {
    let most = (left_bytes / 2).min(share.bytes);
    if most < LEAST_BYTES {
        return Ok(None);
    }
    let mut block = vec![0; BLOCK_BYTES];
    // A disk that compresses is to have nothing to compress.
    getrandom::fill(&mut block).map_err(|error| io::Error::other(error.to_string()))?;
    let mut file = nameless(dir)?;
    let began = clock.now();
    let passed = || clock.now().saturating_duration_since(began);
    let mut bytes = 0;
    while bytes < most && passed() < share.lasts {
        if stop.is_cancelled() {
            return Ok(None);
        }
        file.write_all(&block)?;
        bytes += block.len() as u64;
        if bytes % SYNC_BYTES == 0 {
            file.sync_data()?;
        }
    }
    file.sync_data()?;
    Ok(Some(Written { bytes, took: passed() }))
}

/// A file that is gone with its handle, however the process ends.
fn nameless(dir: &Path) -> io::Result<File> {
    tidy(dir)?;
    let path = dir.join(NAME);
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Takes away what is left where the power was cut in the moment in which the file had a name.
pub(super) fn tidy(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What recordings may still take, those counted in that make room where they are to; `None` where the disk cannot be
/// asked.
pub(super) fn left_bytes(taken: &Taken, room: Room, oldest_go: bool) -> Option<u64> {
    let stat = statvfs(&taken.dir).ok()?;
    Some(taken.left_bytes(room, stat.blocks_available() * stat.fragment_size(), oldest_go))
}
