//! Who has asked how much of the API, and what the answers say of it (draft-ietf-httpapi-ratelimit-headers).
//!
//! A user has a bucket, and so has their account; whoever has not shown who they are is counted by address.

use super::Response;
use super::problem::ApiError;
use super::rate::{Buckets, Left, Rate};
use crate::access::Caller;
use crate::id::UserId;
use crate::store::Account;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `[http.rates]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Of a user.
    pub user: Rate,
    /// Of all users of an account together.
    pub account: Rate,
    /// Of an address, by requests without a login.
    pub address: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            user: Rate { per_s: 100, burst: 1_000 },
            account: Rate { per_s: 500, burst: 5_000 },
            address: Rate { per_s: 100, burst: 1_000 },
        }
    }
}

/// Counts requests, each process for itself.
#[derive(Debug)]
pub(super) struct Quota {
    users: Mutex<Buckets<UserId>>,
    accounts: Mutex<Buckets<Account>>,
    addresses: Mutex<Buckets<IpAddr>>,
    of_caller: Option<HeaderValue>,
    of_address: Option<HeaderValue>,
}

/// What the answer to a counted request says.
#[derive(Debug)]
pub(super) struct Told {
    policy: HeaderValue,
    limit: HeaderValue,
}

impl Quota {
    pub(super) fn new(rates: &Rates) -> Self {
        let of_caller = [("user", rates.user), ("account", rates.account)];
        Self {
            users: Mutex::new(Buckets::new(rates.user)),
            accounts: Mutex::new(Buckets::new(rates.account)),
            addresses: Mutex::new(Buckets::new(rates.address)),
            of_caller: policy(&of_caller),
            of_address: policy(&[("address", rates.address)]),
        }
    }

    /// Counts a request of somebody who is known.
    ///
    /// # Errors
    /// They, or their account, have asked too much of late.
    pub(super) fn caller(&self, caller: &Caller, now: Duration) -> Result<Option<Told>, ApiError> {
        let user = take(&self.users, caller.user, now);
        let user = user.map_err(|wait| self.refused("you have", wait, self.of_caller.as_ref(), "user"))?;
        let account = take(&self.accounts, caller.account, now);
        let account = account
            .map_err(|wait| self.refused("your account has", wait, self.of_caller.as_ref(), "account"))?;
        Ok(told(self.of_caller.as_ref(), &[("user", user), ("account", account)]))
    }

    /// Counts a request of somebody who is not known.
    ///
    /// # Errors
    /// Their address has asked too much of late.
    pub(super) fn address(&self, peer: Option<SocketAddr>, now: Duration) -> Result<Option<Told>, ApiError> {
        let left = take(&self.addresses, source(peer), now);
        let left =
            left.map_err(|wait| self.refused("your address has", wait, self.of_address.as_ref(), "address"))?;
        Ok(told(self.of_address.as_ref(), &[("address", left)]))
    }

    fn refused(&self, who: &str, wait: Duration, policy: Option<&HeaderValue>, name: &str) -> ApiError {
        let wait_s = wait.as_nanos().div_ceil(1_000_000_000).max(1) as u64;
        let words = format!("{who} made too many requests of late: wait {wait_s} s, and ask less often");
        let error = ApiError::too_many(words, wait_s);
        let Some(policy) = policy else { return error };
        let error = error.header(RATE_LIMIT_POLICY, policy.clone());
        match HeaderValue::from_str(&format!("\"{name}\";r=0;t={wait_s}")) {
            Ok(limit) => error.header(RATE_LIMIT, limit),
            Err(_) => error,
        }
    }
}

impl Told {
    /// Writes it into the answer.
    pub(super) fn onto(self, response: &mut Response) {
        response.headers_mut().insert(RATE_LIMIT_POLICY, self.policy);
        response.headers_mut().insert(RATE_LIMIT, self.limit);
    }
}

fn take<K: Eq + std::hash::Hash + Copy>(
    buckets: &Mutex<Buckets<K>>,
    whose: K,
    now: Duration,
) -> Result<Option<Left>, Duration> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner).take(whose, now)
}

/// The header that says what is allowed; none where nothing is limited.
fn policy(rates: &[(&str, Rate)]) -> Option<HeaderValue> {
    let limited = rates.iter().filter(|(_, rate)| rate.per_s > 0);
    let items: Vec<String> =
        limited.map(|(name, rate)| format!("\"{name}\";q={};w={}", rate.burst, rate.window_s())).collect();
    if items.is_empty() { None } else { HeaderValue::from_str(&items.join(", ")).ok() }
}

fn told(policy: Option<&HeaderValue>, left: &[(&str, Option<Left>)]) -> Option<Told> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for (name, left) in left {
        let Some(left) = left else { continue };
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing into a string does not fail.
        let _ = write!(text, "{separator}\"{name}\";r={};t={}", left.requests, left.full_in_s);
    }
    Some(Told { policy: policy?.clone(), limit: HeaderValue::from_str(&text).ok()? })
}

/// An IPv4 address, or the /64 of an IPv6 address, since a client has all of it.
pub(crate) fn source(peer: Option<SocketAddr>) -> IpAddr {
    match peer.map(|peer| peer.ip().to_canonical()) {
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V4(address)) => IpAddr::V4(address),
        Some(IpAddr::V6(address)) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Permissions, Via};

    fn caller(account: u64) -> Caller {
        let (user, account) = (UserId::random(), Account(account));
        Caller { user, account, permissions: Permissions::all(), via: Via::Token }
    }

    fn quota() -> Quota {
        Quota::new(&Rates {
            user: Rate { per_s: 1, burst: 2 },
            account: Rate { per_s: 1, burst: 3 },
            address: Rate { per_s: 1, burst: 1 },
        })
    }

    #[test]
    fn users_accounts_and_addresses_are_counted_apart() {
        let (quota, at) = (quota(), Duration::from_secs);
        let (one, two, other) = (caller(1), caller(1), caller(2));
        let told = quota.caller(&one, at(0)).unwrap().unwrap();
        assert_eq!(told.policy, "\"user\";q=2;w=2, \"account\";q=3;w=3");
        assert_eq!(told.limit, "\"user\";r=1;t=1, \"account\";r=2;t=1");
        assert!(quota.caller(&one, at(0)).is_ok());
        let response = quota.caller(&one, at(0)).unwrap_err().into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["ratelimit"], "\"user\";r=0;t=1");
        assert!(quota.caller(&two, at(0)).is_ok(), "what was refused has cost the account nothing");
        let response = quota.caller(&two, at(0)).unwrap_err().into_response();
        assert_eq!(response.headers()["ratelimit"], "\"account\";r=0;t=1");
        assert!(quota.caller(&other, at(0)).is_ok());
        let address = "192.0.2.1:9".parse().ok();
        assert!(quota.address(address, at(0)).is_ok() && quota.address(address, at(0)).is_err());
        assert!(quota.address("192.0.2.2:9".parse().ok(), at(0)).is_ok());
        assert!(quota.caller(&one, at(2)).is_ok());
    }

    #[test]
    fn what_is_not_limited_is_not_told() {
        let none = Rate { per_s: 0, burst: 0 };
        let quota = Quota::new(&Rates { user: none, account: none, address: none });
        assert!(quota.caller(&caller(1), Duration::ZERO).unwrap().is_none());
        let rates = Rates { user: none, ..Rates::default() };
        let told = Quota::new(&rates).caller(&caller(1), Duration::ZERO).unwrap().unwrap();
        assert_eq!(told.limit, "\"account\";r=4999;t=1");
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let of = |text: &str| source(text.parse().ok());
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::2]:9"));
        assert_ne!(of("[2001:db8:0:1::1]:1"), of("[2001:db8::1]:1"));
        assert_eq!(of("[::ffff:10.0.0.1]:1"), of("10.0.0.1:2"));
    }
}
