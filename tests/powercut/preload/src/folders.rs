//! Names of files and folders.

use libc::{c_char, c_int, c_uint, mode_t};
use stagebox_powercut::Op;

use crate::kernel::{self, refuse};
use crate::session::{Session, session};

/// A path as its caller named it.
type Place = (c_int, *const c_char);

fn here(path: *const c_char) -> Place {
    (libc::AT_FDCWD, path)
}

fn below(place: Place) -> Option<(&'static Session, String)> {
    session().and_then(|session| Some((session, session.below(place.0, place.1)?)))
}

/// Changes a name below the root and records it; `grows` if it needs room.
fn change(place: Place, grows: bool, call: impl FnOnce() -> c_int, op: impl FnOnce(String) -> Op) -> c_int {
    let Some((session, path)) = below(place) else { return call() };
    let turn = session.turn();
    if grows && session.lacks(None) {
        return refuse(libc::ENOSPC);
    }
    let result = call();
    if result == 0 {
        turn.record(op(path));
    }
    result
}

/// Changes two names that are both below the root, or both not.
fn change_both(
    (from, to): (Place, Place),
    call: impl FnOnce() -> c_int,
    op: impl FnOnce(String, String) -> Op,
) -> c_int {
    match (below(from), below(to)) {
        (None, None) => call(),
        (Some((session, from)), Some((_, to))) => {
            let turn = session.turn();
            let result = call();
            if result == 0 && from != to {
                turn.record(op(from, to));
            }
            result
        }
        _ => refuse(libc::EXDEV),
    }
}

fn make_folder(place: Place, mode: mode_t) -> c_int {
    // One that is there already is an error of another kind, on a full disk as well.
    let grows = !kernel::exists(place.0, place.1);
    change(place, grows, || kernel::mkdirat(place.0, place.1, mode), |path| Op::MakeFolder { path })
}

fn remove(place: Place, flags: c_int) -> c_int {
    change(place, false, || kernel::unlinkat(place.0, place.1, flags), |path| Op::Remove { path })
}

fn move_over(from: Place, to: Place, flags: c_uint) -> c_int {
    let exchange = flags & libc::RENAME_EXCHANGE != 0;
    let call = || kernel::renameat2(from.0, from.1, to.0, to.1, flags);
    change_both((from, to), call, |from, to| Op::Rename { from, to, exchange })
}

fn link_to(from: Place, to: Place, flags: c_int) -> c_int {
    let call = || kernel::linkat(from.0, from.1, to.0, to.1, flags);
    change_both((from, to), call, |from, to| Op::Link { from, to })
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    make_folder(here(path), mode)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    make_folder((folder, path), mode)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn rmdir(path: *const c_char) -> c_int {
    remove(here(path), libc::AT_REMOVEDIR)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    remove(here(path), 0)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    remove((folder, path), flags)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    move_over(here(from), here(to), 0)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn renameat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
) -> c_int {
    move_over((from_folder, from), (to_folder, to), 0)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn renameat2(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    move_over((from_folder, from), (to_folder, to), flags)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    link_to(here(from), here(to), 0)
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    link_to((from_folder, from), (to_folder, to), flags)
}

fn link_by_name(target: *const c_char, place: Place) -> c_int {
    // As on a file system that has none.
    if below(place).is_some() { refuse(libc::EPERM) } else { kernel::symlinkat(target, place.0, place.1) }
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn symlink(target: *const c_char, path: *const c_char) -> c_int {
    link_by_name(target, here(path))
}

// SAFETY: the name is the C library's, and so are arguments, result and error.
#[unsafe(no_mangle)]
extern "C" fn symlinkat(target: *const c_char, folder: c_int, path: *const c_char) -> c_int {
    link_by_name(target, (folder, path))
}
