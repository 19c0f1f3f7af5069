//! What the environment asks for, the log, and which open file is which.

use std::env;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{c_char, c_int};
use stagebox_powercut::{Op, Record};

use crate::{kernel, space};

/// File descriptors that are looked after.
const MOST_FILES: usize = 65_536;
/// The log lies above what programs close by number.
const LOG_FD: usize = 700;
const SYNC_US: u64 = 500;

/// Which open file of the log a descriptor is; 0 for one that lies elsewhere.
static FILES: [AtomicU64; MOST_FILES] = [const { AtomicU64::new(0) }; MOST_FILES];
static NEXT: AtomicU64 = AtomicU64::new(1);
static SESSION: OnceLock<Option<Session>> = OnceLock::new();

pub(crate) struct Session {
    root: String,
    log: Option<Mutex<c_int>>,
    said: bool,
    pub(crate) sync_us: u64,
    full: Option<CString>,
    free: Option<PathBuf>,
    holds: Option<PathBuf>,
    /// Who asks what is left has it before anybody else asks.
    asked: Mutex<()>,
    /// The full disk has taken a part of a write already.
    filled: AtomicBool,
}

/// How much of a write there is room for.
pub(crate) enum Room {
    All,
    /// So many bytes.
    Part(usize),
    None,
}

/// The log, nobody else's meanwhile.
pub(crate) struct Turn<'a> {
    log: Option<MutexGuard<'a, c_int>>,
    _asked: Option<MutexGuard<'a, ()>>,
}

/// What the environment asks for, if it does.
pub(crate) fn session() -> Option<&'static Session> {
    SESSION.get_or_init(Session::from_environment).as_ref()
}

/// A number that no other open file and no other sync has, of any process.
pub(crate) fn fresh_number() -> u64 {
    u64::from(std::process::id()) << 32 | NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn file(fd: c_int) -> Option<u64> {
    let place = FILES.get(usize::try_from(fd).ok()?)?;
    Some(place.load(Ordering::Acquire)).filter(|file| *file != 0)
}

pub(crate) fn set_file(fd: c_int, file: Option<u64>) {
    if let Some(place) = usize::try_from(fd).ok().and_then(|fd| FILES.get(fd)) {
        place.store(file.unwrap_or(0), Ordering::Release);
    }
}

fn text(name: &str) -> Option<CString> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    CString::new(value.into_vec()).ok()
}

impl Session {
    fn from_environment() -> Option<Self> {
        let root = text("POWERCUT_ROOT")?.into_string().ok()?;
        let log = text("POWERCUT_LOG").map(|path| Mutex::new(open_log(&path)));
        let sync_us = env::var("POWERCUT_SYNC_US").ok().and_then(|us| us.parse().ok());
        Some(Self {
            root: root.trim_end_matches('/').to_owned(),
            log,
            said: env::var_os("POWERCUT_SAID").is_some_and(|value| value == "1"),
            sync_us: sync_us.unwrap_or(SYNC_US),
            full: text("POWERCUT_FULL"),
            free: env::var_os("POWERCUT_FREE").map(PathBuf::from),
            holds: env::var_os("POWERCUT_HOLDS").map(PathBuf::from),
            asked: Mutex::new(()),
            filled: AtomicBool::new(false),
        })
    }

    /// Whether what goes to the standard output is part of the log.
    pub(crate) fn hears(&self) -> bool {
        self.said && self.log.is_some()
    }

    /// Waits until no other thread and no other process is between an operation and its record.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let log = self.log.as_ref().map(|log| log.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(fd) = log.as_deref() {
            kernel::flock(*fd, libc::LOCK_EX);
        }
        let asked = self.holds.as_ref().map(|_| self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        Turn { log, _asked: asked }
    }

    pub(crate) fn is_full(&self) -> bool {
        let full = self.full.as_deref().is_some_and(|path| kernel::exists(libc::AT_FDCWD, path.as_ptr()));
        if !full {
            self.filled.store(false, Ordering::Relaxed);
        }
        full
    }

    /// Whether there is no room for so many bytes more, or with none for another name.
    pub(crate) fn lacks(&self, bytes: Option<u64>) -> bool {
        bytes != Some(0)
            && (self.is_full() || self.left().is_some_and(|left| left < bytes.unwrap_or(space::BLOCK)))
    }

    /// What the folder can take yet, where that is counted.
    fn left(&self) -> Option<u64> {
        let kib = number(self.holds.as_deref()?)?;
        Some((kib * 1024).saturating_sub(space::used(Path::new(&self.root))))
    }

    /// The bytes that are said to be free; none if it is what the real disk says.
    pub(crate) fn free(&self) -> Option<u64> {
        if self.is_full() {
            return Some(0);
        }
        self.left().or_else(|| Some(number(self.free.as_deref()?)? * 1024 * 1024))
    }

    /// How much of a write fits, which makes its file `grow` by so many bytes: on a full disk the first one is cut
    /// short, as on a real one.
    pub(crate) fn room(&self, length: usize, grow: impl FnOnce() -> u64) -> Room {
        if length == 0 {
            return Room::All;
        }
        if self.is_full() {
            let first = length > 1 && !self.filled.swap(true, Ordering::Relaxed);
            return if first { Room::Part(length / 2) } else { Room::None };
        }
        let Some(left) = self.left() else { return Room::All };
        let lacking = usize::try_from(grow().saturating_sub(left)).unwrap_or(usize::MAX);
        match length.saturating_sub(lacking) {
            0 => Room::None,
            part if part == length => Room::All,
            part => Room::Part(part),
        }
    }

    /// The path below the root, if it lies there; the root itself is the empty path.
    pub(crate) fn below(&self, folder: c_int, path: *const c_char) -> Option<String> {
        if path.is_null() {
            return None;
        }
        // SAFETY: whoever calls a function of the C library with a path answers for it ending with a zero.
        let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
        let whole = if path.starts_with('/') {
            path.to_owned()
        } else {
            let base = if folder == libc::AT_FDCWD {
                c"/proc/self/cwd".to_owned()
            } else {
                CString::new(format!("/proc/self/fd/{folder}")).ok()?
            };
            format!("{}/{path}", String::from_utf8(kernel::readlink(&base)?).ok()?)
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in whole.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let whole = format!("/{}", parts.join("/"));
        let rest = whole.strip_prefix(&self.root)?;
        if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('/').map(str::to_owned) }
    }
}

/// The number in a file, while it is there.
fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A program that works on without being written down would make the test worthless: it ends.
fn give_up(words: &str) -> ! {
    kernel::write(2, words.as_ptr().cast(), words.len());
    std::process::abort();
}

fn open_log(path: &CStr) -> c_int {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
    let low = kernel::openat(libc::AT_FDCWD, path.as_ptr(), flags, 0o644);
    let fd = kernel::fcntl(low, libc::F_DUPFD_CLOEXEC, LOG_FD);
    if fd < 0 {
        give_up("powercut: POWERCUT_LOG cannot be opened\n");
    }
    kernel::close(low);
    fd
}

impl Turn<'_> {
    pub(crate) fn record(&self, op: Op) {
        let Some(fd) = self.log.as_deref() else { return };
        let bytes = Record { at_ns: kernel::now_ns(), op }.encode();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let wrote = kernel::write(*fd, rest.as_ptr().cast(), rest.len());
            match usize::try_from(wrote) {
                Ok(wrote) if wrote > 0 => rest = &rest[wrote..],
                _ => give_up("powercut: POWERCUT_LOG cannot be written\n"),
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(fd) = self.log.as_deref() {
            kernel::flock(*fd, libc::LOCK_UN);
        }
    }
}
