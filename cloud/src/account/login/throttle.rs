//! Wrong passwords and codes make the next try wait: by where they come from, and by whose they would be.
//!
//! Whoever knows a user's address can make that user's next login from a new browser wait, a minute at most. A browser
//! that has logged in as the user before ([`super::browser`]) is counted by itself, and tokens are not counted at all.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// After this much quiet all is forgotten.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// What is remembered of each kind.
const MAX_KEYS: usize = 10_000;
/// How long a try that is under way keeps others of the same key waiting.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// Whom a try is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::account) struct Tried {
    /// Where it comes from.
    pub(in crate::account) source: IpAddr,
    /// The e-mail address that it is for, whether somebody has it or not, or the browser that is known to that user.
    pub(in crate::account) whose: [u8; 32],
}

/// Counts what is wrong, of one kind of secret.
#[derive(Debug)]
pub(in crate::account) struct Throttle {
    sources: Waits<IpAddr>,
    whose: Waits<[u8; 32]>,
}

impl Throttle {
    /// For passwords.
    pub(in crate::account) fn of_passwords() -> Self {
        let minute = Duration::from_secs(60);
        Self { sources: Waits::new(5, minute), whose: Waits::new(10, minute) }
    }

    /// For codes: they are short, and whoever tries one knows the password.
    pub(in crate::account) fn of_codes() -> Self {
        Self {
            sources: Waits::new(5, Duration::from_secs(60)),
            whose: Waits::new(5, Duration::from_secs(300)),
        }
    }

    /// Whether a try may be made now, or how long to wait.
    pub(in crate::account) fn permit(&mut self, now: Instant, tried: Tried) -> Result<(), Duration> {
        let Tried { source, whose } = tried;
        match self.sources.wait(now, &source).max(self.whose.wait(now, &whose)) {
            Some(wait) => Err(wait),
            None => {
                self.sources.begin(now, &source);
                self.whose.begin(now, &whose);
                Ok(())
            }
        }
    }

    /// Notes that it was wrong.
    pub(in crate::account) fn failed(&mut self, now: Instant, tried: Tried) {
        self.sources.failed(now, tried.source);
        self.whose.failed(now, tried.whose);
    }

    /// Forgets those that knew what was right.
    pub(in crate::account) fn succeeded(&mut self, tried: Tried) {
        self.sources.known.remove(&tried.source);
        self.whose.known.remove(&tried.whose);
    }
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    open_at: Instant,
}

#[derive(Debug)]
struct Waits<K> {
    known: HashMap<K, Failures>,
    /// What may be wrong before it costs anything.
    free: u32,
    /// The longest wait.
    most: Duration,
}

impl<K: Hash + Eq + Copy> Waits<K> {
    fn new(free: u32, most: Duration) -> Self {
        Self { known: HashMap::new(), free, most }
    }

    fn wait(&self, now: Instant, key: &K) -> Option<Duration> {
        self.known
            .get(key)
            .map(|failures| failures.open_at.saturating_duration_since(now))
            .filter(|w| !w.is_zero())
    }

    /// Once waits have begun one try is made at a time.
    fn begin(&mut self, now: Instant, key: &K) {
        let free = self.free;
        if let Some(failures) = self.known.get_mut(key).filter(|failures| failures.count >= free) {
            failures.open_at = now + UNDER_WAY;
        }
    }

    fn failed(&mut self, now: Instant, key: K) {
        let Self { known, free, most } = self;
        if known.len() >= MAX_KEYS && !known.contains_key(&key) {
            known.retain(|_, failures| now.duration_since(failures.last) < FORGET);
            // Whoever has so many addresses pushes out what has been quiet for the longest.
            if known.len() >= MAX_KEYS
                && let Some(quiet) =
                    known.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| *key)
            {
                known.remove(&quiet);
            }
        }
        let failures = known.entry(key).or_insert(Failures { count: 0, last: now, open_at: now });
        if now.duration_since(failures.last) >= FORGET {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(beyond) = failures.count.checked_sub(*free) {
            failures.open_at = now + Duration::from_secs(1u64 << beyond.min(16)).min(*most);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test: it needs some instant to begin with")]
    use super::*;
    use crate::http::source;

    fn from(address: &str, whose: u8) -> Tried {
        Tried { source: source(address.parse().ok()), whose: [whose; 32] }
    }

    #[test]
    fn waits_grow_up_to_a_minute_and_are_forgotten() {
        let mut throttle = Throttle::of_passwords();
        let mut now = Instant::now();
        let here = from("10.0.0.1:1", 1);
        for _ in 0..5 {
            assert!(throttle.permit(now, here).is_ok());
            throttle.failed(now, here);
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = throttle.permit(now, here).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            assert!(throttle.permit(now, here).is_ok());
            assert!(throttle.permit(now, here).is_err(), "one at a time");
            throttle.failed(now, here);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(throttle.permit(now, from("10.0.0.2:1", 2)).is_ok());
        now += FORGET;
        throttle.failed(now, here);
        assert!(throttle.permit(now, here).is_ok());
    }

    #[test]
    fn many_addresses_together_make_one_user_wait_but_not_for_long() {
        let mut throttle = Throttle::of_passwords();
        let mut now = Instant::now();
        let bot = |number: u32| Tried { source: IpAddr::V4(number.into()), whose: [1; 32] };
        let mut longest = Duration::ZERO;
        for number in 0..200 {
            if let Err(wait) = throttle.permit(now, bot(number)) {
                longest = longest.max(wait);
                now += wait;
                assert!(throttle.permit(now, bot(number)).is_ok());
            }
            throttle.failed(now, bot(number));
        }
        assert_eq!(longest, Duration::from_secs(60));
        // The user's own browser is counted by itself, and so is everybody else.
        assert!(throttle.permit(now, Tried { whose: [1; 32], ..bot(900) }).is_err());
        assert!(throttle.permit(now, Tried { whose: [2; 32], ..bot(900) }).is_ok());
    }

    #[test]
    fn what_is_right_clears_its_source_and_its_user() {
        let mut throttle = Throttle::of_passwords();
        let (now, here) = (Instant::now(), from("10.0.0.1:1", 1));
        for _ in 0..=10 {
            throttle.failed(now, here);
        }
        assert!(throttle.permit(now, here).is_err());
        throttle.succeeded(here);
        assert!(throttle.permit(now, here).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_the_quietest_give_way() {
        let mut waits = Waits::new(1, Duration::from_secs(60));
        let now = Instant::now();
        for number in 0..MAX_KEYS as u32 + 100 {
            waits.failed(now + Duration::from_millis(u64::from(number) / 100), number);
        }
        assert_eq!(waits.known.len(), MAX_KEYS);
        assert!(waits.known.contains_key(&(MAX_KEYS as u32 + 99)));
        assert!(!waits.known.contains_key(&0) || !waits.known.contains_key(&50));
    }
}
