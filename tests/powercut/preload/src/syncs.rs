//! Bringing things to disk: it takes its time, and others write meanwhile.

use libc::{c_int, c_uint, off_t};
use stagebox_powercut::Op;

use crate::kernel;
use crate::session::{Session, file, fresh_number, session};

fn synced(session: &Session, begin: impl FnOnce(u64) -> Op) {
    let sync = fresh_number();
    session.turn().record(begin(sync));
    kernel::pause_us(session.sync_us);
    session.turn().record(Op::SyncEnd { sync });
}

fn sync_file(fd: c_int, call: impl FnOnce() -> c_int) -> c_int {
    match session().and_then(|session| Some((session, file(fd)?))) {
        Some((session, file)) => {
            synced(session, |sync| Op::SyncBegin { sync, file });
            0
        }
        None => call(),
    }
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    sync_file(fd, || kernel::fsync(fd))
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync_file(fd, || kernel::fdatasync(fd))
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn syncfs(fd: c_int) -> c_int {
    match session().filter(|_| file(fd).is_some()) {
        Some(session) => {
            synced(session, |sync| Op::SyncAllBegin { sync });
            0
        }
        None => kernel::syncfs(fd),
    }
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn sync() {
    match session() {
        Some(session) => synced(session, |sync| Op::SyncAllBegin { sync }),
        None => kernel::sync(),
    }
}

/// Begins writing, and says nothing of the disk's own cache or of what leads to the bytes: nothing is durable by it.
// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(fd: c_int, offset: off_t, length: off_t, flags: c_uint) -> c_int {
    if file(fd).is_some() { 0 } else { kernel::sync_file_range(fd, offset, length, flags) }
}
