//! What an account lets its events have.

use super::document::BY_ACCOUNT_LIVE;
use super::{Event, EventError, Events};
use crate::account::AccountRecord;
use crate::device::Device;
use crate::id::{BoxId, EventId};
use crate::store::{Account, IndexKey, Scan};

impl Events {
    /// A box must be there, and of the same account.
    pub(super) async fn check_device(
        &self,
        account: Account,
        device: Option<BoxId>,
    ) -> Result<(), EventError> {
        let Some(device) = device else { return Ok(()) };
        let found = self.store().get_of::<Device>(account, device).await?;
        found.map(|_| ()).ok_or(EventError::NoDevice(device))
    }

    /// Whether the account may have one more event started.
    pub(super) async fn check_limit(&self, id: &EventId) -> Result<(), EventError> {
        let store = self.store();
        let event = store.get::<Event>(id).await?.ok_or(EventError::NotFound(*id))?.document;
        let account = store.get::<AccountRecord>(event.account).await?;
        let Some(limit) = account.and_then(|account| account.document.limits.events_at_once) else {
            return Ok(());
        };
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        let scan = Scan::of(BY_ACCOUNT_LIVE).within(IndexKey::of(event.account)).limit(most);
        let live = store.scan::<Event>(scan).await?.items;
        let others = live.iter().filter(|other| other.document.id != *id).count() as u64;
        if others < limit { Ok(()) } else { Err(EventError::TooMany(limit)) }
    }
}
