//! When to ask an authority.

use crate::clock::Timestamp;
use crate::tls::Pair;
use std::time::Duration;

/// Between tries, in minutes: authorities count failures by the hour.
const PAUSES_MIN: [u64; 5] = [10, 30, 60, 180, 360];

/// Whether a new certificate is to be asked for: in the last third of what the old one holds.
pub(super) fn is_due(kept: Option<&Pair>, now: Timestamp) -> bool {
    kept.is_none_or(|pair| is_in_last_third(pair.begins, pair.ends, now))
}

fn is_in_last_third(begins: Timestamp, ends: Timestamp, now: Timestamp) -> bool {
    now.unix_ms() >= ends.unix_ms() - (ends.unix_ms() - begins.unix_ms()) / 3
}

/// How long to wait after so many failures before this one.
pub(super) fn pause(failures: usize) -> Duration {
    Duration::from_secs(PAUSES_MIN[failures.min(PAUSES_MIN.len() - 1)] * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_third_is_time_enough_for_long_and_short_ones() {
        let day = |days: i64| Timestamp::from_unix_ms(days * 24 * 3600 * 1000);
        assert!(is_due(None, day(0)));
        assert!(!is_in_last_third(day(0), day(90), day(59)) && is_in_last_third(day(0), day(90), day(60)));
        assert!(!is_in_last_third(day(0), day(6), day(3)) && is_in_last_third(day(0), day(6), day(4)));
    }

    #[test]
    fn pauses_grow_and_have_an_end() {
        assert_eq!(pause(0), Duration::from_secs(600));
        assert!((0..10).all(|failures| pause(failures) <= pause(failures + 1)));
        assert_eq!(pause(usize::MAX), Duration::from_secs(6 * 3600));
    }
}
