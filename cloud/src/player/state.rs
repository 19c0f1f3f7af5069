//! What a viewer's page may know of an event: no keys, no addresses.

use crate::event::{EventStatus, EventView};
use crate::id::{EventId, ItemId};
use serde::Serialize;

/// An event as its viewers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PublicState {
    id: EventId,
    title: String,
    status: EventStatus,
    /// Goes up with each change, so that a page can tell a late answer from a new one.
    version: u64,
    /// Whether there is something to see: a broadcast, or the slate in its place.
    receiving: bool,
    /// The recordings to watch afterwards, the oldest first; only of an ended event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemId>,
}

impl PublicState {
    /// Leaves out of an event what is not for viewers.
    pub(super) fn of(event: &EventView, items: Vec<ItemId>) -> Self {
        Self {
            id: event.id,
            title: event.title.clone(),
            status: event.status,
            version: event.version + event.activity_version,
            receiving: event.is_receiving() || event.on_air.is_some(),
            items,
        }
    }
}
