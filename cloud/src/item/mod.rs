//! Items: what is to be watched on demand.

mod actions;
mod change;
mod document;
mod file;
mod http;
mod listing;
mod removal;

pub(crate) use actions::ACTIONS;
pub use document::{Item, ItemView, NewItem};
pub use http::{Operations, routes};
pub(crate) use listing::LISTING;
pub(crate) use removal::expire;

use crate::clock::Timestamp;
use crate::id::{EventId, ItemId, RecordingId};
use crate::store::{Account, Cursor, IndexKey, Page, Scan, Store, StoreError};
use document::{BY_EVENT, BY_NUMBER, BY_RECORDING};

/// All items; cloned freely.
#[derive(Clone)]
pub struct Items {
    store: Store,
}

impl Items {
    /// Makes the handle.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The item that a recording is to have: whoever writes it says what must be true for that.
    pub async fn draft(&self, new: NewItem, now: Timestamp) -> Result<Item, StoreError> {
        let number = self.store.next_number("item").await?;
        Ok(Item::from_recording(ItemId::random(), number, new, now))
    }

    /// Reads an item.
    pub async fn get(&self, id: &ItemId) -> Result<Option<ItemView>, StoreError> {
        Ok(self.store.get::<Item>(id).await?.map(Into::into))
    }

    /// Lists an account's items, or everybody's, the newest first.
    pub async fn list(
        &self,
        account: Option<Account>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<ItemView>, StoreError> {
        let within = account.map(IndexKey::of).unwrap_or_default();
        self.page(Scan::of(BY_NUMBER).within(within).falling().after(after).limit(limit)).await
    }

    /// A part of a list.
    async fn page(&self, scan: Scan) -> Result<Page<ItemView>, StoreError> {
        Ok(self.store.scan::<Item>(scan).await?.map(Into::into))
    }

    /// Lists an event's items, the oldest first.
    pub async fn of_event(&self, event: &EventId) -> Result<Vec<ItemView>, StoreError> {
        let scan = Scan::of(BY_EVENT).within(IndexKey::new().text(event));
        Ok(self.store.scan::<Item>(scan).await?.items.into_iter().map(Into::into).collect())
    }

    /// The item that was made of a recording.
    pub async fn for_recording(&self, recording: &RecordingId) -> Result<Option<ItemView>, StoreError> {
        let key = IndexKey::new().text(recording);
        Ok(self.store.find::<Item>(BY_RECORDING, key).await?.map(Into::into))
    }
}
