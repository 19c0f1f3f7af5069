//! Forgets keys: a day after they were used, or when an account has very many.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every few minutes")]

use super::document::{BY_ACCOUNT, BY_AGE, KeyedRequest, Mark, State};
use super::{Idempotency, KEPT};
use crate::id::UserId;
use crate::store::{Account, IndexKey, Scan, Store, StoreError, Versioned};
use std::sync::PoisonError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(600);
/// Keys that an account has at most: beyond it the oldest go before their day is over.
pub(super) const MOST: usize = 10_000;
/// Documents at a time.
const AT_ONCE: usize = 200;

/// Sweeps until the server stops.
pub(crate) async fn run(idempotency: Idempotency, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        match idempotency.forget_the_old().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "keys of requests are forgotten"),
            Err(error) => tracing::warn!(%error, "keys of requests could not be forgotten"),
        }
    }
}

impl Idempotency {
    /// Forgets keys whose day is over, and returns how many.
    pub(super) async fn forget_the_old(&self) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        loop {
            let page = self.0.store.scan::<KeyedRequest>(Scan::of(BY_AGE).limit(AT_ONCE)).await?;
            let now = self.0.clock.now();
            let old: Vec<_> =
                page.items.into_iter().filter(|found| found.document.begun_at.plus(KEPT) <= now).collect();
            if old.is_empty() {
                break;
            }
            forgotten += forget(&self.0.store, old).await?;
        }
        // Other processes forget and add as well: counted anew where it matters.
        self.counts().clear();
        Ok(forgotten)
    }

    /// Counts one more key of an account, and makes room where there are too many.
    pub(super) async fn note(&self, account: Account) {
        if let Err(error) = self.try_note(account).await {
            tracing::debug!(%error, "the keys of an account could not be counted");
        }
    }

    async fn try_note(&self, account: Account) -> Result<(), StoreError> {
        let known = self.counts().get(&account).copied();
        let count = match known {
            Some(count) => count + 1,
            None => self.count(account).await?,
        };
        let (mut forgotten, most) = (0, self.0.most);
        if count > most {
            // A few more than must go, so that not each request makes room.
            let some = AT_ONCE.min(count - most + most / 100);
            let oldest = Scan::of(BY_ACCOUNT).within(IndexKey::of(account)).limit(some);
            let page = self.0.store.scan::<KeyedRequest>(oldest).await?;
            let done =
                |found: &Versioned<KeyedRequest>| !matches!(found.document.state, State::Running { .. });
            forgotten = forget(&self.0.store, page.items.into_iter().filter(done).collect()).await?;
        }
        self.counts().insert(account, count.saturating_sub(forgotten));
        Ok(())
    }

    async fn count(&self, account: Account) -> Result<usize, StoreError> {
        let (mut count, mut after) = (0, None);
        loop {
            let scan = Scan::of(BY_ACCOUNT).within(IndexKey::of(account)).after(after).limit(AT_ONCE);
            let page = self.0.store.scan::<KeyedRequest>(scan).await?;
            count += page.items.len();
            after = page.next;
            if after.is_none() {
                return Ok(count);
            }
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<Account, usize>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a user's keys, and what was answered to others in the account: any answer may name them.
pub(crate) async fn forget_answers(store: &Store, account: Account, user: UserId) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let scan = Scan::of(BY_ACCOUNT).within(IndexKey::of(account)).after(after).limit(AT_ONCE);
        let page = store.scan::<KeyedRequest>(scan).await?;
        let (own, others): (Vec<_>, Vec<_>) =
            page.items.into_iter().partition(|found| found.document.user == user);
        forget(store, own).await?;
        for found in others {
            let is_changed = |request: &mut KeyedRequest, _, _| {
                let is_answered = matches!(request.state, State::Answered { .. });
                if is_answered {
                    request.state = State::Lost;
                }
                Ok::<_, StoreError>(is_answered)
            };
            store.update(&found.document.id, None, is_changed).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn forget(store: &Store, requests: Vec<Versioned<KeyedRequest>>) -> Result<usize, StoreError> {
    let mut forgotten = 0;
    for request in requests {
        let mark = store.get::<Mark>(&request.document.id).await?;
        let batch = mark.iter().fold(store.batch().delete(&request), crate::store::Batch::delete);
        match store.commit(batch).await {
            Ok(_) => forgotten += 1,
            // Used anew, or forgotten by another process.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(forgotten)
}
