//! The kernel's own calls: the C library's names are ours here, and would lead back to us.

use libc::{c_char, c_int, c_long, c_uint, c_void, iovec, mode_t, off_t, size_t, ssize_t};

/// Sets the error of the calling thread and returns -1.
pub(crate) fn refuse(error: c_int) -> c_int {
    // SAFETY: the C library gives each thread a place for its error, which is valid as long as the thread.
    unsafe { *libc::__errno_location() = error };
    -1
}

macro_rules! call {
    ($number:expr $(, $argument:expr)*) => {
        // SAFETY: the arguments are those of the caller of the C library's function of this name, who answers for them.
        unsafe { libc::syscall($number $(, $argument as c_long)*) }
    };
}

pub(crate) fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    call!(libc::SYS_openat, folder, path, flags, mode) as c_int
}

pub(crate) fn statfs(path: *const c_char, disk: *mut libc::statfs) -> c_int {
    call!(libc::SYS_statfs, path, disk) as c_int
}

pub(crate) fn close(fd: c_int) -> c_int {
    call!(libc::SYS_close, fd) as c_int
}

pub(crate) fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    call!(libc::SYS_close_range, first, last, flags) as c_int
}

pub(crate) fn dup(fd: c_int) -> c_int {
    call!(libc::SYS_dup, fd) as c_int
}

pub(crate) fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    call!(libc::SYS_dup3, old, new, flags) as c_int
}

pub(crate) fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    call!(libc::SYS_fcntl, fd, command, argument) as c_int
}

pub(crate) fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    call!(libc::SYS_write, fd, data, length) as ssize_t
}

pub(crate) fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    call!(libc::SYS_writev, fd, parts, count) as ssize_t
}

pub(crate) fn pwrite(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    call!(libc::SYS_pwrite64, fd, data, length, offset) as ssize_t
}

pub(crate) fn pwritev(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    call!(libc::SYS_pwritev, fd, parts, count, offset, 0) as ssize_t
}

pub(crate) fn lseek(fd: c_int, offset: off_t, whence: c_int) -> off_t {
    call!(libc::SYS_lseek, fd, offset, whence) as off_t
}

pub(crate) fn ftruncate(fd: c_int, length: off_t) -> c_int {
    call!(libc::SYS_ftruncate, fd, length) as c_int
}

pub(crate) fn truncate(path: *const c_char, length: off_t) -> c_int {
    call!(libc::SYS_truncate, path, length) as c_int
}

pub(crate) fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    call!(libc::SYS_fallocate, fd, mode, offset, length) as c_int
}

pub(crate) fn renameat2(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    call!(libc::SYS_renameat2, from_folder, from, to_folder, to, flags) as c_int
}

pub(crate) fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    call!(libc::SYS_unlinkat, folder, path, flags) as c_int
}

pub(crate) fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    call!(libc::SYS_linkat, from_folder, from, to_folder, to, flags) as c_int
}

pub(crate) fn symlinkat(target: *const c_char, folder: c_int, path: *const c_char) -> c_int {
    call!(libc::SYS_symlinkat, target, folder, path) as c_int
}

pub(crate) fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    call!(libc::SYS_mkdirat, folder, path, mode) as c_int
}

pub(crate) fn fsync(fd: c_int) -> c_int {
    call!(libc::SYS_fsync, fd) as c_int
}

pub(crate) fn fdatasync(fd: c_int) -> c_int {
    call!(libc::SYS_fdatasync, fd) as c_int
}

pub(crate) fn syncfs(fd: c_int) -> c_int {
    call!(libc::SYS_syncfs, fd) as c_int
}

pub(crate) fn sync() {
    call!(libc::SYS_sync);
}

pub(crate) fn sync_file_range(fd: c_int, offset: off_t, length: off_t, flags: c_uint) -> c_int {
    call!(libc::SYS_sync_file_range, fd, offset, length, flags) as c_int
}

pub(crate) fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    call!(libc::SYS_copy_file_range, from, from_offset, to, to_offset, length, flags) as ssize_t
}

pub(crate) fn sendfile(to: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t {
    call!(libc::SYS_sendfile, to, from, offset, count) as ssize_t
}

pub(crate) fn splice(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    call!(libc::SYS_splice, from, from_offset, to, to_offset, length, flags) as ssize_t
}

pub(crate) fn mmap(
    place: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    call!(libc::SYS_mmap, place, length, protection, flags, fd, offset) as *mut c_void
}

pub(crate) fn exists(folder: c_int, path: *const c_char) -> bool {
    call!(libc::SYS_faccessat, folder, path, libc::F_OK) == 0
}

pub(crate) fn flock(fd: c_int, operation: c_int) -> c_int {
    call!(libc::SYS_flock, fd, operation) as c_int
}

/// Where a link leads, of the kernel's own links below `/proc`.
pub(crate) fn readlink(path: &std::ffi::CStr) -> Option<Vec<u8>> {
    let mut target = vec![0_u8; 4096];
    let length =
        call!(libc::SYS_readlinkat, libc::AT_FDCWD, path.as_ptr(), target.as_mut_ptr(), target.len());
    target.truncate(usize::try_from(length).ok()?);
    Some(target)
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written into a place of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

pub(crate) fn pause_us(us: u64) {
    let time = libc::timespec { tv_sec: (us / 1_000_000) as i64, tv_nsec: (us % 1_000_000 * 1000) as i64 };
    // SAFETY: the time is read from a place of our own, and nothing is written.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}
