//! The socket's file: nobody but this user gets in, and what a crash left behind is cleared away.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::PanelError;

/// Panels that wait to be accepted.
const BACKLOG: i32 = 8;
/// Longest path of a Unix socket (unix(7): 108 bytes with the closing zero).
const LONGEST_PATH: usize = 107;

/// A listening socket, whose file goes when it does.
#[derive(Debug)]
pub(super) struct PanelSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// The file's own number: another agent's file at the same path is not ours to remove.
    inode: u64,
}

impl PanelSocket {
    pub(super) fn open(path: &Path) -> Result<Self, PanelError> {
        let unusable = |reason| PanelError::Unusable { path: path.to_owned(), reason };
        let failed = |source| PanelError::Open { path: path.to_owned(), source };
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(unusable("is longer than 107 bytes, the most that a Unix socket can have"));
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(unusable("is there and is no socket; remove it or choose another path"));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(unusable("belongs to another agent that is running; stop it first"));
            }
            Ok(_) => fs::remove_file(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = listen(path).map_err(failed)?;
        let inode = inode(path).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }
}

/// Between `bind` and `listen` nobody can connect, so the rights are right from the first client on.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

fn inode(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|file| std::os::unix::fs::MetadataExt::ino(&file))
}

impl Drop for PanelSocket {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            let _gone = fs::remove_file(&self.path);
        }
    }
}
