//! How much a broadcast may send: pure.

use std::time::{Duration, Instant};

use super::LiveError;

/// Over how long a bit rate is reckoned: encoders even theirs out over some seconds.
const OVER: Duration = Duration::from_secs(10);

/// What a broadcast has sent of late, and what it may.
#[derive(Debug)]
pub(super) struct Allowance {
    most_kbps: u64,
    since: Instant,
    bytes: u64,
}

impl Allowance {
    pub(super) fn new(most_kbps: u64, now: Instant) -> Self {
        Self { most_kbps, since: now, bytes: 0 }
    }

    /// Takes in what was sent.
    ///
    /// # Errors
    /// The last ten seconds had more than is allowed.
    pub(super) fn spend(&mut self, now: Instant, bytes: usize) -> Result<(), LiveError> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < OVER {
            return Ok(());
        }
        // Bits in a millisecond are kilobits in a second.
        let kbps = u128::from(self.bytes) * 8 / elapsed.as_millis().max(1);
        let kbps = u64::try_from(kbps).unwrap_or(u64::MAX);
        (self.since, self.bytes) = (now, 0);
        if kbps > self.most_kbps {
            Err(LiveError::TooFast { kbps, most_kbps: self.most_kbps })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;

    /// Whether so many bytes every 100 ms are taken for half a minute.
    fn is_taken(bytes: impl Fn(u64) -> usize) -> bool {
        let began = Instant::now();
        let mut allowance = Allowance::new(1_000, began);
        (1..=300).all(|step| allowance.spend(began + Duration::from_millis(step * 100), bytes(step)).is_ok())
    }

    #[test]
    fn what_counts_is_the_average() {
        assert!(is_taken(|_| 12_500), "just what is allowed");
        assert!(!is_taken(|_| 12_700));
        assert!(is_taken(|step| if step % 20 == 0 { 240_000 } else { 0 }), "large key frames");
    }
}
