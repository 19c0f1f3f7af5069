//! Whether the media process works with a configuration: it has to deliver for a while, and may fail a few times. Pure.

use std::time::{Duration, Instant};

/// The media process may fail so often with a configuration that is new before that is given up.
pub(super) const TRIES: u32 = 3;
/// It works once it has delivered for so long: a process that hangs after its first pictures is found out before.
pub(super) const WORKS_AFTER: Duration = Duration::from_secs(10);

/// How a configuration does so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trial {
    /// Restarts in all at which it is given up; counted from the first failure that is heard of.
    until: Option<u32>,
    delivers: Option<Delivers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Delivers {
    since: Instant,
    /// Of which process: one that took the place of another begins anew.
    restarts: u32,
}

impl Trial {
    /// A process delivers; it may be said again and again.
    pub(super) fn delivers(&mut self, now: Instant, restarts: u32) {
        if self.delivers.is_none_or(|known| known.restarts != restarts) {
            self.delivers = Some(Delivers { since: now, restarts });
        }
    }

    /// A process has begun and does not deliver yet.
    pub(super) fn starts(&mut self) {
        self.delivers = None;
    }

    /// It failed, so many times in all; whether once too often.
    pub(super) fn fails(&mut self, restarts: u32) -> bool {
        self.delivers = None;
        restarts >= *self.until.get_or_insert(restarts.saturating_add(TRIES - 1))
    }

    /// When it will have worked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.delivers.map(|delivers| delivers.since + WORKS_AFTER)
    }

    /// It has failed, and there is no picture now.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.until.is_some() && self.delivers.is_none()
    }
}
