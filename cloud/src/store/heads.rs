//! How far each account's journal reaches, and word of it to its readers.

use super::Account;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// One account's journal, as a committer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Journal {
    /// The last entry.
    pub(super) seq: u64,
    /// The first entry that is kept.
    pub(super) oldest: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { seq: 0, oldest: 1 }
    }
}

/// What readers of the journals are told; only what is on disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads(Arc<Mutex<HashMap<Account, watch::Sender<u64>>>>);

impl Heads {
    /// Follows an account's journal.
    pub(super) fn follow(&self, account: Account) -> watch::Receiver<u64> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.entry(account).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// The last entry of an account that is on disk.
    pub(super) fn last(&self, account: Account) -> u64 {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.get(&account).map_or(0, |head| *head.borrow())
    }

    /// Tells how far journals are on disk now.
    pub(super) fn tell(&self, journals: &HashMap<Account, Journal>) {
        for (account, journal) in journals {
            self.raise(*account, journal.seq);
        }
    }

    /// Tells that a journal reaches at least to `seq`.
    pub(super) fn raise(&self, account: Account, seq: u64) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = heads.entry(account).or_insert_with(|| watch::Sender::new(0));
        head.send_if_modified(|head| {
            let higher = seq > *head;
            *head = seq.max(*head);
            higher
        });
    }
}
