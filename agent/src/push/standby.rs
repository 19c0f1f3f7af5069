//! When a backup that stands by pushes: while main does not, and until main has done so for a while. Pure.
//!
//! ```text
//!          main sends nothing for GRACE
//!   stands by ──────────────────────────▶ pushes
//!       ▲                                   │
//!       └── main has sent for back_after ───┘
//! ```

use std::time::{Duration, Instant};

/// Main may take so long to connect, and to come back, before the backup stands in.
const GRACE: Duration = Duration::from_secs(2);

/// A main that fails sooner than this after it was taken has not been there.
const STEADY: Duration = Duration::from_secs(5);

/// A backup that pushes only where it has to.
#[derive(Debug)]
pub struct Standby {
    back_after: Duration,
    is_live: bool,
    main_sends: bool,
    /// Since when main has been sending, or has not.
    since: Instant,
    /// Since when main has not been sending for long enough to count.
    away_since: Instant,
    pushes: bool,
}

impl Standby {
    #[must_use]
    pub fn new(now: Instant, back_after: Duration) -> Self {
        Self { back_after, is_live: false, main_sends: false, since: now, away_since: now, pushes: false }
    }

    /// Takes what is; whether the backup is to push.
    pub fn look(&mut self, now: Instant, is_live: bool, main_sends: bool) -> bool {
        let lasted = now.saturating_duration_since(self.since);
        if (is_live, main_sends) != (self.is_live, self.main_sends) {
            // One that comes and goes again and again is away all the time.
            if is_live != self.is_live || (self.main_sends && lasted >= STEADY) {
                self.away_since = now;
            }
            (self.is_live, self.main_sends, self.since) = (is_live, main_sends, now);
        }
        let lasted = now.saturating_duration_since(self.since);
        self.pushes = match (is_live, main_sends, self.pushes) {
            (false, ..) => false,
            (true, false, false) => now.saturating_duration_since(self.away_since) >= GRACE,
            (true, true, true) => lasted < self.back_after.max(STEADY),
            (true, _, pushes) => pushes,
        };
        self.pushes
    }

    /// When [`Standby::look`] may find something else, if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match (self.is_live, self.main_sends, self.pushes) {
            (true, false, false) => Some(self.away_since + GRACE),
            (true, true, true) => Some(self.since + self.back_after.max(STEADY)),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_stands_in_for_main_and_no_longer_than_it_has_to() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut standby = Standby::new(start, Duration::from_secs(30));
        assert!(!standby.look(at(0), false, false));
        // Main takes a moment to connect.
        assert!(!standby.look(at(1_000), true, false));
        assert_eq!(standby.next_deadline(), Some(at(3_000)));
        assert!(!standby.look(at(1_300), true, true));
        assert_eq!(standby.next_deadline(), None);
        // A short trouble is none of its business, a longer one is.
        assert!(!standby.look(at(60_000), true, false));
        assert!(!standby.look(at(61_900), true, true));
        assert!(!standby.look(at(70_000), true, false));
        assert!(standby.look(at(72_000), true, false));
        // Main has to stay for a while.
        assert!(standby.look(at(80_000), true, true));
        assert_eq!(standby.next_deadline(), Some(at(110_000)));
        assert!(standby.look(at(100_000), true, false));
        assert!(standby.look(at(101_000), true, true));
        assert!(standby.look(at(130_999), true, true));
        assert!(!standby.look(at(131_000), true, true));
        // Stop stops both.
        assert!(!standby.look(at(200_000), true, false));
        assert!(standby.look(at(202_000), true, false));
        assert!(!standby.look(at(202_001), false, false));
    }

    #[test]
    fn a_main_that_is_taken_and_dropped_again_and_again_is_not_there() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut standby = Standby::new(start, Duration::from_secs(30));
        standby.look(at(0), true, false);
        let mut pushed = None;
        for ms in (0..20_000).step_by(100) {
            // Taken for a second, and tried again after one.
            let main_sends = ms / 1_000 % 2 == 1;
            if standby.look(at(ms), true, main_sends) {
                pushed.get_or_insert(ms);
            }
        }
        assert_eq!(pushed, Some(2_000));
        assert!(standby.look(at(20_000), true, true), "and it stays until main does");
    }

    proptest! {
        /// Looked at whenever something changes and at its deadlines, there are never more than two seconds in which
        /// neither pushes.
        #[test]
        fn one_of_both_pushes(steps in prop::collection::vec((any::<bool>(), 1_u64..50_000), 1..60)) {
            let start = Instant::now();
            let mut standby = Standby::new(start, Duration::from_secs(30));
            let mut now = start;
            for (main_sends, ms) in steps {
                let end = now + Duration::from_millis(ms);
                let mut alone_since = (!standby.look(now, true, main_sends) && !main_sends).then_some(now);
                while let Some(at) = standby.next_deadline().filter(|at| *at <= end) {
                    now = at;
                    if standby.look(now, true, main_sends) || main_sends {
                        let alone = alone_since.take().map_or(Duration::ZERO, |since| now - since);
                        prop_assert!(alone <= GRACE);
                    }
                }
                prop_assert!(alone_since.is_none_or(|since| end - since < GRACE));
                now = end;
            }
        }
    }
}
