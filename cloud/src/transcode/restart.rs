//! How soon a broken worker is replaced, and with what.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(10);
/// A worker that worked for so long broke by chance.
const LONG: Duration = Duration::from_secs(2);
/// So many workers may break without having brought anything before what they were given is to blame.
const FRUITLESS: u32 = 2;

/// What to do about a worker that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replace {
    /// Wait for so long before.
    pub(super) pause: Duration,
    /// What is kept for it breaks workers.
    pub(super) forget: bool,
}

/// The history of a run's broken workers.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    /// Since the last one that worked for long.
    in_a_row: u32,
    /// Since the last one that brought anything.
    fruitless: u32,
}

impl Restarts {
    /// A worker broke after having worked for `lived`; `fruitful` says whether it brought anything new.
    pub(super) fn broke(&mut self, lived: Duration, fruitful: bool) -> Replace {
        self.fruitless = if fruitful { 0 } else { self.fruitless + 1 };
        if fruitful && lived >= LONG {
            self.in_a_row = 0;
            return Replace { pause: Duration::ZERO, forget: false };
        }
        let pause = FIRST.saturating_mul(1 << self.in_a_row.min(10)).min(MOST);
        self.in_a_row += 1;
        Replace { pause, forget: self.fruitless >= FRUITLESS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(replace: Replace) -> u128 {
        replace.pause.as_millis()
    }

    #[test]
    fn one_that_worked_is_replaced_at_once() {
        let mut restarts = Restarts::default();
        for _ in 0..3 {
            let replace = restarts.broke(Duration::from_secs(60), true);
            assert_eq!(replace, Replace { pause: Duration::ZERO, forget: false });
        }
    }

    #[test]
    fn ones_that_break_at_once_wait_longer_and_longer() {
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..8).map(|_| ms(restarts.broke(Duration::from_millis(10), true))).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        assert_eq!(ms(restarts.broke(Duration::from_secs(5), true)), 0);
        assert_eq!(ms(restarts.broke(Duration::ZERO, true)), 250);
    }

    #[test]
    fn what_breaks_two_workers_is_not_given_to_a_third() {
        let mut restarts = Restarts::default();
        assert!(!restarts.broke(Duration::from_secs(60), true).forget, "it broke on the bad frame");
        assert!(!restarts.broke(Duration::from_secs(1), false).forget, "so did the next");
        assert!(restarts.broke(Duration::from_secs(1), false).forget);
        assert!(!restarts.broke(Duration::from_secs(60), true).forget);
    }
}
