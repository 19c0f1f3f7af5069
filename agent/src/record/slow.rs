//! Whether the disk takes the recording as quickly as it is made: pure rules.

use std::time::{Duration, Instant};

/// How long it has to be quick again before it is called so.
const CALM: Duration = Duration::from_secs(10);

/// What is told of a disk that is too slow.
pub(super) const WORDS: &str =
    "the disk takes the recording more slowly than it is made; use a faster disk or lower the bitrate";

/// Tells a slow disk from a quick one by the age of what waits for it longest.
///
/// It is slow once that is older than the limit, and quick again once it was younger than half of it for ten seconds:
/// one that is just too slow is told of once.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Duration,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Quick,
    Slow {
        /// Since when it was quick again.
        calm_since: Option<Instant>,
    },
}

impl Pace {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, phase: Phase::Quick }
    }

    /// Takes the age of the oldest that waits, and says whether the disk is slow.
    pub(super) fn look(&mut self, now: Instant, oldest: Duration) -> bool {
        self.phase = match self.phase {
            Phase::Quick if oldest <= self.limit => Phase::Quick,
            Phase::Quick => Phase::Slow { calm_since: None },
            Phase::Slow { .. } if oldest >= self.limit / 2 => Phase::Slow { calm_since: None },
            Phase::Slow { calm_since } => {
                let since = calm_since.unwrap_or(now);
                if now.saturating_duration_since(since) >= CALM {
                    Phase::Quick
                } else {
                    Phase::Slow { calm_since: Some(since) }
                }
            }
        };
        self.phase != Phase::Quick
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test: it makes up its own time from one reading")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slow_disk_is_told_of_once_and_for_as_long_as_it_is_slow() {
        let (start, mut pace) = (Instant::now(), Pace::new(Duration::from_secs(2)));
        let mut look = |s: u64, ms: u64| pace.look(start + Duration::from_secs(s), Duration::from_millis(ms));
        for (second, age_ms, slow) in [
            (0, 0, false),
            (1, 2_000, false),
            (2, 2_001, true),
            (3, 500, true),
            (12, 500, true),
            // A second stall begins the calm anew.
            (12, 1_000, true),
            (13, 999, true),
            (22, 0, true),
            (23, 0, false),
            (24, 1_500, false),
        ] {
            assert_eq!(look(second, age_ms), slow, "at {second} s with {age_ms} ms");
        }
    }

    proptest! {
        #[test]
        fn it_is_never_told_twice_within_ten_seconds(ages in prop::collection::vec(0_u64..5_000, 1..200)) {
            let (start, mut pace) = (Instant::now(), Pace::new(Duration::from_secs(2)));
            let (mut before, mut last) = (false, None);
            for (n, age) in (0_u64..).zip(ages) {
                let slow = pace.look(start + Duration::from_millis(500 * n), Duration::from_millis(age));
                prop_assert!(slow || age <= 2_000, "one that is too slow is not told of");
                if slow && !before {
                    prop_assert!(last.is_none_or(|last| n - last > 20));
                    last = Some(n);
                }
                before = slow;
            }
        }
    }
}
