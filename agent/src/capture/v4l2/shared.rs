//! What the device's thread and the beat share: the newest picture, and what is told of the port.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;

use super::super::Mend;
use super::watch::State;
use crate::clock::monotonic_ns;

/// What the device's thread tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// It is not there, in words.
    Absent(String),
    Port {
        state: State,
        /// There is sound in the cable.
        has_audio: bool,
        /// What keeps it from working, in words.
        trouble: Option<String>,
    },
}

/// Pictures as they come from the device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Incoming {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fps: f32,
}

#[derive(Debug)]
pub(super) struct Seen {
    pub(super) told: Told,
    picture: Option<gst::Buffer>,
    /// When the newest came.
    picture_ms: Option<u64>,
    pub(super) incoming: Option<Incoming>,
    wanted: Option<Mend>,
    is_stopped: bool,
    has_ended: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    /// How often the device's thread has come round.
    turns: AtomicU64,
}

impl Shared {
    pub(super) fn new() -> Self {
        let seen = Seen {
            told: Told::Port { state: State::NotLocked, has_audio: false, trouble: None },
            picture: None,
            picture_ms: None,
            incoming: None,
            wanted: None,
            is_stopped: false,
            has_ended: false,
        };
        Self { seen: Mutex::new(seen), changed: Condvar::new(), turns: AtomicU64::new(0) }
    }

    /// The device's thread has come round: no call hangs.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Held for moments only, by either side.
    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, told: Told) {
        let mut seen = self.lock();
        if seen.told != told {
            seen.told = told;
            self.changed.notify_all();
        }
    }

    pub(super) fn put_picture(&self, picture: gst::Buffer) {
        let mut seen = self.lock();
        seen.picture = Some(picture);
        seen.picture_ms = Some(now_ms());
        self.changed.notify_all();
    }

    pub(super) fn set_incoming(&self, incoming: Incoming) {
        self.lock().incoming = Some(incoming);
    }

    /// The newest picture, once.
    pub(super) fn take_picture(&self) -> Option<gst::Buffer> {
        self.lock().picture.take()
    }

    pub(super) fn picture_ms(&self) -> Option<u64> {
        self.lock().picture_ms
    }

    /// Capture has stopped: what is left of it is not shown.
    pub(super) fn forget_pictures(&self) {
        let mut seen = self.lock();
        (seen.picture, seen.incoming) = (None, None);
    }

    pub(super) fn ask(&self, how: Mend) {
        self.lock().wanted = Some(how);
        self.changed.notify_all();
    }

    pub(super) fn take_wanted(&self) -> Option<Mend> {
        self.lock().wanted.take()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Waits, or until it is to stop.
    pub(super) fn rest(&self, at_most: Duration) {
        let seen = self.lock();
        drop(self.changed.wait_timeout_while(seen, at_most, |seen| !seen.is_stopped));
    }

    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// Has the device's thread end, and waits for it as long as that is worth it.
    pub(super) fn stop(&self, at_most: Duration) {
        let mut seen = self.lock();
        seen.is_stopped = true;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(seen, at_most, |seen| !seen.has_ended));
    }
}

#[cfg(test)]
impl Shared {
    pub(super) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// Waits for what is told, with a generous limit; takes the newest picture along.
    pub(super) fn wait_for(&self, what: &str, is_so: impl Fn(&Told, bool) -> bool) -> Option<gst::Buffer> {
        let limit = Duration::from_secs(60);
        let (mut seen, waited) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |seen| !is_so(&seen.told, seen.picture.is_some()))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{what} does not come: {:?}", seen.told);
        seen.picture.take()
    }
}

/// Milliseconds that only go on.
pub(super) fn now_ms() -> u64 {
    u64::try_from(monotonic_ns() / 1_000_000).unwrap_or(0)
}
