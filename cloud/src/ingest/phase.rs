//! How far a connection is, how long it may stay there, and how fast it may send.

use std::time::{Duration, Instant};

use super::IngestLimits;

/// Where a connection stands.
///
/// `Handshake → Request → Publishing`, and back to `Request` when the client ends its stream in order. Each
/// phase ends the connection at its deadline; publishing alone moves it, with every byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Handshake { until: Instant },
    Request { until: Instant },
    Publishing { until: Instant },
}

impl Phase {
    pub(super) fn start(now: Instant, limits: &IngestLimits) -> Self {
        Self::Handshake { until: now + limits.handshake }
    }

    pub(super) fn shaken(&mut self, now: Instant, limits: &IngestLimits) {
        if matches!(self, Self::Handshake { .. }) {
            *self = Self::Request { until: now + limits.request };
        }
    }

    pub(super) fn publishing(&mut self, now: Instant, limits: &IngestLimits) {
        *self = Self::Publishing { until: now + limits.idle };
    }

    pub(super) fn unpublished(&mut self, now: Instant, limits: &IngestLimits) {
        *self = Self::Request { until: now + limits.request };
    }

    pub(super) fn heard(&mut self, now: Instant, limits: &IngestLimits) {
        if let Self::Publishing { until } = self {
            *until = now + limits.idle;
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let (Self::Handshake { until } | Self::Request { until } | Self::Publishing { until }) = self;
        *until
    }

    /// What the deadline stands for, in words.
    pub(super) fn missed(&self) -> &'static str {
        match self {
            Self::Handshake { .. } => "no handshake in time",
            Self::Request { .. } => "no publish in time",
            Self::Publishing { .. } => "nothing came from the encoder for too long",
        }
    }
}

/// Lets a second's worth of bytes through at once and then no more than come in by the rate.
#[derive(Debug)]
pub(super) struct Throttle {
    bytes_per_s: u64,
    spent: u64,
    since: Instant,
}

impl Throttle {
    pub(super) fn new(now: Instant, bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1), spent: 0, since: now }
    }

    /// Counts bytes; how long to wait before reading on, if at all.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= Duration::from_millis(100) {
            let regained = u128::from(self.bytes_per_s) * elapsed.as_micros() / 1_000_000;
            self.spent = self.spent.saturating_sub(u64::try_from(regained).unwrap_or(u64::MAX));
            self.since = now;
        }
        self.spent = self.spent.saturating_add(bytes as u64);
        let over = self.spent.saturating_sub(self.bytes_per_s);
        (over > 0).then(|| Duration::from_micros(over.saturating_mul(1_000_000) / self.bytes_per_s + 1000))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn only_a_publisher_extends_its_time() {
        let (limits, start) = (IngestLimits::default(), Instant::now());
        let mut phase = Phase::start(start, &limits);
        phase.heard(start + Duration::from_secs(4), &limits);
        assert_eq!(phase.deadline(), start + limits.handshake);
        phase.shaken(start, &limits);
        phase.heard(start + Duration::from_secs(4), &limits);
        assert_eq!(phase.deadline(), start + limits.request);
        phase.publishing(start, &limits);
        phase.heard(start + Duration::from_secs(4), &limits);
        assert_eq!(phase.deadline(), start + Duration::from_secs(4) + limits.idle);
        phase.shaken(start, &limits);
        assert!(matches!(phase, Phase::Publishing { .. }));
    }

    #[test]
    fn the_throttle_holds_the_rate() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start, 1_000_000);
        assert_eq!(throttle.spend(900_000, start), None);
        let wait = throttle.spend(600_000, start).unwrap();
        assert!(wait >= Duration::from_millis(500), "{wait:?}");
        // Three seconds with waiting as told: no more than the burst and three seconds' worth.
        let (mut now, mut sent) = (start + wait, 1_500_000_u64);
        while now < start + Duration::from_secs(3) {
            sent += 50_000;
            now += throttle.spend(50_000, now).unwrap_or(Duration::from_micros(10));
        }
        assert!((3_500_000..=4_100_000).contains(&sent), "{sent}");
    }
}
