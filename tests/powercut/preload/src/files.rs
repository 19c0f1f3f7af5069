//! Opening, closing and doubling of file descriptors.
//!
//! `open` and `fcntl` take their last argument only with some flags. It comes in the same register whether or not it
//! was declared, on every system that this builds for, so that they can be written with a fixed number of arguments.

use libc::{c_char, c_int, c_uint, mode_t};
use stagebox_powercut::Op;

use crate::kernel::{self, refuse};
use crate::session::{file, fresh_number, session, set_file};

fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let found = session().and_then(|session| Some((session, session.below(folder, path)?)));
    let Some((session, name)) = found.filter(|_| flags & libc::O_PATH == 0) else {
        let fd = kernel::openat(folder, path, flags, mode);
        set_file(fd, None);
        return fd;
    };
    if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        return refuse(libc::EOPNOTSUPP);
    }
    let turn = session.turn();
    if flags & libc::O_CREAT != 0 && session.lacks(None) && !kernel::exists(folder, path) {
        return refuse(libc::ENOSPC);
    }
    let fd = kernel::openat(folder, path, flags, mode);
    if fd >= 0 {
        let file = fresh_number();
        set_file(fd, Some(file));
        let truncate = flags & libc::O_TRUNC != 0 && flags & libc::O_ACCMODE != libc::O_RDONLY;
        turn.record(Op::Open { file, path: name, truncate });
    }
    fd
}

macro_rules! opens {
    ($($name:ident $at:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $name(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            open_at(libc::AT_FDCWD, path, flags, mode)
        }

        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            open_at(folder, path, flags, mode)
        }
    )*};
}
opens!(open openat, open64 openat64);

macro_rules! creates {
    ($($name:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $name(path: *const c_char, mode: mode_t) -> c_int {
            open_at(libc::AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
        }
    )*};
}
creates!(creat, creat64);

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    set_file(fd, None);
    kernel::close(fd)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    if flags.cast_unsigned() & libc::CLOSE_RANGE_CLOEXEC == 0 {
        (first..=last.min(1 << 16)).for_each(|fd| set_file(fd.cast_signed(), None));
    }
    kernel::close_range(first, last, flags)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn dup(old: c_int) -> c_int {
    let new = kernel::dup(old);
    set_file(new, file(old));
    new
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    if old == new {
        return if kernel::fcntl(old, libc::F_GETFD, 0) < 0 { -1 } else { new };
    }
    dup3(old, new, 0)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    let made = kernel::dup3(old, new, flags);
    if made >= 0 {
        set_file(made, file(old));
    }
    made
}

macro_rules! controls {
    ($($name:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, command: c_int, argument: usize) -> c_int {
            let result = kernel::fcntl(fd, command, argument);
            if matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) {
                set_file(result, file(fd));
            }
            result
        }
    )*};
}
controls!(fcntl, fcntl64);
