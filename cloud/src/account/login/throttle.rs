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
    ///
    /// It counts as wrong until it is known to be right, so that many at once are no more than many in turn.
    pub(in crate::account) fn permit(&mut self, now: Instant, tried: Tried) -> Result<Permit, Duration> {
        let Tried { source, whose } = tried;
        match self.sources.wait(now, &source).max(self.whose.wait(now, &whose)) {
            Some(wait) => Err(wait),
            None => {
                self.sources.count(now, source);
                self.whose.count(now, whose);
                Ok(Permit { tried, began: now })
            }
        }
    }

    /// Takes a try back that says nothing: nobody looked whether it was right.
    pub(in crate::account) fn take_back(&mut self, permit: Permit) {
        self.sources.take_back(permit.began, &permit.tried.source);
        self.whose.take_back(permit.began, &permit.tried.whose);
    }

    /// Forgets what was wrong for whoever knew what is right; of what others tried from there, nothing.
    pub(in crate::account) fn succeeded(&mut self, permit: Permit) {
        self.sources.take_back(permit.began, &permit.tried.source);
        self.whose.known.remove(&permit.tried.whose);
    }
}

/// A try that may be made.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(in crate::account) struct Permit {
    tried: Tried,
    began: Instant,
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

    /// Counts one that was not wrong off again.
    fn take_back(&mut self, began: Instant, key: &K) {
        let free = self.free;
        let Some(failures) = self.known.get_mut(key) else { return };
        failures.count = failures.count.saturating_sub(1);
        // Of several at once each has its own wait.
        if failures.count < free || failures.last == began {
            failures.open_at = failures.last;
        }
        if failures.count == 0 {
            self.known.remove(key);
        }
    }

    fn count(&mut self, now: Instant, key: K) {
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
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = throttle.permit(now, here).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            assert!(throttle.permit(now, here).is_ok());
            assert!(throttle.permit(now, here).is_err(), "one at a time");
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(throttle.permit(now, from("10.0.0.2:1", 2)).is_ok());
        now += FORGET;
        for _ in 0..5 {
            assert!(throttle.permit(now, here).is_ok(), "forgotten");
        }
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
        }
        assert_eq!(longest, Duration::from_secs(60));
        // The user's own browser is counted by itself, and so is everybody else.
        assert!(throttle.permit(now, Tried { whose: [1; 32], ..bot(900) }).is_err());
        assert!(throttle.permit(now, Tried { whose: [2; 32], ..bot(900) }).is_ok());
    }

    #[test]
    fn what_is_right_clears_its_user_and_only_itself_from_its_source() {
        let mut throttle = Throttle::of_passwords();
        let (now, own, other) = (Instant::now(), from("10.0.0.1:1", 1), from("10.0.0.1:1", 2));
        for _ in 0..4 {
            assert!(throttle.permit(now, other).is_ok());
        }
        let right = throttle.permit(now, own).unwrap();
        throttle.succeeded(right);
        assert!(!throttle.whose.known.contains_key(&own.whose));
        // A login of one's own buys no guesses at others.
        assert!(throttle.permit(now, other).is_ok());
        assert!(throttle.permit(now, other).is_err());
        // Nor does one that had to wait, and it costs no more than it found.
        let later = now + Duration::from_secs(1);
        let right = throttle.permit(later, own).unwrap();
        throttle.succeeded(right);
        assert!(throttle.permit(later, other).is_ok());
        assert_eq!(throttle.permit(later, other).unwrap_err(), Duration::from_secs(2));
    }

    #[test]
    fn many_at_once_are_no_more_than_many_in_turn() {
        let mut throttle = Throttle::of_passwords();
        let (now, here) = (Instant::now(), from("10.0.0.1:1", 1));
        let permits: Vec<_> = (0..20).filter_map(|_| throttle.permit(now, here).ok()).collect();
        assert_eq!(permits.len(), 5);
        // What nobody looked at, and what was right, leaves nothing behind.
        for permit in permits {
            throttle.take_back(permit);
        }
        assert!(throttle.sources.known.is_empty() && throttle.whose.known.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_the_quietest_give_way() {
        let mut waits = Waits::new(1, Duration::from_secs(60));
        let now = Instant::now();
        for number in 0..MAX_KEYS as u32 + 100 {
            waits.count(now + Duration::from_millis(u64::from(number) / 100), number);
        }
        assert_eq!(waits.known.len(), MAX_KEYS);
        assert!(waits.known.contains_key(&(MAX_KEYS as u32 + 99)));
        assert!(!waits.known.contains_key(&0) || !waits.known.contains_key(&50));
    }
}
