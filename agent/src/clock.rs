//! The clocks of a box: monotonic time for order and timestamps, wall time for people.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
pub(crate) use stagebox_push::sleep_until;

/// Reads the time; cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    boot_id: Arc<str>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    #[must_use]
    pub fn new() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { boot_id: boot_id.trim().into() }
    }

    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// CLOCK_MONOTONIC in nanoseconds: the same for every process on the machine.
    #[must_use]
    pub fn monotonic_ns(&self) -> i64 {
        monotonic_ns()
    }

    /// CLOCK_MONOTONIC in milliseconds.
    #[must_use]
    pub fn mono_ms(&self) -> u64 {
        (self.monotonic_ns() / 1_000_000).unsigned_abs()
    }

    /// Wall time in milliseconds since 1970; not to be relied on before [`Clock::synced`].
    #[must_use]
    pub fn unix_ms(&self) -> i64 {
        unix_ms()
    }

    /// Names this boot of the machine: monotonic times compare only within one.
    #[must_use]
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Whether a time service has set the wall clock since boot.
    #[must_use]
    pub fn synced(&self) -> bool {
        const MARKS: [&str; 2] = ["/run/systemd/timesync/synchronized", "/run/chrony/synchronized"];
        MARKS.iter().any(|mark| Path::new(mark).exists())
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn monotonic_ns() -> i64 {
    // CLOCK_MONOTONIC is always there on Linux.
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| i64::try_from(Duration::from(time).as_nanos()).unwrap_or(i64::MAX))
}

/// Wall time in milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
