//! What belongs to an account, whatever slice keeps it: found by a walk, and taken away.
//!
//! Each document says whose it is where it is written ([`Owner`]), so that a kind that is new is found as the others are.

use super::document::Owner;
use super::error::StoreError;
use super::journal::Account;
use super::progress::Progress;
use super::record::Record;
use super::{Document, Store};
use futures_util::StreamExt as _;
use std::collections::{BTreeMap, HashSet};

/// Documents that are taken away at a time.
const AT_ONCE: usize = 200;
/// Entries of a journal that are dropped at a time.
const ENTRIES: u64 = 500;
/// Walks that may find something: the first does, the next one finds nothing, unless somebody still writes.
const ROUNDS: usize = 8;

/// What an account has in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Documents by kind.
    pub documents: BTreeMap<String, u64>,
    /// Entries of its journal.
    pub entries: u64,
    /// Bytes of both, about.
    pub bytes: u64,
}

/// Which documents a walk is after.
enum Wanted<'a> {
    /// The account's own.
    Own,
    /// Those of whoever has one of these ids.
    Of(&'a HashSet<String>),
}

impl Store {
    /// Counts what an account has.
    pub async fn belongings(&self, account: Account, progress: &Progress) -> Result<Belongings, StoreError> {
        let ids = self.own_ids(account, progress).await?;
        let mut found = Belongings::default();
        self.each_record(progress, |record| {
            let counted = match record {
                Record::Document { kind, indexes, .. } => {
                    let is_its = is_of(account, &ids, &Owner::read(indexes));
                    if is_its {
                        *found.documents.entry(kind.clone()).or_default() += 1;
                    }
                    is_its
                }
                Record::Entry { account: of, .. } if *of == account => {
                    found.entries += 1;
                    true
                }
                _ => false,
            };
            if counted {
                found.bytes += record.weight();
            }
        })
        .await?;
        Ok(found)
    }

    /// Takes away all that an account has but the document `last`, and then its journal; nothing of it is told.
    ///
    /// Broken off anywhere, it goes on when it is asked for again.
    pub(crate) async fn forget_belongings<D: Document>(
        &self,
        account: Account,
        last: &D,
        progress: &Progress,
    ) -> Result<u64, StoreError> {
        let kept = (D::KIND.to_owned(), last.id());
        let mut all = 0;
        for _ in 0..ROUNDS {
            let ids = self.own_ids(account, progress).await?;
            // First what is found only as long as the document that it refers to is there.
            let mut gone = self.forget(account, &Wanted::Of(&ids), &kept, progress).await?;
            gone += self.forget(account, &Wanted::Own, &kept, progress).await?;
            gone += self.forget(account, &Wanted::Of(&ids), &kept, progress).await?;
            all += gone;
            if gone == 0 {
                self.forget_journal(account, progress).await?;
                return Ok(all);
            }
        }
        Err(StoreError::Busy)
    }

    /// Takes a document away, and nothing is told of it.
    pub(crate) async fn forget_one<D: Document>(&self, document: &D) -> Result<(), StoreError> {
        self.seat.import(vec![Record::Gone { kind: D::KIND.to_owned(), id: document.id() }]).await
    }

    async fn forget(
        &self,
        account: Account,
        wanted: &Wanted<'_>,
        kept: &(String, String),
        progress: &Progress,
    ) -> Result<u64, StoreError> {
        let mut found = Vec::new();
        self.each_record(progress, |record| {
            let Record::Document { kind, id, indexes, .. } = record else { return };
            let is_wanted = match (Owner::read(indexes), wanted) {
                (Owner::Account(of), Wanted::Own) => of == account,
                (Owner::Of(of), Wanted::Of(ids)) => ids.contains(&of),
                _ => false,
            };
            if is_wanted && (kind, id) != (&kept.0, &kept.1) {
                found.push(Record::Gone { kind: kind.clone(), id: id.clone() });
            }
        })
        .await?;
        let (total, mut done) = (found.len() as u64, 0);
        for piece in found.chunks(AT_ONCE) {
            progress.check()?;
            self.seat.import(piece.to_vec()).await?;
            done += piece.len() as u64;
            progress.tell_part(done, total, "documents removed");
        }
        Ok(total)
    }

    /// The ids of all that is the account's own, by which other documents refer to it.
    async fn own_ids(&self, account: Account, progress: &Progress) -> Result<HashSet<String>, StoreError> {
        let mut ids = HashSet::new();
        self.each_record(progress, |record| {
            let Record::Document { id, indexes, .. } = record else { return };
            // Numbers name something of each account.
            let is_unique = id.bytes().any(|byte| !byte.is_ascii_digit());
            if is_unique && Owner::read(indexes) == Owner::Account(account) {
                ids.insert(id.clone());
            }
        })
        .await?;
        Ok(ids)
    }

    async fn forget_journal(&self, account: Account, progress: &Progress) -> Result<(), StoreError> {
        let mut oldest = self.journal(account, 0, 1).await?.entries.first().map_or(1, |entry| entry.seq);
        let end = self.journal_seq(account) + 1;
        while oldest < end {
            progress.check()?;
            oldest = end.min(oldest + ENTRIES);
            self.seat.import(vec![Record::Oldest { account, seq: oldest }]).await?;
        }
        Ok(())
    }

    async fn each_record(
        &self,
        progress: &Progress,
        mut look: impl FnMut(&Record),
    ) -> Result<(), StoreError> {
        let _alone = self.seat.begin_walk()?;
        let mut export = self.engine().export();
        while let Some(piece) = export.next().await {
            progress.check()?;
            piece?.iter().for_each(&mut look);
        }
        Ok(())
    }
}

fn is_of(account: Account, ids: &HashSet<String>, owner: &Owner) -> bool {
    match owner {
        Owner::Account(of) => *of == account,
        Owner::Of(id) => ids.contains(id),
        Owner::Server => false,
    }
}
