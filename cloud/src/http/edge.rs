//! The bytes of a connection: refusals that the HTTP library makes by itself become problems, and reach the client.
//!
//! The library refuses what it cannot parse before any service sees it, with an empty body. Such an answer is the only
//! one without a request's id, and comes while no request is under way: a problem is written in its place. Whoever still
//! sends while they are refused would have their own answer reset: what they send is read for a moment and dropped.
#![allow(clippy::disallowed_methods, reason = "a driver: it listens to a refused client for a moment only")]

use super::problem::ApiError;
use super::sendfile::Carrier;
use super::sent::Activity;
use bytes::{Buf, Bytes};
use http::StatusCode;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a client that was refused is listened to.
const LINGER: Duration = Duration::from_secs(1);
/// How much of what it sends is read.
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// A connection's stream.
pub(super) struct Edge<S> {
    stream: S,
    activity: Arc<Activity>,
    /// What is still to be written in another's place.
    instead: Bytes,
    refused: bool,
    lingers: Option<Linger>,
}

struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Carrier + Unpin> Edge<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, instead: Bytes::new(), refused: false, lingers: None }
    }

    fn write_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a bare refusal and begins to write a problem.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        let problem = if self.refused || !self.activity.is_idle() { None } else { instead_of(bytes) };
        let Some(problem) = problem else { return false };
        (self.instead, self.refused) = (problem, true);
        true
    }

    /// Reads what a refused client still sends, for a moment.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let linger = self
            .lingers
            .get_or_insert_with(|| Linger { until: Box::pin(tokio::time::sleep(LINGER)), bytes: 0 });
        let mut space = [0; 8192];
        while linger.bytes < LINGER_BYTES {
            if linger.until.as_mut().poll(context).is_ready() {
                break;
            }
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => linger.bytes += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

/// A bare refusal is shorter.
const BARE_BYTES: usize = 512;

/// The problem that says what a bare refusal does not.
fn instead_of(bytes: &[u8]) -> Option<Bytes> {
    // Nearly all that is written is something else, and long: it is not looked through.
    if bytes.len() > BARE_BYTES {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    if !head.ends_with("\r\n\r\n") || head.contains("x-request-id") || !head.contains("content-length: 0\r\n")
    {
        return None;
    }
    let problem = match status {
        "400" => ApiError::bad_request("this is no request of HTTP/1.1"),
        "414" => uri_too_long(),
        "431" => headers_too_large(),
        _ => return None,
    };
    Some(super::connection::refusal(&problem).into())
}

/// Longest path and query.
pub(super) const MAX_URI: usize = 8 * 1024;
/// Largest request header, names and values together.
pub(super) const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Most header fields, which is the HTTP/1.1 library's own limit too.
pub(super) const MAX_HEADERS: usize = 100;

fn uri_too_long() -> ApiError {
    let words = format!("the path and query may have {MAX_URI} bytes at most");
    ApiError::new(StatusCode::URI_TOO_LONG, "uri-too-long", words)
}

fn headers_too_large() -> ApiError {
    let words =
        format!("a request may have {MAX_HEADERS} header fields of {MAX_HEADER_BYTES} bytes together");
    ApiError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", words)
}

/// Refuses what is larger than any sensible request's head.
pub(super) fn check_head<B>(request: &http::Request<B>) -> Result<(), ApiError> {
    if request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > MAX_URI) {
        return Err(uri_too_long());
    }
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES { Err(headers_too_large()) } else { Ok(()) }
}

impl<S: AsyncRead + AsyncWrite + Carrier + Unpin> AsyncRead for Edge<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Carrier + Unpin> AsyncWrite for Edge<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_instead(context))?;
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next())
            && self.replaces(only)
        {
            // What is not written at once goes with the flush that follows.
            let _ = self.write_instead(context)?;
            return Poll::Ready(Ok(only.len()));
        }
        let written = match self.stream.plain() {
            Some(stream) => ready!(self.activity.files().poll_write(stream, context, slices))?,
            None => ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?,
        };
        self.activity.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(context))?;
        if self.lingers.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        if self.refused || self.activity.is_cut() {
            ready!(self.linger(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const BARE: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";

    async fn written(activity: &Arc<Activity>, bytes: &str) -> String {
        let (near, mut far) = tokio::io::duplex(64);
        let mut edge = Edge::new(near, Arc::clone(activity));
        let read = tokio::spawn(async move {
            let mut text = String::new();
            far.read_to_string(&mut text).await.unwrap();
            text
        });
        edge.write_all(bytes.as_bytes()).await.unwrap();
        edge.flush().await.unwrap();
        drop(edge);
        read.await.unwrap()
    }

    #[tokio::test]
    async fn a_bare_refusal_becomes_a_problem_and_nothing_else_does() {
        let activity = Arc::new(Activity::default());
        let problem = written(&activity, BARE).await;
        let (head, body) = problem.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 ") && head.contains("application/problem+json"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["status"], 431);
        let own = BARE.replace("content-length: 0", "x-request-id: 1\r\ncontent-length: 0");
        assert_eq!(written(&activity, &own).await, own);
        let other = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(written(&activity, other).await, other);
        // Within an answer it is what somebody has stored.
        let _busy = activity.begin();
        assert_eq!(written(&activity, BARE).await, BARE);
    }
}
