//! The key file: a key a line, for its owner only; replaced as a whole, so that no moment leaves it without one.
//!
//! A key that was made to take over has `new` behind it: until the store knows it, it is free to be taken.

use super::SecretError;
use super::key::KEY_LEN;
use crate::id::random_bytes;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};
use stagebox_durable::make_folder;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// Longest file that is read: some dozen keys.
const MAX: u64 = 4096;

/// What stands behind a key that was made to take over.
const NEW: &str = "new";

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) key: [u8; KEY_LEN],
    /// Made to take over.
    pub(super) is_new: bool,
}

impl Line {
    fn read(text: &str) -> Option<Self> {
        let (key, word) = text.split_once(' ').map_or((text, None), |(key, word)| (key, Some(word.trim())));
        let key = hex::decode(key).ok().and_then(|key| key.try_into().ok())?;
        word.is_none_or(|word| word == NEW).then_some(Self { key, is_new: word.is_some() })
    }
}

fn wrong(path: &Path, detail: impl Display) -> SecretError {
    SecretError::KeyFile { path: path.to_owned(), detail: format!("{detail}") }
}

/// Reads the keys; none if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Line>>, SecretError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(path, error)),
    };
    let mode = file.metadata().map_err(|error| wrong(path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(wrong(path, format!("others can read it (mode {:o}): chmod 600 it", mode & 0o777)));
    }
    let mut text = String::new();
    file.take(MAX).read_to_string(&mut text).map_err(|error| wrong(path, error))?;
    if text.trim().is_empty() {
        return Err(SecretError::Empty(path.to_owned()));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys = lines.map(Line::read).collect::<Option<Vec<_>>>();
    keys.map(Some).ok_or_else(|| wrong(path, "it must hold 64 hexadecimal digits, or that in each line"))
}

/// Makes the file: whenever the power goes, it is there whole or not at all.
pub(super) fn create(path: &Path, key: &[u8; KEY_LEN]) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(folder) = folder {
        make_folder(folder)?;
    }
    write_beside(path, &[Line { key: *key, is_new: false }], name_anew)
}

/// Replaces the keys by what `change` makes of them; other processes that use the same file wait meanwhile.
pub(super) fn change(path: &Path, change: impl FnOnce(&mut Vec<Line>)) -> Result<(), SecretError> {
    // A link stays, and leads to the new file.
    let path = &path.canonicalize().map_err(|error| wrong(path, error))?;
    let _alone = lock(path).map_err(|error| wrong(path, error))?;
    let before = read(path)?.ok_or_else(|| SecretError::Missing(path.clone()))?;
    let mut keys = before.clone();
    change(&mut keys);
    if keys == before {
        return Ok(());
    }
    let owner = std::fs::metadata(path).map_err(|error| wrong(path, error))?;
    let replaced = write_beside(path, &keys, |beside, path| {
        let made = File::open(beside)?;
        let own = made.metadata()?;
        if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
            fchown(&made, Some(owner.uid()), Some(owner.gid()))?;
        }
        std::fs::rename(beside, path)
    });
    replaced.map_err(|error| wrong(path, error))
}

fn lock(path: &Path) -> io::Result<Flock<File>> {
    let folder = File::open(folder(path))?;
    Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_beside(
    path: &Path,
    lines: &[Line],
    name: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    // A name of its own: another process may just do the same.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", hex::encode(random_bytes::<4>())));
    let beside = PathBuf::from(beside);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let named = written.and_then(|mut file| {
        for line in lines {
            let word = if line.is_new { " new" } else { "" };
            writeln!(file, "{}{word}", hex::encode(line.key))?;
        }
        file.sync_all()?;
        name(&beside, path)
    });
    if named.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    named?;
    File::open(folder(path))?.sync_all()
}

/// Gives a file a name that nothing has; what has it stays.
fn name_anew(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // A file system that cannot be asked for that.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => std::fs::rename(from, to),
        named => Ok(named?),
    }
}
