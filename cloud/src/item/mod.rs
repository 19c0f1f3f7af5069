//! Items: what is to be watched on demand.

mod document;
mod http;
mod removal;

pub use document::{Item, ItemView, NewItem};
pub use http::routes;

use crate::id::{EventId, ItemId, RecordingId, UserId};
use crate::store::{Cursor, IndexKey, Page, Scan, Store, StoreError, Versioned};
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

    /// Makes an item of a recording; a recording that has one already gives that one.
    pub async fn create_from_recording(&self, new: NewItem) -> Result<ItemView, StoreError> {
        let by_recording = IndexKey::new().text(new.recording_id);
        if let Some(found) = self.store.find::<Item>(BY_RECORDING, by_recording.clone()).await? {
            return Ok(found.into());
        }
        let number = self.store.next_number("item").await?;
        let batch = self.store.batch();
        let item = Item::from_recording(ItemId::random(), number, new, batch.at());
        match self.store.commit(batch.create(&item)).await {
            Ok(_) => Ok(Versioned { version: 1, document: item }.into()),
            Err(StoreError::Taken { .. }) => {
                let found = self.store.find::<Item>(BY_RECORDING, by_recording).await?;
                found.map(Into::into).ok_or(StoreError::Conflict { kind: "item", id: item.id.to_string() })
            }
            Err(error) => Err(error),
        }
    }

    /// Reads an item.
    pub async fn get(&self, id: &ItemId) -> Result<Option<ItemView>, StoreError> {
        Ok(self.store.get::<Item>(id).await?.map(Into::into))
    }

    /// Lists items, the newest first.
    pub async fn list(&self, after: Option<Cursor>, limit: usize) -> Result<Page<ItemView>, StoreError> {
        let scan = Scan::of(BY_NUMBER).falling().after(after).limit(limit);
        Ok(self.store.scan::<Item>(scan).await?.map(Into::into))
    }

    /// Lists an event's items, the oldest first.
    pub async fn of_event(&self, event: &EventId) -> Result<Vec<ItemView>, StoreError> {
        let scan = Scan::of(BY_EVENT).within(IndexKey::new().text(event));
        Ok(self.store.scan::<Item>(scan).await?.items.into_iter().map(Into::into).collect())
    }

    /// Changes the title; `expected` is the version that the user has seen. `None` means no such item.
    pub async fn set_title(
        &self,
        id: &ItemId,
        title: &str,
        expected: Option<u64>,
        by: Option<UserId>,
    ) -> Result<Option<ItemView>, crate::http::ApiError> {
        let changed = self
            .store
            .update::<Item, crate::http::ApiError>(id, by, |item, version, now| {
                if expected.is_some_and(|expected| expected != version) {
                    let detail = format!("the item is at version {version} now: read it again");
                    return Err(crate::http::ApiError::changed_meanwhile(detail));
                }
                let changed = item.title != title;
                if changed {
                    title.clone_into(&mut item.title);
                    item.updated_at = now;
                }
                Ok(changed)
            })
            .await?;
        Ok(changed.map(Into::into))
    }

    /// The item that was made of a recording.
    pub async fn for_recording(&self, recording: &RecordingId) -> Result<Option<ItemView>, StoreError> {
        let key = IndexKey::new().text(recording);
        Ok(self.store.find::<Item>(BY_RECORDING, key).await?.map(Into::into))
    }
}
