//! What the list of simulcasts is filtered and sorted by.

use super::document::{BY_NUMBER, BY_OWN_EVENT};
use crate::http::listing::{Filter, Listing, Way, id};
use crate::id::EventId;

/// `GET /api/v1/simulcasts`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/simulcasts",
    filters: &[Filter {
        name: "event_id",
        words: "Only those of an event.",
        one_of: &[],
        read: id::<EventId>,
    }],
    ways: &[
        Way::newest(&[], "created_at", BY_NUMBER),
        Way::newest(&["event_id"], "created_at", BY_OWN_EVENT),
    ],
};
