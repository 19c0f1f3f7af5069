//! What is written down of boxes, only by whoever has the duty.

use super::super::document::{BoxJournal, Cursor, Device, Presence};
use crate::cluster::Duty;
use crate::id::BoxId;
use crate::store::{Account, Store, StoreError};
use stagebox_protocol::BoxEvent;

/// Writes one event and the cursor behind it, as one entry of the journal.
pub(super) async fn journal(
    store: &Store,
    duty: &Duty,
    account: Account,
    id: BoxId,
    event: BoxEvent,
    cursor: &Cursor,
) -> Result<(), StoreError> {
    let new = BoxJournal { id, account, cursor: cursor.clone(), event };
    let batch = match store.get::<BoxJournal>(id).await? {
        Some(old) => store.batch().update(&old, &new),
        None => store.batch().create(&new),
    };
    duty.commit(batch).await.map(|_| ())
}

/// Notes that a box came or went, if that is new.
pub(super) async fn note_presence(
    store: &Store,
    duty: &Duty,
    account: Account,
    id: BoxId,
    online: bool,
) -> Result<(), StoreError> {
    loop {
        let batch = store.batch();
        let old = store.get::<Presence>(id).await?;
        let number = match &old {
            Some(old) => old.document.number,
            None => store.get::<Device>(id).await?.map_or(0, |device| device.document.number),
        };
        let new = Presence { id, account, number, online, changed_at: batch.at(), came: true };
        let batch = match old {
            Some(old) if old.document.online == online => return Ok(()),
            Some(old) => batch.update(&old, &new),
            None => batch.create(&new),
        };
        match duty.commit(batch).await {
            Err(StoreError::Conflict { .. }) if !duty.is_lost() => {}
            done => return done.map(|_| ()),
        }
    }
}
