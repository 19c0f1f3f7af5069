//! What programs are told of the room on the disk.

use libc::{c_char, c_int};

use crate::kernel;
use crate::session::session;

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
