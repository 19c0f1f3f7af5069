//! The room on the disk: what there is of it, and what programs are told.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use libc::{c_char, c_int, off_t};

use crate::kernel;
use crate::session::session;

/// What a disk gives at least, to a name as well.
pub(crate) const BLOCK: u64 = 4096;
/// In which the kernel counts.
const UNIT: u64 = 512;

/// The bytes of the disk that a folder takes, with all that is in it.
pub(crate) fn used(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let used = entries.filter_map(|entry| {
        let found = entry.metadata().ok()?;
        let inside = if found.is_dir() { used(&entry.path()) } else { 0 };
        Some(found.blocks() * UNIT + inside)
    });
    used.sum()
}

/// By how many bytes a write makes its file take more of the disk, at most.
pub(crate) fn grow(fd: c_int, offset: off_t, length: usize) -> u64 {
    let Some((size, taken)) = stat(fd) else { return length as u64 };
    // In one with holes the bytes may fall into a hole.
    let end = offset.cast_unsigned().saturating_add(length as u64);
    if taken < size { length as u64 } else { end.saturating_sub(taken) }
}

/// The length of an open file.
pub(crate) fn length(fd: c_int) -> u64 {
    stat(fd).map_or(0, |(size, _)| size)
}

/// An open file's length, and the bytes that it takes.
fn stat(fd: c_int) -> Option<(u64, u64)> {
    // SAFETY: numbers alone, for which all zeros are a value; the answer is written into a place of our own.
    let (result, found) = unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &raw mut found), found)
    };
    (result == 0).then(|| (found.st_size.cast_unsigned(), found.st_blocks.cast_unsigned() * UNIT))
}

macro_rules! tells {
    ($($name:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $name(path: *const c_char, told: *mut libc::statvfs) -> c_int {
            tell(path, told)
        }
    )*};
}
tells!(statvfs, statvfs64);

fn tell(path: *const c_char, told: *mut libc::statvfs) -> c_int {
    // SAFETY: numbers alone, for which all zeros are a value.
    let (mut disk, mut answer) =
        unsafe { (std::mem::zeroed::<libc::statfs>(), std::mem::zeroed::<libc::statvfs>()) };
    let result = kernel::statfs(path, &raw mut disk);
    if result != 0 {
        return result;
    }
    let number = |value: libc::__fsword_t| value.cast_unsigned();
    let unit = number(if disk.f_frsize > 0 { disk.f_frsize } else { disk.f_bsize });
    (answer.f_bsize, answer.f_frsize, answer.f_namemax) =
        (number(disk.f_bsize), unit, number(disk.f_namelen));
    (answer.f_blocks, answer.f_bfree, answer.f_bavail) = (disk.f_blocks, disk.f_bfree, disk.f_bavail);
    (answer.f_files, answer.f_ffree, answer.f_favail) = (disk.f_files, disk.f_ffree, disk.f_ffree);
    let said = session().and_then(|session| {
        session.below(libc::AT_FDCWD, path)?;
        session.free()
    });
    if let Some(free) = said {
        (answer.f_bfree, answer.f_bavail) = (free / unit, free / unit);
    }
    // SAFETY: whoever asks gives a place for the answer.
    unsafe { told.write(answer) };
    0
}
