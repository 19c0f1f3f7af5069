//! What the list of items is filtered and sorted by.

use super::document::{BY_NUMBER, BY_OWN_EVENT, BY_TITLE, BY_UPDATE};
use crate::http::listing::{Filter, Listing, Way, id};
use crate::id::EventId;

/// `GET /api/v1/items`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/items",
    filters: &[Filter {
        name: "event_id",
        words: "Only those that were made of an event's recordings.",
        one_of: &[],
        read: id::<EventId>,
    }],
    ways: &[
        Way::newest(&[], "created_at", BY_NUMBER),
        Way::newest(&[], "updated_at", BY_UPDATE),
        Way::rising(&[], "title", BY_TITLE),
        Way::newest(&["event_id"], "created_at", BY_OWN_EVENT),
    ],
};
