//! What an answer carries: bytes in memory, or a stretch of a file that need not come into memory at all.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::Response;

/// Bytes that are read at a time where the kernel does not send a file by itself.
const READ_BYTES: u64 = 64 * 1024;

/// A body that is all there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Memory(Bytes),
    File(FileRange),
}

impl Content {
    /// How many bytes it is.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(data) => data.len() as u64,
            Self::File(range) => range.len(),
        }
    }

    /// So many bytes of it, from `from` on; `None` if it has not so many.
    pub(crate) fn slice(&self, from: u64, len: u64) -> Option<Self> {
        let to = from.checked_add(len).filter(|to| *to <= self.len())?;
        Some(match self {
            Self::Memory(data) => Self::Memory(data.slice(from as usize..to as usize)),
            Self::File(range) => {
                Self::File(FileRange { from: range.from + from, to: range.from + to, ..range.clone() })
            }
        })
    }

    /// Its bytes, read from the file where it is one.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> io::Result<Bytes> {
        match self {
            Self::Memory(data) => Ok(data.clone()),
            Self::File(range) => range.read(range.len()),
        }
    }

    /// An answer with it.
    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Memory(data) => Response::new(data.into()),
            Self::File(range) => {
                let mut response = Response::default();
                // The connection knows how it is sent best.
                response.extensions_mut().insert(range);
                response
            }
        }
    }
}

impl From<Bytes> for Content {
    fn from(data: Bytes) -> Self {
        Self::Memory(data)
    }
}

/// What a socket has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) bytes: usize,
    /// It takes no more before it says that it has room.
    pub(super) is_full: bool,
}

/// A stretch of a file that is as long for as long as anybody sends it.
#[derive(Debug, Clone)]
pub(crate) struct FileRange {
    file: Arc<File>,
    from: u64,
    to: u64,
}

impl PartialEq for FileRange {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && (self.from, self.to) == (other.from, other.to)
    }
}

impl Eq for FileRange {}

impl FileRange {
    /// The first `len` bytes of a file that nobody changes any more.
    pub(crate) fn new(file: Arc<File>, len: u64) -> Self {
        Self { file, from: 0, to: len }
    }

    pub(super) fn len(&self) -> u64 {
        self.to - self.from
    }

    /// Takes off its first bytes, `len` or as many as it has.
    pub(super) fn split(&mut self, len: u64) -> Self {
        let (from, to) = (self.from, self.from + len.min(self.len()));
        self.from = to;
        Self { from, to, ..self.clone() }
    }

    /// Reads its first bytes, `len` or as many as it has.
    pub(super) fn read(&self, len: u64) -> io::Result<Bytes> {
        let mut data = vec![0; len.min(self.len()) as usize];
        self.file.read_exact_at(&mut data, self.from)?;
        Ok(data.into())
    }

    /// Takes off as many bytes as are read at a time.
    pub(super) fn take(&mut self) -> io::Result<Bytes> {
        self.split(READ_BYTES).read(READ_BYTES)
    }

    /// Has the kernel send its first bytes, `most` at most (sendfile(2)), and takes off those that it took.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] while the socket takes nothing; the file is shorter than it was.
    pub(super) fn send(&mut self, stream: &TcpStream, most: u64) -> io::Result<Taken> {
        let most = most.min(self.len());
        let mut offset = i64::try_from(self.from).map_err(io::Error::other)?;
        let mut by_kernel = true;
        let sent = match sendfile64(stream.as_fd(), self.file.as_fd(), Some(&mut offset), most as usize) {
            // No file of which the kernel has pages.
            Err(Errno::EINVAL | Errno::ENOSYS) => {
                by_kernel = false;
                SockRef::from(stream).send(&self.read(most.min(READ_BYTES))?)?
            }
            sent => sent?,
        };
        if sent == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file is shorter than it was"));
        }
        self.from += sent as u64;
        // The kernel stops before it has all where the socket is full, or where the file ends.
        let is_full = by_kernel && (sent as u64) < most && self.file.metadata()?.len() > self.from;
        Ok(Taken { bytes: sent, is_full })
    }
}

/// The same answer with its bytes in memory, for connections that know nothing else.
pub(crate) fn in_memory(mut response: Response) -> io::Result<Response> {
    if let Some(range) = response.extensions_mut().remove::<FileRange>() {
        *response.body_mut() = range.read(range.len())?.into();
    }
    Ok(response)
}
