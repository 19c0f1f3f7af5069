//! Folders and sled databases that are there after a power cut.
//!
//! sled writes its log and its snapshots well, and trusts the disk too much: see [`open`] for what is added.
//! A write is on disk once `flush` has returned and then `sync_data` of the file `db`, never before.

mod folder;
mod segments;

use std::path::Path;

pub use folder::make as make_folder;

/// Opens or makes a sled database in a folder.
///
/// - What a power cut left half made is taken away: sled takes a draft of a snapshot for one, and does not start.
/// - The names of the folder, of the folders above it and of the files in it are brought to disk, and sled's
///   parameters: sled does neither, so that all could be gone, acknowledged or not.
/// - A segment of the log is on disk before what follows it counts, and before space that it replaces is used again:
///   sled relies on `sync_file_range`, which promises nothing.
///
/// # Errors
/// Those of sled, and `Io` where the folder cannot be made, read or synced.
pub fn open(path: &Path, cache_bytes: u64) -> sled::Result<sled::Db> {
    segments::rule();
    folder::make(path)?;
    folder::mend(path)?;
    let config = sled::Config::new().path(path).cache_capacity(cache_bytes);
    let db = config.segment_size(segments::BYTES).open()?;
    folder::settle(path)?;
    Ok(db)
}
