//! How fast a request's body must come: what trickles is cut, and what is large may take its time.

use std::time::{Duration, Instant};

/// What is asked of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyLimits {
    /// Bytes at most.
    pub(crate) bytes: u64,
    /// What it may take beyond its size.
    pub(crate) wait: Duration,
    /// Bytes a second at least, after that.
    pub(crate) bytes_per_s: u64,
}

impl BodyLimits {
    /// Until when the next piece of a body must have come, of which `came` bytes are there.
    ///
    /// A whole body of this size can thus take no longer, however it is cut into pieces; and what came quickly at
    /// first, of which the `last` piece came then, may not stand still for longer than a body without a byte.
    pub(super) fn deadline(&self, began: Instant, last: Instant, came: u64) -> Instant {
        let whole = Duration::from_millis(came.saturating_mul(1000) / self.bytes_per_s.max(1));
        (began + whole).min(last) + self.wait
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test: it needs some instant to begin with")]
    use super::*;

    #[test]
    fn what_trickles_is_cut_and_what_is_large_may_take_longer() {
        let limits = BodyLimits { bytes: 1 << 20, wait: Duration::from_secs(10), bytes_per_s: 1024 };
        let began = Instant::now();
        let cut = |bytes_per_s: u64| {
            (1..2_000_000).find_map(|came| {
                let now = began + Duration::from_millis(came * 1000 / bytes_per_s);
                (now > limits.deadline(began, now, came - 1)).then_some(now - began)
            })
        };
        // One byte a second is cut after ten of them.
        assert_eq!(cut(1).unwrap().as_secs(), 11);
        assert!(cut(900).unwrap() > Duration::from_secs(60));
        assert_eq!(cut(1024), None);
        let later = began + Duration::from_secs(2000);
        assert_eq!(limits.deadline(began, later, 1 << 20) - began, Duration::from_secs(10 + 1024));
        // A megabyte at once buys no quarter of an hour.
        assert_eq!(limits.deadline(began, began, 1 << 20) - began, Duration::from_secs(10));
    }
}
