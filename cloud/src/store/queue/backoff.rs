//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// Doubles from `first` up to `most`, with half of it left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first attempt.
    pub first: Duration,
    /// No wait is longer.
    pub most: Duration,
}

impl Backoff {
    /// The wait after attempt `attempt`, from 1 up; chance keeps those that failed together from coming back together.
    pub fn wait(self, attempt: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
        let half_ms = (doubled.min(self.most).as_millis() / 2) as u64;
        Duration::from_millis(half_ms + random % (half_ms + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(2), most: Duration::from_secs(300) };

    #[test]
    fn it_doubles_and_stays_below_its_cap() {
        let longest = |attempt| BACKOFF.wait(attempt, 0).as_secs();
        let shortest: Vec<_> = [1, 2, 3, 8, 9, 40].map(longest).to_vec();
        assert_eq!(shortest, [1, 2, 4, 128, 150, 150]);
        assert_eq!(BACKOFF.wait(0, 0), BACKOFF.wait(1, 0));
    }

    proptest! {
        #[test]
        fn chance_never_leaves_the_upper_half(attempt: u32, random: u64) {
            let full = BACKOFF.wait(attempt, 0) * 2;
            let wait = BACKOFF.wait(attempt, random);
            prop_assert!(wait >= full / 2 && wait <= full && full <= BACKOFF.most);
        }
    }
}
