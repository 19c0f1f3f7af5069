//! Stands in for `sync_file_range`, on which sled relies as if it made bytes durable.
//!
//! sled's log is made of segments. The header of each says up to where the log is stable, and sled uses the space of
//! older segments again once a header says so. After a start the log is checked from the last segment that a header
//! calls stable, and not before it. All of that is right as long as a segment is on disk when the next one's first
//! bytes count, and wrong with `sync_file_range`, which neither waits for the disk's own cache nor for what leads to
//! the bytes: a power cut then leaves a hole in the log, or a page's old place overwritten and its new one empty.
//!
//! So the disk is waited for once a segment: when its first bytes were written, and when bytes of another segment than
//! the newest come late. Everything else waits for whoever syncs the file next, as sled's callers here do.
#![allow(
    unsafe_code,
    reason = "sled offers no other place to wait for the disk; a function of this name is found before the C library's"
)]

use std::sync::{Mutex, PoisonError};

use libc::{c_int, c_uint, off64_t};

/// Of a segment; sled's own default.
pub(crate) const BYTES: usize = 512 * 1024;

/// The newest segment of each open file, by its number in the file.
static NEWEST: Mutex<Vec<(c_int, i64)>> = Mutex::new(Vec::new());

/// Makes sure that the linker finds this function and not the C library's.
pub(crate) fn rule() {
    std::hint::black_box(sync_file_range as extern "C" fn(c_int, off64_t, off64_t, c_uint) -> c_int);
}

/// Whether the disk must be waited for after a write, of which all bytes lie in one segment.
fn must_wait(newest: &mut Vec<(c_int, i64)>, fd: c_int, offset: i64) -> bool {
    let (segment, begins) = (offset / BYTES as i64, offset % BYTES as i64 == 0);
    match newest.iter_mut().find(|(known, _)| *known == fd) {
        Some((_, newest)) if begins => {
            *newest = segment;
            true
        }
        Some((_, newest)) => *newest != segment,
        // A file that was closed may have left its number to another: that only waits once more.
        None => {
            newest.push((fd, segment));
            true
        }
    }
}

/// Called by sled after each write of its log.
// SAFETY: the name is the C library's, and so are arguments and result; who calls that function gets all it promises.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(fd: c_int, offset: off64_t, length: off64_t, flags: c_uint) -> c_int {
    // The lock is let go before the disk is waited for: a write of the segment before that finds it taken by the next
    // waits for itself, and one that did not was written before this sync begins.
    let wait = must_wait(&mut NEWEST.lock().unwrap_or_else(PoisonError::into_inner), fd, offset);
    if wait {
        // SAFETY: a system call with a number; one that is no open file is an error.
        return unsafe { libc::fdatasync(fd) };
    }
    // SAFETY: a system call with numbers, those of the caller.
    unsafe { libc::syscall(libc::SYS_sync_file_range, fd, offset, length, flags) as c_int }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_waited_for_once_a_segment_and_when_bytes_come_late() {
        let segment = BYTES as i64;
        let mut newest = Vec::new();
        let mut wait = |offset| must_wait(&mut newest, 3, offset);
        assert!(wait(100), "whatever was before is not known");
        assert!(!wait(200));
        assert!(wait(7 * segment), "a segment begins");
        assert!(!wait(7 * segment + 9));
        assert!(wait(300), "late bytes of the one before");
        assert!(!wait(7 * segment + 10));
        assert!(wait(0), "space that is used again");
        assert!(wait(7 * segment + 11));
        assert!(must_wait(&mut newest, 4, 5), "another file");
    }
}
