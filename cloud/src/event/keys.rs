//! New stream keys in the place of old ones, which work for a while still.

use super::document::{KeptKey, OldKey};
use super::{EventError, EventView, Events, Input, StreamKey};
use crate::id::{EventId, UserId};
use std::time::Duration;

/// Most keys of an event that were replaced and still work.
const MOST_OLD: usize = 4;

impl Events {
    /// Draws a new key for an input; the one that it had works for `overlap` still.
    pub async fn renew_key(
        &self,
        id: &EventId,
        input: Input,
        overlap: Duration,
        expected: Option<u64>,
        by: Option<UserId>,
    ) -> Result<EventView, EventError> {
        // Held until the key is on disk.
        let sealing = self.vault().sealing().await?;
        let fresh = KeptKey::new(&sealing, id, input, StreamKey::random().reveal().as_bytes());
        let now = self.store().now();
        let changed = self.change(id, expected, by, |event| {
            let old = std::mem::replace(event.key_mut(input), fresh.clone());
            event.old_keys.retain(|old| old.until > now);
            if overlap.is_zero() {
                // Whoever wants the key dead wants those before it dead too.
                event.old_keys.retain(|old| old.input != input);
            } else {
                event.old_keys.push(OldKey { input, key: old, until: now.plus(overlap) });
            }
            let surplus = event.old_keys.len().saturating_sub(MOST_OLD);
            event.old_keys.drain(..surplus);
            Ok(true)
        });
        let changed = changed.await;
        drop(sealing);
        changed
    }
}
