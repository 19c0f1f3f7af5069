//! Programs that have shown who they are a moment ago: nothing is read again while nothing of it has changed.

use super::basic::refuse_foreign_pages;
use crate::access::{Caller, Via};
use crate::account::tenant::AccountRecord;
use crate::account::{Accounts, Role, Token, User};
use crate::clock::Timestamp;
use crate::http::ApiError;
use crate::store::Document as _;
use http::{HeaderMap, Method};
use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a caller is made of: a change of any of these has all callers looked at anew.
const KINDS: [&str; 4] = [User::KIND, Role::KIND, Token::KIND, AccountRecord::KIND];
/// How long a caller is known, whatever else.
const KNOWN: Duration = Duration::from_secs(60);
/// Callers that are known at a time.
const MAX_CALLERS: usize = 1024;

/// A caller, as of some moment.
#[derive(Debug, Clone, Copy)]
struct Known {
    caller: Caller,
    edition: u64,
    since: Instant,
    /// When a token ends, or its use is to be noted again.
    until: Option<Timestamp>,
}

/// Callers by the fingerprints of their Authorization headers.
#[derive(Debug, Default)]
pub(in crate::account) struct Callers(HashMap<[u8; 32], Known>);

impl Callers {
    fn get(&self, print: &[u8; 32], edition: u64, now: Instant, time: Timestamp) -> Option<Caller> {
        let known = self.0.get(print)?;
        let holds = known.edition == edition
            && now.saturating_duration_since(known.since) < KNOWN
            && known.until.is_none_or(|until| time < until);
        holds.then_some(known.caller)
    }

    fn put(&mut self, print: [u8; 32], known: Known) {
        if self.0.len() >= MAX_CALLERS {
            self.0.clear();
        }
        self.0.insert(print, known);
    }
}

/// Where a caller who is found out is to be remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remembering {
    print: [u8; 32],
    edition: u64,
}

impl Accounts {
    /// The caller of an Authorization header that was right a moment ago; otherwise where to remember whoever it is.
    ///
    /// # Errors
    /// What they ask for is not for a page of another site.
    pub(super) fn known(
        &self,
        method: &Method,
        headers: &HeaderMap,
        value: &[u8],
    ) -> Result<(Option<Caller>, Option<Remembering>), ApiError> {
        // Before anything is read.
        let Some(edition) = self.0.store.edition(&KINDS) else { return Ok((None, None)) };
        let print = self.0.vault.fingerprint("caller", value);
        let (now, time) = (self.0.clock.instant(), self.0.clock.now());
        let known = self.callers().get(&print, edition, now, time);
        if known.is_some_and(|caller| caller.via == Via::Basic) {
            refuse_foreign_pages(method, headers)?;
        }
        Ok((known, Some(Remembering { print, edition })))
    }

    /// Remembers a caller for a while.
    pub(super) fn remember(&self, at: Remembering, caller: Caller, until: Option<Timestamp>) {
        let since = self.0.clock.instant();
        self.callers().put(at.print, Known { caller, edition: at.edition, since, until });
    }

    fn callers(&self) -> MutexGuard<'_, Callers> {
        self.0.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test: it needs some instant to begin with")]
    use super::*;
    use crate::access::Permissions;
    use crate::id::UserId;
    use crate::store::Account;

    #[test]
    fn a_caller_is_known_while_nothing_has_changed() {
        let (mut callers, now, at) = (Callers::default(), Instant::now(), Timestamp::from_unix_ms);
        let caller = Caller {
            user: UserId::random(),
            account: Account::FIRST,
            permissions: Permissions::all(),
            via: Via::Token,
        };
        callers.put([1; 32], Known { caller, edition: 5, since: now, until: Some(at(100)) });
        assert_eq!(callers.get(&[1; 32], 5, now, at(99)), Some(caller));
        assert_eq!(callers.get(&[2; 32], 5, now, at(99)), None);
        assert_eq!(callers.get(&[1; 32], 6, now, at(99)), None);
        assert_eq!(callers.get(&[1; 32], 5, now, at(100)), None);
        assert_eq!(callers.get(&[1; 32], 5, now + KNOWN, at(99)), None);
        for number in 0..3000_u16 {
            let mut print = [0; 32];
            print[..2].copy_from_slice(&number.to_be_bytes());
            callers.put(print, Known { caller, edition: 5, since: now, until: None });
            assert!(callers.0.len() <= MAX_CALLERS);
        }
    }
}
