//! How long to wait before a connection is tried again.

use std::time::Duration;
use tokio::time::Instant;

/// The first wait.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that grow from try to try.
#[derive(Debug)]
pub(super) struct Backoff {
    wait: Duration,
    until: Instant,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { wait: FIRST, until: Instant::now() }
    }
}

impl Backoff {
    /// When to try again after a failure.
    pub(super) fn next(&mut self) -> Instant {
        self.until = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(LONGEST);
        self.until
    }

    /// The time that was given last.
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}
