//! What follows the journals of all accounts, those that are made later too.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks for new accounts in time")]

use super::tenant::{AccountRecord, BY_NUMBER};
use crate::store::{Account, Scan, Store, StoreError};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How soon a new account is found.
const LOOK: Duration = Duration::from_secs(2);

/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// All accounts.
pub(crate) async fn all(store: &Store) -> Result<Vec<AccountRecord>, StoreError> {
    let mut accounts = Vec::new();
    let mut after = None;
    loop {
        let page = store.scan::<AccountRecord>(Scan::of(BY_NUMBER).after(after)).await?;
        accounts.extend(page.items.into_iter().map(|account| account.document));
        after = page.next;
        if after.is_none() {
            return Ok(accounts);
        }
    }
}

/// Follows each account from where its journal is now, one that is made later from its beginning; until the end.
///
/// `follow` is given the account and the entry after which it begins. It ends by itself with `end`.
pub(crate) async fn follow<F, R>(store: &Store, end: &CancellationToken, follow: F)
where
    F: Fn(Account, u64) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut followed = BTreeSet::new();
    let mut is_first = true;
    while !end.is_cancelled() {
        match all(store).await {
            Ok(accounts) => {
                // The first account is there before it is written down.
                for account in accounts.iter().map(|account| account.number).chain([Account::FIRST]) {
                    if followed.insert(account) {
                        let from = if is_first { store.journal_seq(account) } else { 0 };
                        tasks.spawn(follow(account, from));
                    }
                }
                is_first = false;
            }
            Err(error) => tracing::warn!(%error, "new accounts are not found yet"),
        }
        tokio::select! {
            () = end.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Reads an account's journal as it grows, until the end: `read` is given how far it has come, and says how far it came.
///
/// What could not be read is tried again soon.
pub(crate) async fn keep_up<F, R, E>(
    store: &Store,
    end: &CancellationToken,
    account: Account,
    from: u64,
    read: F,
) where
    F: Fn(u64) -> R,
    R: Future<Output = Result<u64, E>>,
    E: std::fmt::Display,
{
    let (mut head, mut cursor) = (store.journal_head(account), from);
    loop {
        head.borrow_and_update();
        let failed = loop {
            match read(cursor).await {
                Ok(reached) if reached == cursor => break false,
                Ok(reached) => cursor = reached,
                Err(error) => {
                    tracing::warn!(%error, "an account's changes are not heard of yet");
                    break true;
                }
            }
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(PAUSE), if failed => {}
            changed = head.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
