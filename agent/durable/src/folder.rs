//! Folders whose names are on disk, and the folder that sled works in.
//!
//! sled syncs the bytes of its log and of its snapshots. It never syncs a name or its `conf`,
//! and takes any file called `snap.…` for a snapshot, whole or not.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crc::{CRC_32_ISO_HDLC, Crc};

/// What sled keeps its parameters in.
const CONF: &str = "conf";
/// What sled keeps everything else in; it holds a lock on it.
const LOG: &str = "db";

/// Makes a folder, and brings its name to disk and those of the folders above it.
///
/// # Errors
/// When it cannot be made, or a name is not brought to disk.
pub fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    for folder in path.ancestors() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match sync(folder) {
            // What this user may not read was not made by this user.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && folder != path => break,
            synced => synced?,
        }
    }
    Ok(())
}

/// Before sled opens its folder: takes away what is half made, and brings to disk what a killed run left in memory.
pub(crate) fn mend(path: &Path) -> io::Result<()> {
    match File::open(path.join(LOG)) {
        // Who has the lock works here, and sled will say so.
        Ok(log) if log.try_lock().is_err() => Ok(()),
        Ok(log) => {
            let mended = remove_drafts(path).and_then(|()| settle(path));
            drop(log);
            mended
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => remove_drafts(path),
        Err(error) => Err(error),
    }
}

/// After sled has opened its folder: brings to disk what sled leaves to chance.
pub(crate) fn settle(path: &Path) -> io::Result<()> {
    for name in [CONF, LOG] {
        match sync(&path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
    }
    sync(path)
}

fn remove_drafts(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let draft = name.starts_with("snap.") && name.ends_with(".generating");
        // Without it sled writes the same again: nothing but defaults is ever in it.
        if draft || (name == CONF && !is_whole(&fs::read(&path)?)) {
            tracing::warn!(path = %path.display(), "removed what a power cut left half made");
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// sled ends its parameters with their checksum.
fn is_whole(conf: &[u8]) -> bool {
    let checksum = |bytes| Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(bytes);
    conf.split_last_chunk::<4>()
        .is_some_and(|(bytes, sum)| !bytes.is_empty() && checksum(bytes) == u32::from_le_bytes(*sum))
}

fn sync(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // A file system that cannot be asked to.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_half_made_goes_and_the_rest_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/store");
        make(&path).unwrap();
        let open = || {
            // sled's own thread may hold on to a store that was dropped a moment ago.
            if let Ok(log) = File::open(path.join(LOG)) {
                log.lock().unwrap();
            }
            mend(&path).unwrap();
            sled::Config::new().path(&path).open().unwrap()
        };
        drop(open().insert("key", "value").unwrap());
        let conf = fs::read(path.join(CONF)).unwrap();
        assert!(is_whole(&conf), "{conf:?}");
        fs::write(path.join("snap.00000000FFFFFFFF.generating"), [1; 40]).unwrap();
        fs::write(path.join(CONF), vec![0; conf.len()]).unwrap();
        let db = open();
        assert_eq!(db.get("key").unwrap().as_deref(), Some(&b"value"[..]));
        assert_eq!(fs::read(path.join(CONF)).unwrap(), conf);
        settle(&path).unwrap();
    }

    #[test]
    fn a_folder_in_use_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let _db = sled::Config::new().path(root.path()).open().unwrap();
        let draft = root.path().join("snap.0000000000000001.generating");
        fs::write(&draft, "being written").unwrap();
        mend(root.path()).unwrap();
        assert!(draft.exists());
    }
}
