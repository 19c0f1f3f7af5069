//! An answer's body on its way out: when it is through, the request is over and the log says so.

use super::Response;
use crate::clock::Clock;
use crate::id::UserId;
use bytes::Bytes;
use http::{Method, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use tracing::Span;

/// What a connection does just now.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests that are not answered to the end.
    running: AtomicUsize,
    /// Requests so far.
    begun: AtomicU64,
    /// An answer was given before all of its request was read.
    cut: AtomicBool,
}

impl Activity {
    /// A request begins; it ends when this is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }

    /// Goes up with each request.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// Notes that more of a request comes in than anybody reads.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// Whether more of a request comes in than anybody reads.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What the log says of a request, at the level `debug`: never what its query or headers hold.
#[derive(Debug)]
pub(super) struct Line {
    method: Method,
    path: String,
    began: Instant,
    clock: Clock,
    status: StatusCode,
    user: Option<UserId>,
    bytes: u64,
}

impl Line {
    /// Begins one, if anybody wants it.
    pub(super) fn begin(method: &Method, path: &str, clock: &Clock) -> Option<Box<Self>> {
        tracing::enabled!(target: "stagebox_cloud::access", tracing::Level::DEBUG).then(|| {
            Box::new(Self {
                method: method.clone(),
                path: path.to_owned(),
                began: clock.instant(),
                clock: clock.clone(),
                status: StatusCode::OK,
                user: None,
                bytes: 0,
            })
        })
    }

    /// Notes what came of it.
    pub(super) fn answered(&mut self, status: StatusCode, user: Option<UserId>) {
        (self.status, self.user) = (status, user);
    }

    fn write(&self) {
        let ms = self.clock.instant().saturating_duration_since(self.began).as_secs_f64() * 1000.0;
        tracing::debug!(
            target: "stagebox_cloud::access",
            method = %self.method,
            path = self.path,
            status = self.status.as_u16(),
            ms,
            bytes = self.bytes,
            user = self.user.map(tracing::field::display),
            "answered"
        );
    }
}

pub(super) trait Carries {
    type Body;
}

impl<B> Carries for http::Response<B> {
    type Body = B;
}

/// What slices answer with.
pub(super) type Inner = <Response as Carries>::Body;

/// An answer's body.
pub(super) struct Sent {
    body: Inner,
    line: Option<Box<Line>>,
    span: Span,
    _busy: Busy,
}

impl Sent {
    pub(super) fn new(body: Inner, line: Option<Box<Line>>, span: Span, busy: Busy) -> Self {
        Self { body, line, span, _busy: busy }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = warp::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, warp::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let (Some(line), Poll::Ready(Some(Ok(frame)))) = (&mut self.line, &polled) {
            line.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            self.span.in_scope(|| line.write());
        }
    }
}
