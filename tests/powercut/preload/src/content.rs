//! Bytes and lengths of files.

use libc::{c_char, c_int, c_uint, c_void, iovec, off_t, size_t, ssize_t};
use stagebox_powercut::Op;

use crate::kernel::{self, refuse};
use crate::session::{Room, Session, file, fresh_number, session, set_file};
use crate::space;

/// The standard output.
const STDOUT: c_int = 1;

fn bytes(data: *const c_void, length: usize) -> Vec<u8> {
    if data.is_null() || length == 0 {
        return Vec::new();
    }
    // SAFETY: the kernel has just read so many bytes from here.
    unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }.to_vec()
}

/// The first `length` bytes of a list of parts.
fn gather(parts: *const iovec, count: c_int, length: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(length);
    for number in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the kernel has just read this list of so many parts.
        let part = unsafe { &*parts.add(number) };
        data.extend(bytes(part.iov_base, part.iov_len.min(length - data.len())));
    }
    data
}

fn total(parts: *const iovec, count: c_int) -> usize {
    // SAFETY: whoever writes a list of parts answers for so many being there.
    (0..usize::try_from(count).unwrap_or(0)).map(|number| unsafe { (*parts.add(number)).iov_len }).sum()
}

/// Where a write goes.
#[derive(Clone, Copy)]
enum At {
    /// The file's own position, which it moves.
    Position,
    Offset(off_t),
}

/// Writes what there is room for with `write`, which is told how much, and records what `written` says was.
fn put(
    session: &Session,
    (fd, at): (c_int, At),
    length: usize,
    write: impl FnOnce(usize) -> ssize_t,
    written: impl FnOnce(usize) -> Vec<u8>,
) -> ssize_t {
    let turn = session.turn();
    let Some(file) = file(fd) else { return write(length) };
    let grow = || {
        let offset = match at {
            At::Offset(offset) => offset,
            At::Position => kernel::lseek(fd, 0, libc::SEEK_CUR),
        };
        space::grow(fd, offset, length)
    };
    let length = match session.room(length, grow) {
        Room::All => length,
        Room::Part(part) => part,
        Room::None => return refuse(libc::ENOSPC) as ssize_t,
    };
    // Linux appends there whatever the offset says: no program of ours does that.
    let appends = kernel::fcntl(fd, libc::F_GETFL, 0) & libc::O_APPEND != 0;
    if matches!(at, At::Offset(_)) && appends {
        return refuse(libc::EOPNOTSUPP) as ssize_t;
    }
    let result = write(length);
    let Some(count) = usize::try_from(result).ok().filter(|count| *count > 0) else { return result };
    let offset = match at {
        At::Offset(offset) => offset,
        At::Position => kernel::lseek(fd, 0, libc::SEEK_CUR) - result as off_t,
    };
    match u64::try_from(offset) {
        Ok(offset) => turn.record(Op::Write { file, offset, data: written(count) }),
        // The number was given to something else without our knowing.
        Err(_) => set_file(fd, None),
    }
    result
}

/// Writes to the standard output, which may be part of the log.
fn say(session: &Session, write: impl FnOnce() -> ssize_t, said: impl FnOnce(usize) -> Vec<u8>) -> ssize_t {
    let turn = session.turn();
    let result = write();
    if let Some(count) = usize::try_from(result).ok().filter(|count| *count > 0) {
        turn.record(Op::Said { text: said(count) });
    }
    result
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    match session() {
        Some(session) if file(fd).is_some() => put(
            session,
            (fd, At::Position),
            length,
            |length| kernel::write(fd, data, length),
            |count| bytes(data, count),
        ),
        Some(session) if fd == STDOUT && session.hears() => {
            say(session, || kernel::write(fd, data, length), |count| bytes(data, count))
        }
        _ => kernel::write(fd, data, length),
    }
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    match session() {
        Some(session) if file(fd).is_some() => {
            let all = total(parts, count);
            let write = |room: usize| {
                if room == all { kernel::writev(fd, parts, count) } else { first(fd, parts, None) }
            };
            put(session, (fd, At::Position), all, write, |written| gather(parts, count, written))
        }
        Some(session) if fd == STDOUT && session.hears() => {
            say(session, || kernel::writev(fd, parts, count), |written| gather(parts, count, written))
        }
        _ => kernel::writev(fd, parts, count),
    }
}

/// Writes half of the first part: what a disk takes that is just full.
fn first(fd: c_int, parts: *const iovec, offset: Option<off_t>) -> ssize_t {
    // SAFETY: more than one byte is to be written, so there is a part.
    let part = unsafe { &*parts };
    let length = part.iov_len / 2;
    match offset {
        Some(offset) => kernel::pwrite(fd, part.iov_base, length, offset),
        None => kernel::write(fd, part.iov_base, length),
    }
}

