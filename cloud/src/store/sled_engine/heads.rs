//! How far each account's journal reaches.

use super::files::failed;
use super::layout;
use crate::store::{Account, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// One account's journal, as the committer knows it.
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

/// Finds where each journal begins and ends.
pub(super) fn read(db: &sled::Db) -> Result<HashMap<Account, Journal>, StoreError> {
    let mut journals = HashMap::new();
    let mut last = None;
    loop {
        let after = layout::journals_after(last);
        let first = db.range(after).map(|found| found.map_err(failed)).find_map(|found| match found {
            Ok((key, _)) => layout::journal_place(&key).filter(|(account, _)| Some(*account) != last).map(Ok),
            Err(error) => Some(Err(error)),
        });
        let Some(first) = first else { return Ok(journals) };
        let (account, oldest) = first?;
        let end = db.range(layout::journal_range(account)).next_back().transpose().map_err(failed)?;
        let seq = end.and_then(|(key, _)| layout::journal_place(&key)).map_or(oldest, |(_, seq)| seq);
        journals.insert(account, Journal { seq, oldest });
        last = Some(account);
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
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (account, journal) in journals {
            let head = heads.entry(*account).or_insert_with(|| watch::Sender::new(0));
            head.send_if_modified(|head| std::mem::replace(head, journal.seq) != journal.seq);
        }
    }
}
