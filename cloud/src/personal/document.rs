//! What the store keeps of an export.

use crate::clock::Timestamp;
use crate::id::{ExportId, UserId};
use crate::store::{Batch, Document, Index, IndexKey, Owner, Scan, Store, StoreError, Versioned};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The index of a user's exports, the oldest first.
const BY_USER: &str = "user";
/// The index of all exports by their end.
const BY_END: &str = "end";
/// How long one can be fetched.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What was kept of a user at some moment, as an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// Whose.
    pub user: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is removed.
    pub ends_at: Timestamp,
    archive: String,
}

impl Export {
    pub(super) fn new(user: UserId, archive: &[u8], now: Timestamp) -> Self {
        let archive = STANDARD.encode(archive);
        Self { id: ExportId::random(), user, created_at: now, ends_at: now.plus(KEPT), archive }
    }

    /// The archive.
    pub(super) fn archive(&self) -> Vec<u8> {
        STANDARD.decode(&self.archive).unwrap_or_default()
    }

    /// The newest one of a user that has not ended.
    pub(super) async fn newest(
        store: &Store,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let scan = Scan::of(BY_USER).within(IndexKey::new().text(user)).falling().limit(1);
        let newest = store.scan::<Self>(scan).await?.items.into_iter().next();
        Ok(newest.map(|found| found.document).filter(|export| export.ends_at > now))
    }

    /// All of a user; when one is made, those before it go.
    pub(super) async fn of(store: &Store, user: UserId) -> Result<Vec<Versioned<Self>>, StoreError> {
        let scan = Scan::of(BY_USER).within(IndexKey::new().text(user)).limit(10);
        Ok(store.scan::<Self>(scan).await?.items)
    }

    /// Removes all of a user.
    pub(crate) async fn forget_of(store: &Store, user: UserId) -> Result<(), StoreError> {
        loop {
            let found = Self::of(store, user).await?;
            if found.is_empty() {
                return Ok(());
            }
            match store.commit(found.iter().fold(store.batch(), Batch::delete)).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes those that have run out, and returns how many these were.
    pub(crate) async fn forget_old(store: &Store) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        loop {
            let found = store.scan::<Self>(Scan::of(BY_END).limit(10)).await?.items;
            let batch = store.batch();
            let now = batch.at();
            let ended: Vec<_> = found.into_iter().filter(|export| export.document.ends_at <= now).collect();
            if ended.is_empty() {
                return Ok(forgotten);
            }
            match store.commit(ended.iter().fold(batch, Batch::delete)).await {
                Ok(_) => forgotten += ended.len(),
                // Another process does the same.
                Err(StoreError::Conflict { .. }) => return Ok(forgotten),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Document for Export {
    const KIND: &'static str = "user_export";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(self.user)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::many(BY_USER, IndexKey::new().text(self.user).time(self.created_at)),
            Index::many(BY_END, IndexKey::new().time(self.ends_at)),
        ]
    }
}
