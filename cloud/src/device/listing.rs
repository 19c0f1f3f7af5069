//! What the list of boxes is filtered and sorted by.

use super::document::{BY_NAME, BY_NUMBER, BY_ONLINE};
use super::{Device, DeviceError, DeviceView, Devices, Presence};
use crate::http::listing::{Filter, Listing, TRUTH, Wanted, Way, truth};
use crate::store::{Account, Cursor, IndexKey, Page, Scan};

/// `GET /api/v1/devices`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/devices",
    filters: &[Filter {
        name: "online",
        words: "Only those that have a connection, or that have none.",
        one_of: TRUTH,
        read: truth,
    }],
    ways: &[
        Way::newest(&[], "created_at", BY_NUMBER),
        Way::rising(&[], "name", BY_NAME),
        Way::newest(&["online"], "created_at", BY_ONLINE),
    ],
};

impl Devices {
    /// Lists an account's boxes, the newest first.
    pub(crate) async fn list(
        &self,
        account: Account,
        after: Option<Cursor>,
    ) -> Result<Page<DeviceView>, DeviceError> {
        let scan = Scan::of(BY_NUMBER).within(IndexKey::of(account)).falling().after(after);
        self.page(scan).await
    }

    async fn page(&self, scan: Scan) -> Result<Page<DeviceView>, DeviceError> {
        let page = self.store().scan::<Device>(scan).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for device in page.items {
            items.push(self.view(device).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// The part of an account's boxes that a request wants.
    pub(super) async fn wanted(
        &self,
        account: Account,
        wanted: &Wanted,
    ) -> Result<Page<DeviceView>, DeviceError> {
        let scan = wanted.scan(IndexKey::of(account));
        let online = wanted.value("online").map(|value| value == "true");
        let Some(online) = online else { return self.page(scan).await };
        let page = self.store().scan::<Presence>(scan).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for presence in page.items {
            // What has changed since it was noted, or is gone, is none of them.
            if let Some(device) = self.get(&presence.document.id).await?.filter(|seen| seen.online == online)
            {
                items.push(device);
            }
        }
        Ok(Page { items, next: page.next })
    }
}
