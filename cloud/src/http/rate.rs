//! How many requests somebody may make: token buckets, without a clock.
//!
//! A bucket is kept as one number, the time at which it will be full again (the generic cell rate algorithm). One that
//! is full need not be kept at all, so that only those who ask a lot take memory.

use serde::Deserialize;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Buckets of one kind that are kept at most, in two halves of different age.
const MOST: usize = 100_000;
const SECOND: u64 = 1_000_000_000;

/// A bucket's size and how it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests that are added each second; 0 means no limit.
    pub per_s: u32,
    /// Requests that may come at once.
    pub burst: u32,
}

impl Rate {
    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fits = self.per_s == 0 || ((1..=1_000_000).contains(&self.per_s) && self.burst >= 1);
        let sane = self.burst <= 10_000_000;
        if fits && sane {
            Ok(())
        } else {
            Err("`per_s` can be 0 (no limit) to 1000000, `burst` at least 1".to_owned())
        }
    }

    /// Seconds in which an empty bucket fills.
    pub(super) fn window_s(&self) -> u64 {
        u64::from(self.burst).div_ceil(u64::from(self.per_s.max(1)))
    }

    fn interval(&self) -> u64 {
        SECOND / u64::from(self.per_s.max(1))
    }
}

/// What is in a bucket after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Requests that may still come at once.
    pub(super) requests: u64,
    /// Seconds until it is full again.
    pub(super) full_in_s: u64,
}

/// Buckets of one kind, by whose they are.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    /// When each will be full again, in nanoseconds; those that were asked for of late.
    young: HashMap<K, u64>,
    /// Those before them: dropped when `young` takes their place.
    old: HashMap<K, u64>,
    most: usize,
}

impl<K: Eq + Hash + Copy> Buckets<K> {
    /// All full.
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, young: HashMap::new(), old: HashMap::new(), most: MOST }
    }

    /// Takes one request out at `now`, counted from any one moment; `None` where nothing limits it.
    ///
    /// # Errors
    /// The bucket is empty: how long to wait for the next one.
    pub(super) fn take(&mut self, whose: K, now: Duration) -> Result<Option<Left>, Duration> {
        if self.rate.per_s == 0 {
            return Ok(None);
        }
        let now = now.as_nanos() as u64;
        let interval = self.rate.interval();
        let most = interval * u64::from(self.rate.burst);
        let known = self.young.get(&whose).or_else(|| self.old.get(&whose)).copied();
        let full_at = known.unwrap_or(0).max(now) + interval;
        let ahead = full_at - now;
        if ahead > most {
            return Err(Duration::from_nanos(ahead - most));
        }
        if self.young.len() >= self.most / 2 && !self.young.contains_key(&whose) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(whose, full_at);
        Ok(Some(Left { requests: (most - ahead) / interval, full_in_s: ahead.div_ceil(SECOND) }))
    }

    /// How many are kept.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { per_s: 10, burst: 20 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_empties_a_bucket_and_time_fills_it() {
        let mut buckets = Buckets::new(RATE);
        for left in (0..20).rev() {
            assert_eq!(buckets.take(1, ms(0)).unwrap().unwrap().requests, left);
        }
        assert_eq!(buckets.take(1, ms(0)), Err(ms(100)));
        assert_eq!(buckets.take(1, ms(60)), Err(ms(40)), "what is refused takes nothing out");
        assert!(buckets.take(2, ms(60)).is_ok(), "another one's is full");
        assert_eq!(buckets.take(1, ms(100)).unwrap().unwrap(), Left { requests: 0, full_in_s: 2 });
        assert!(buckets.take(1, ms(100)).is_err());
        assert_eq!(buckets.take(1, ms(60_000)).unwrap().unwrap(), Left { requests: 19, full_in_s: 1 });
        assert_eq!(RATE.window_s(), 2);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut buckets = Buckets::new(Rate { per_s: 0, burst: 0 });
        for _ in 0..1000 {
            assert_eq!(buckets.take(1, ms(0)), Ok(None));
        }
        assert_eq!(buckets.len(), 0);
    }

    #[test]
    fn memory_is_bounded_and_who_asks_on_is_not_forgotten() {
        let mut buckets = Buckets { most: 100, ..Buckets::new(RATE) };
        for number in 0..10_000u32 {
            // Its own bucket is empty after 20 requests at one time, whoever else comes.
            let own = buckets.take(u32::MAX, ms(0));
            assert_eq!(own.is_ok(), number < 20, "{number}");
            if number < 20 {
                buckets.take(number, ms(0)).unwrap();
            }
            assert!(buckets.len() <= 100);
        }
        for number in 0..10_000 {
            buckets.take(number, ms(1)).unwrap();
            assert!(buckets.len() <= 100);
        }
    }

    proptest! {
        /// Over any span no more comes through than the burst and what was added meanwhile.
        #[test]
        fn never_more_than_promised(steps in proptest::collection::vec(0u64..400, 1..300)) {
            let mut buckets = Buckets::new(RATE);
            let (mut now, mut taken) = (0, 0u64);
            for step in steps {
                now += step;
                match buckets.take(0, ms(now)) {
                    Ok(_) => taken += 1,
                    // Whoever waits as long as was said gets in.
                    Err(wait) => {
                        let mut later = Buckets { young: buckets.young.clone(), ..Buckets::new(RATE) };
                        prop_assert!(later.take(0, ms(now) + wait).is_ok());
                    }
                }
                prop_assert!(taken <= 20 + now / 100);
            }
        }
    }
}
