//! An answer's body on its way out: when it is through, the request is over and the log says so.

use super::Response;
use super::content::FileRange;
use super::sendfile::Files;
use crate::clock::Clock;
use crate::id::UserId;
use bytes::Bytes;
use http::{Method, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Answers that have something to send, or may have: nobody has asked them of late.
    held: AtomicUsize,
    /// Bytes of answers that are on their way within this process.
    owed: AtomicUsize,
    /// Bytes that were written so far.
    written: AtomicU64,
    /// How often nothing was left to be written.
    emptied: AtomicU64,
    /// Files whose stand-ins are on their way.
    files: Mutex<Files>,
}

/// What there is for a client to take, at some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outbound {
    waits: bool,
    written: u64,
    emptied: u64,
}

impl Outbound {
    /// Whether something has waited ever since, of which fewer than `least` bytes were taken.
    pub(super) fn is_stuck_since(&self, before: &Self, least: u64) -> bool {
        self.waits
            && before.waits
            && self.emptied == before.emptied
            && self.written.saturating_sub(before.written) < least
    }
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

    /// Notes that bytes were written: of an answer, or of what goes before it.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::AcqRel);
        let left = |owed: usize| Some(owed.saturating_sub(bytes));
        let before = self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, left);
        if before.is_ok_and(|owed| owed <= bytes) && self.held.load(Ordering::Acquire) == 0 {
            self.emptied.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn hold(&self) {
        self.held.fetch_add(1, Ordering::AcqRel);
    }

    fn let_go(&self) {
        if self.held.fetch_sub(1, Ordering::AcqRel) == 1 && self.owed.load(Ordering::Acquire) == 0 {
            self.emptied.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// What there is to be taken now.
    pub(super) fn outbound(&self) -> Outbound {
        let (held, owed) = (self.held.load(Ordering::Acquire), self.owed.load(Ordering::Acquire));
        Outbound {
            waits: held > 0 || owed > 0,
            written: self.written.load(Ordering::Acquire),
            emptied: self.emptied.load(Ordering::Acquire),
        }
    }

    /// The files that are to be sent.
    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What is still to be sent of an answer.
pub(super) enum Rest {
    Made(Inner),
    /// Of a file that the kernel sends.
    Kernel(FileRange),
    /// Of a file that is read.
    Read(FileRange),
}

impl Rest {
    /// How long it is, if that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Made(body) => body.size_hint(),
            Self::Kernel(range) | Self::Read(range) => SizeHint::with_exact(range.len()),
        }
    }

    fn poll_frame(
        &mut self,
        activity: &Activity,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let data = match self {
            Self::Made(body) => return Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Kernel(range) | Self::Read(range) if range.len() == 0 => return Poll::Ready(None),
            Self::Kernel(range) => activity.files().stand_in(range),
            Self::Read(range) => range.take()?,
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

/// Why an answer breaks off.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// An answer's body.
pub(super) struct Sent {
    body: Rest,
    line: Option<Box<Line>>,
    span: Span,
    busy: Busy,
    /// Whether it counts as one that has something to send.
    held: bool,
}

impl Sent {
    pub(super) fn new(body: Rest, line: Option<Box<Line>>, span: Span, busy: Busy) -> Self {
        busy.0.hold();
        Self { body, line, span, busy, held: true }
    }

    fn set_held(&mut self, held: bool) {
        match (self.held, held) {
            (false, true) => self.busy.0.hold(),
            (true, false) => self.busy.0.let_go(),
            _ => {}
        }
        self.held = held;
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        let polled = this.body.poll_frame(&this.busy.0, context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.busy.0.owed.fetch_add(bytes, Ordering::AcqRel);
                if let Some(line) = &mut self.line {
                    line.bytes += bytes as u64;
                }
                self.set_held(true);
            }
            // It waits itself, or is through.
            _ => self.set_held(false),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Rest::Made(body) => body.is_end_stream(),
            Rest::Kernel(range) | Rest::Read(range) => range.len() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.set_held(false);
        if let Some(line) = self.line.take() {
            self.span.in_scope(|| line.write());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_nothing_of_what_waits_is_stuck() {
        let activity = Activity::default();
        let stuck = |before: Outbound| activity.outbound().is_stuck_since(&before, 100);
        let idle = activity.outbound();
        activity.hold();
        assert!(!stuck(idle), "there was nothing to take before");
        let waits = activity.outbound();
        assert!(stuck(waits));
        activity.owed.fetch_add(1000, Ordering::AcqRel);
        activity.let_go();
        assert!(stuck(waits), "its bytes are still in this process");
        activity.wrote(99);
        assert!(stuck(waits));
        activity.wrote(1);
        assert!(!stuck(waits), "it takes what it must");
        let slow = activity.outbound();
        activity.wrote(900);
        activity.hold();
        assert!(!stuck(slow), "it had taken all for a moment");
    }
}
