//! Files that the kernel sends by itself, through an HTTP library that knows of bytes only.
//!
//! The body of such an answer gives the library as many stand-in bytes as the file has, and notes the file for its
//! connection. Where the stand-ins come to be written, the file is sent in their place: they are told from others by
//! where they lie. So nothing of the file comes into this process.

use std::collections::VecDeque;
use std::io;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use nix::libc;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::content::{FileRange, Taken};

/// Stand-ins at a time, at most.
const MOST: usize = 4 * 1024 * 1024;

/// Addresses that nothing else has; no memory is behind them, as nobody reads or writes there.
static STAND_INS: LazyLock<Bytes> = LazyLock::new(|| vec![0; MOST].into());

fn is_stand_in(slice: &[u8]) -> bool {
    !slice.is_empty() && STAND_INS.as_ptr_range().contains(&slice.as_ptr())
}

/// A stream that may be a plain connection of TCP.
pub(super) trait Carrier {
    /// The connection that what is written leaves by as it is, if there is one.
    fn plain(&self) -> Option<&TcpStream>;
}

impl Carrier for TcpStream {
    fn plain(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Carrier for TlsStream<TcpStream> {
    fn plain(&self) -> Option<&TcpStream> {
        None
    }
}

#[cfg(test)]
impl Carrier for tokio::io::DuplexStream {
    fn plain(&self) -> Option<&TcpStream> {
        None
    }
}

/// Files that a connection's stand-ins are for, in the order in which both were given.
#[derive(Debug, Default)]
pub(super) struct Files(VecDeque<FileRange>);

impl Files {
    /// Takes the next bytes off a file; gives what stands for them.
    pub(super) fn stand_in(&mut self, range: &mut FileRange) -> Bytes {
        let next = range.split(MOST as u64);
        let bytes = STAND_INS.slice(..next.len() as usize);
        self.0.push_back(next);
        bytes
    }

    /// Writes on a connection what the slices begin with: bytes as they are, or of a file.
    pub(super) fn poll_write(
        &mut self,
        stream: &TcpStream,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let own = slices.iter().take_while(|slice| !is_stand_in(slice)).count();
        let (own, others) = slices.split_at(own);
        let has_own = own.iter().any(|slice| !slice.is_empty());
        if has_own || others.is_empty() {
            // What goes before a file leaves in the same packet.
            let flags = if others.is_empty() { 0 } else { libc::MSG_MORE };
            return poll(stream, context, || {
                let bytes = SockRef::from(stream).send_vectored_with_flags(own, flags)?;
                Ok(Taken { bytes, is_full: false })
            });
        }
        let most: usize = others.iter().take_while(|slice| is_stand_in(slice)).map(|slice| slice.len()).sum();
        let Some(file) = self.0.front_mut() else {
            return Poll::Ready(Err(io::Error::other("there is no file for what stands in for one")));
        };
        let sent = ready!(poll(stream, context, || file.send(stream, most as u64)))?;
        if file.len() == 0 {
            self.0.pop_front();
        }
        Poll::Ready(Ok(sent))
    }
}

/// Writes as soon as the socket takes anything.
///
/// A full one is not asked again before it says that it has room, which saves every second call to the kernel.
fn poll(
    stream: &TcpStream,
    context: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<Taken>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        let mut written = None;
        let tried = stream.try_io(Interest::WRITABLE, || {
            let taken = write()?;
            written = Some(taken.bytes);
            // What the runtime hears of a full socket.
            if taken.is_full { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (written, tried) {
            (Some(bytes), _) => return Poll::Ready(Ok(bytes)),
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                return Poll::Ready(Err(error));
            }
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::edge::Edge;
    use super::super::sent::Activity;
    use super::*;
    use crate::http::FileRange;
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// More than any socket takes at once, and than there are stand-ins.
    const LEN: usize = 3 * MOST + 12_345;

    fn file() -> (Arc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..LEN).map(|at| (at * 7 + at / 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (Arc::new(file), bytes)
    }

    /// What a client reads that another one writes: `head`, then files, each with `between` after it.
    async fn carried(
        files: Vec<FileRange>,
        head: &'static [u8],
        between: &'static [u8],
    ) -> io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut far = TcpStream::connect(listener.local_addr()?).await?;
        let (near, _) = listener.accept().await?;
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.map(|_| all)
        });
        let activity = Arc::new(Activity::default());
        let mut edge = Edge::new(near, Arc::clone(&activity));
        let mut chunks = vec![Bytes::from_static(head)];
        for mut file in files {
            while file.len() > 0 {
                chunks.push(activity.files().stand_in(&mut file));
            }
            chunks.push(Bytes::from_static(between));
        }
        // As the HTTP library does: slices of all that waits, and again of what is left.
        while let Some(first) = chunks.first() {
            if first.is_empty() {
                chunks.remove(0);
                continue;
            }
            let slices: Vec<io::IoSlice<'_>> = chunks.iter().map(|chunk| io::IoSlice::new(chunk)).collect();
            let mut written = edge.write_vectored(&slices).await?;
            for chunk in &mut chunks {
                let taken = written.min(chunk.len());
                drop(chunk.split_to(taken));
                written -= taken;
            }
        }
        drop(edge);
        reading.await.map_err(io::Error::other)?
    }

    #[tokio::test]
    async fn files_arrive_whole_and_in_their_places() {
        let (file, bytes) = file();
        let whole = FileRange::new(Arc::clone(&file), LEN as u64);
        let mut rest = whole.clone();
        let first = rest.split(777);
        let got = carried(vec![first, whole, rest], b"head", b"|").await.unwrap();
        let expected = [b"head", &bytes[..777], b"|", &bytes[..], b"|", &bytes[777..], b"|"].concat();
        assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
    }

    #[tokio::test]
    async fn a_file_that_was_cut_breaks_the_answer_off() {
        let (file, bytes) = file();
        let mut range = FileRange::new(Arc::clone(&file), LEN as u64);
        file.set_len(100_000).unwrap();
        let cut = carried(vec![range.clone()], b"head", b"").await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(range.take().unwrap(), bytes[..64 * 1024]);
        assert_eq!(range.take().unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "nothing is made up");
    }
}
