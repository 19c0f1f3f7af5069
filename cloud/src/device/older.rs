//! What earlier versions did not keep of a box: that it was never there, and its number beside whether it is.

use super::DeviceError;
use super::document::{BY_NUMBER, Device, Presence};
use crate::store::{Scan, Store, StoreError};

/// Completes it, unless that was done; harmless to begin anew.
pub(crate) async fn complete(store: &Store) -> Result<(), DeviceError> {
    if store.is_indexed::<Presence>().await? {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = store.scan::<Device>(Scan::of(BY_NUMBER).after(after).limit(200)).await?;
        let mut batch = store.batch();
        let now = batch.at();
        for device in page.items.iter().map(|found| &found.document) {
            batch = match store.get::<Presence>(device.id).await? {
                None => batch.create(&Presence::of_new(device, now)),
                Some(old) if old.document.number == device.number => batch,
                Some(old) => {
                    let new = Presence { number: device.number, ..old.document.clone() };
                    batch.update(&old, &new)
                }
            };
        }
        match store.commit(batch).await {
            // Another process starts too, or has the broker: once more.
            Err(StoreError::Conflict { .. }) => {
                after = None;
                continue;
            }
            committed => committed?,
        };
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
