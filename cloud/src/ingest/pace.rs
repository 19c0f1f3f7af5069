//! How much the kernel collects before it wakes us: a wake-up for each packet is most of what taking a
//! stream in costs.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

nix::setsockopt_impl!(ReceiveLowWater, libc::SOL_SOCKET, libc::SO_RCVLOWAT, usize, sockopt::SetUsize);

/// What a stream may wait in the kernel.
const COLLECT: Duration = Duration::from_millis(40);
/// Below this a stream is too slow for collecting to save anything.
const LEAST_BYTES: u64 = 1024;
/// Half the room that is read into at least, so that a wake-up can empty the kernel's buffer.
const MOST_BYTES: u64 = 32 * 1024;
/// How often the rate is looked at, and how long a stream that stops in mid-frame waits at most.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The option of `SO_RCVLOWAT`, socket(7).
#[derive(Debug, Clone, Copy)]
struct ReceiveLowWater;

/// Follows a stream's rate.
#[derive(Debug)]
pub(super) struct Pace {
    bytes: u64,
    since: Instant,
    low_water: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: 0, since: now, low_water: 1 }
    }

    pub(super) fn received(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The low-water mark to set from now on, if it is to change.
    pub(super) fn look(&mut self, now: Instant) -> Option<u64> {
        let elapsed = now.saturating_duration_since(self.since);
        let per_collect = u128::from(self.bytes) * COLLECT.as_micros() / elapsed.as_micros().max(1);
        (self.bytes, self.since) = (0, now);
        let wanted = u64::try_from(per_collect).unwrap_or(u64::MAX).min(MOST_BYTES);
        // Powers of two: small changes of the rate are not worth a call.
        let wanted = if wanted < LEAST_BYTES { 1 } else { 1 << wanted.ilog2() };
        (std::mem::replace(&mut self.low_water, wanted) != wanted).then_some(wanted)
    }
}

/// Sets how many bytes make a socket readable; what waits there already is looked at anew.
pub(super) fn set_low_water(socket: &impl AsFd, bytes: u64) {
    // Without it we are woken more often, and that is all.
    if let Err(error) = setsockopt(socket, ReceiveLowWater, &(bytes as usize)) {
        tracing::debug!(%error, "cannot set SO_RCVLOWAT");
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn the_mark_follows_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut second = 0;
        let mut look = |bytes| {
            pace.received(bytes);
            second += 1;
            pace.look(start + Duration::from_secs(second))
        };
        // 3 Mbit/s: 15 kB in 40 ms.
        assert_eq!(look(375_000), Some(8192));
        assert_eq!(look(390_000), None);
        assert_eq!(look(16_000), Some(1));
        assert_eq!(look(0), None);
        assert_eq!(look(100_000_000), Some(32_768));
        assert_eq!(look(0), Some(1));
    }
}