macro_rules! writes_at {
    ($($name:ident $vector:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
            let write = |length: usize| kernel::pwrite(fd, data, length, offset);
            match session().filter(|_| file(fd).is_some()) {
                Some(session) => {
                    put(session, (fd, At::Offset(offset)), length, write, |count| bytes(data, count))
                }
                None => write(length),
            }
        }

        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $vector(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t {
            let Some(session) = session().filter(|_| file(fd).is_some()) else {
                return kernel::pwritev(fd, parts, count, offset);
            };
            let all = total(parts, count);
            let write = |room: usize| {
                if room == all {
                    kernel::pwritev(fd, parts, count, offset)
                } else {
                    first(fd, parts, Some(offset))
                }
            };
            put(session, (fd, At::Offset(offset)), all, write, |written| gather(parts, count, written))
        }
    )*};
}
writes_at!(pwrite pwritev, pwrite64 pwritev64);

/// Changes a length and records it.
fn resize(fd: c_int, change: impl FnOnce() -> c_int, op: impl FnOnce(u64) -> Op) -> c_int {
    let Some((session, file)) = session().and_then(|session| Some((session, file(fd)?))) else {
        return change();
    };
    let turn = session.turn();
    let op = op(file);
    let lacks = match &op {
        // Only the length: there is nothing in it yet.
        Op::Resize { length, .. } => *length > space::length(fd) && session.is_full(),
        Op::Reserve { length, .. } => {
            session.lacks(Some(space::grow(fd, 0, usize::try_from(*length).unwrap_or(usize::MAX))))
        }
        _ => false,
    };
    if lacks {
        return refuse(libc::ENOSPC);
    }
    let result = change();
    if result == 0 {
        turn.record(op);
    }
    result
}

macro_rules! resizes {
    ($($ftruncate:ident $truncate:ident $fallocate:ident $posix:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $ftruncate(fd: c_int, length: off_t) -> c_int {
            let op = |file| Op::Resize { file, length: length.cast_unsigned() };
            resize(fd, || kernel::ftruncate(fd, length), op)
        }

        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $truncate(path: *const c_char, length: off_t) -> c_int {
            truncate_path(path, length)
        }

        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
            if file(fd).is_some() && mode & !libc::FALLOC_FL_KEEP_SIZE != 0 {
                return refuse(libc::EOPNOTSUPP);
            }
            let end = if mode == 0 { offset + length } else { 0 };
            let op = |file| Op::Reserve { file, length: end.cast_unsigned() };
            resize(fd, || kernel::fallocate(fd, mode, offset, length), op)
        }

        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $posix(fd: c_int, offset: off_t, length: off_t) -> c_int {
            // Unlike the others it returns its error.
            if $fallocate(fd, 0, offset, length) == 0 {
                return 0;
            }
            std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
        }
    )*};
}
resizes!(ftruncate truncate fallocate posix_fallocate, ftruncate64 truncate64 fallocate64 posix_fallocate64);

fn truncate_path(path: *const c_char, length: off_t) -> c_int {
    let found = session().and_then(|session| Some((session, session.below(libc::AT_FDCWD, path)?)));
    let Some((session, name)) = found else { return kernel::truncate(path, length) };
    if session.is_full() {
        return refuse(libc::ENOSPC);
    }
    let turn = session.turn();
    let result = kernel::truncate(path, length);
    if result == 0 {
        let file = fresh_number();
        turn.record(Op::Open { file, path: name, truncate: false });
        turn.record(Op::Resize { file, length: length.cast_unsigned() });
    }
    result
}

// What copies inside the kernel is refused as an old kernel does it, and the C library's callers write instead.

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    if file(to).is_some() {
        return refuse(libc::ENOSYS) as ssize_t;
    }
    kernel::copy_file_range(from, from_offset, to, to_offset, length, flags)
}

macro_rules! sends {
    ($($name:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $name(to: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t {
            if file(to).is_some() {
                return refuse(libc::EINVAL) as ssize_t;
            }
            kernel::sendfile(to, from, offset, count)
        }
    )*};
}
sends!(sendfile, sendfile64);

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn splice(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    if file(to).is_some() {
        return refuse(libc::EINVAL) as ssize_t;
    }
    kernel::splice(from, from_offset, to, to_offset, length, flags)
}

macro_rules! maps {
    ($($name:ident),*) => {$(
        // SAFETY: the name is the C library's, and so are arguments, result and error.
        #[unsafe(no_mangle)]
        extern "C" fn $name(
            place: *mut c_void,
            length: size_t,
            protection: c_int,
            flags: c_int,
            fd: c_int,
            offset: off_t,
        ) -> *mut c_void {
            let shared = flags & libc::MAP_TYPE != libc::MAP_PRIVATE && flags & libc::MAP_ANONYMOUS == 0;
            if shared && protection & libc::PROT_WRITE != 0 && file(fd).is_some() {
                refuse(libc::ENODEV);
                return libc::MAP_FAILED;
            }
            kernel::mmap(place, length, protection, flags, fd, offset)
        }
    )*};
}
maps!(mmap, mmap64);
