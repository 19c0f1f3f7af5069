//! Finds how far each account's journal reaches.

use super::files::failed;
use super::layout;
use crate::store::heads::Journal;
use crate::store::{Account, StoreError};
use std::collections::HashMap;

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
