//! How many mails may be asked for.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// After which a count begins anew.
const WINDOW: Duration = Duration::from_secs(3600);
/// Keys that are counted.
const MAX_KEYS: usize = 10_000;

/// Counts by key within an hour.
#[derive(Debug)]
pub(super) struct Quota<K> {
    most: u32,
    counts: HashMap<K, (u32, Instant)>,
}

impl<K: Hash + Eq + Copy> Quota<K> {
    pub(super) fn new(most: u32) -> Self {
        Self { most, counts: HashMap::new() }
    }

    /// Counts one more, or says how long to wait.
    pub(super) fn take(&mut self, now: Instant, key: K) -> Result<(), Duration> {
        if self.counts.len() >= MAX_KEYS && !self.counts.contains_key(&key) {
            self.counts.retain(|_, (_, since)| now.duration_since(*since) < WINDOW);
            if self.counts.len() >= MAX_KEYS {
                // So many at once are nobody's own doing.
                return Err(WINDOW);
            }
        }
        let (count, since) = self.counts.entry(key).or_insert((0, now));
        if now.duration_since(*since) >= WINDOW {
            (*count, *since) = (0, now);
        }
        if *count >= self.most {
            return Err(WINDOW.saturating_sub(now.duration_since(*since)));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test: it needs some instant to begin with")]
    use super::*;

    #[test]
    fn a_few_an_hour_by_key() {
        let (mut quota, now) = (Quota::new(3), Instant::now());
        for _ in 0..3 {
            assert_eq!(quota.take(now, 1), Ok(()));
        }
        let later = now + Duration::from_secs(600);
        assert_eq!(quota.take(later, 1), Err(Duration::from_secs(3000)));
        assert_eq!(quota.take(later, 2), Ok(()));
        assert_eq!(quota.take(now + WINDOW, 1), Ok(()));
        for key in 0..20_000 {
            let _ = quota.take(later, key);
        }
        assert!(quota.counts.len() <= MAX_KEYS);
    }
}
