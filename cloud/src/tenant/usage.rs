//! How much accounts have in the media store: counted as it comes and goes, and once a day all of it.

use super::RemovalError;
use super::media_of::MediaOf;
use crate::account::{AccountRecord, everyone};
use crate::app::App;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::id::{AccountId, EventId, RecordingId};
use crate::recording::Recording;
use crate::store::{Account, Document, Owner, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What an account has in the media store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageUse {
    /// Whose.
    pub account: Account,
    /// The bytes of all its objects.
    pub media_bytes: u64,
    /// When all of them were counted last.
    pub counted_at: Timestamp,
}

impl Document for StorageUse {
    const KIND: &'static str = "storage_use";
    /// It changes every few seconds.
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.account.to_string()
    }
}

/// What an account has, as it was counted; none where it never was.
pub(crate) async fn used(store: &Store, account: Account) -> Result<Option<StorageUse>, StoreError> {
    Ok(store.get::<StorageUse>(account).await?.map(|found| found.document))
}

/// Writes down what came and went since the last time.
pub(crate) async fn note(app: &App) -> Result<(), StoreError> {
    let mut sums: HashMap<Account, i64> = HashMap::new();
    let taken = app.media.tally().take();
    for (owner, delta) in &taken {
        match account_of(&app.store, owner).await {
            Ok(Some(account)) => *sums.entry(account).or_default() += delta,
            // It is gone, and all that it had.
            Ok(None) => {}
            Err(error) => {
                taken.into_iter().for_each(|(owner, delta)| app.media.tally().give_back(owner, delta));
                return Err(error);
            }
        }
    }
    for (account, delta) in sums.into_iter().filter(|(_, delta)| *delta != 0) {
        // Whoever was never counted will be, with what has just come.
        let noted = app.store.update::<StorageUse, StoreError>(account, None, |used, _, _| {
            used.media_bytes = used.media_bytes.saturating_add_signed(delta);
            Ok(true)
        });
        if let Err(error) = noted.await {
            tracing::warn!(%account, %error, "what came to the media store is counted later");
        }
    }
    Ok(())
}

async fn account_of(store: &Store, owner: &str) -> Result<Option<Account>, StoreError> {
    if let Ok(event) = owner.parse::<EventId>() {
        return Ok(store.get::<Event>(event).await?.map(|event| event.document.account));
    }
    if let Ok(recording) = owner.parse::<RecordingId>() {
        return Ok(store.get::<Recording>(recording).await?.map(|recording| recording.document.account));
    }
    let Ok(id) = owner.parse::<AccountId>() else { return Ok(None) };
    let all = everyone::all(store).await?;
    Ok(all.into_iter().find(|account| account.public_id == id).map(|account| account.number))
}

/// Counts all that an account has, and sets right what was noted of it; returns how far that was off.
pub(crate) async fn count(app: &App, account: &AccountRecord) -> Result<i64, RemovalError> {
    let number = account.number;
    let before = used(&app.store, number).await?;
    let mut counted = 0;
    for bytes in MediaOf::account(app, number).await?.objects(&app.media, account).await?.values() {
        counted += bytes;
    }
    let now = app.clock.now();
    let Some(before) = before else {
        let first = StorageUse { account: number, media_bytes: counted, counted_at: now };
        return match app.store.create(first).await {
            // Another process was quicker.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(0),
            Err(error) => Err(error.into()),
        };
    };
    let mut off = 0;
    app.store
        .update::<StorageUse, StoreError>(number, None, |used, _, _| {
            // What came and went meanwhile may have been seen or not.
            let (one, other) = (before.media_bytes, used.media_bytes);
            let moved = one.abs_diff(other);
            off = 0;
            if used.media_bytes.abs_diff(counted) > moved {
                off = counted.cast_signed().wrapping_sub(used.media_bytes.cast_signed());
                used.media_bytes = counted;
            }
            used.counted_at = now;
            Ok(true)
        })
        .await?;
    Ok(off)
}
