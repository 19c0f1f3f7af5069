//! Wrong passwords make the next try wait, by where they come from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Wrong passwords that cost nothing.
const FREE: u32 = 5;
/// The longest wait.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// After this much quiet all is forgotten.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// Sources that are remembered.
const MAX_SOURCES: usize = 10_000;

/// Where tries come from: an IPv4 address, or the /64 of an IPv6 address, since a client has all of it.
pub(in crate::account) fn source(peer: Option<SocketAddr>) -> IpAddr {
    match peer.map(|peer| peer.ip().to_canonical()) {
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V4(address)) => IpAddr::V4(address),
        Some(IpAddr::V6(address)) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    open_at: Instant,
}

/// Counts wrong passwords by source.
#[derive(Debug, Default)]
pub(in crate::account) struct Throttle {
    sources: HashMap<IpAddr, Failures>,
}

impl Throttle {
    /// Whether a try may be made now, or how long to wait.
    pub(in crate::account) fn permit(&mut self, now: Instant, source: IpAddr) -> Result<(), Duration> {
        match self.sources.get(&source) {
            Some(failures) if failures.open_at > now => Err(failures.open_at - now),
            _ => Ok(()),
        }
    }

    /// Notes a wrong password.
    pub(in crate::account) fn failed(&mut self, now: Instant, source: IpAddr) {
        if self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, failures| now.duration_since(failures.last) < FORGET);
            if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
                // Whoever has so many addresses is not slowed by this; the bound on parallel checks remains.
                return;
            }
        }
        let failures = self.sources.entry(source).or_insert(Failures { count: 0, last: now, open_at: now });
        if now.duration_since(failures.last) >= FORGET {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(beyond) = failures.count.checked_sub(FREE) {
            let wait = Duration::from_secs(1u64 << beyond.min(6));
            failures.open_at = now + wait.min(MAX_WAIT);
        }
    }

    /// Forgets a source that knew a right password.
    pub(in crate::account) fn succeeded(&mut self, source: IpAddr) {
        self.sources.remove(&source);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test: it needs some instant to begin with")]
    use super::*;

    #[test]
    fn waits_grow_up_to_a_minute_and_are_forgotten() {
        let mut throttle = Throttle::default();
        let mut now = Instant::now();
        let here = source("10.0.0.1:1".parse().ok());
        for _ in 0..FREE {
            assert!(throttle.permit(now, here).is_ok());
            throttle.failed(now, here);
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = throttle.permit(now, here).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            assert!(throttle.permit(now, here).is_ok());
            throttle.failed(now, here);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(throttle.permit(now, source("10.0.0.2:1".parse().ok())).is_ok());
        now += FORGET;
        throttle.failed(now, here);
        assert!(throttle.permit(now, here).is_ok());
    }

    #[test]
    fn a_right_password_clears_its_source() {
        let mut throttle = Throttle::default();
        let (now, here) = (Instant::now(), source(None));
        for _ in 0..=FREE {
            throttle.failed(now, here);
        }
        assert!(throttle.permit(now, here).is_err());
        throttle.succeeded(here);
        assert!(throttle.permit(now, here).is_ok());
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let of = |text: &str| source(text.parse().ok());
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::2]:9"));
        assert_ne!(of("[2001:db8:0:1::1]:1"), of("[2001:db8::1]:1"));
        assert_eq!(of("[::ffff:10.0.0.1]:1"), of("10.0.0.1:2"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..20_000u32 {
            throttle.failed(now, IpAddr::V4(number.into()));
        }
        assert!(throttle.sources.len() <= MAX_SOURCES);
    }
}
