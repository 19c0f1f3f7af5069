//! What the list of events is filtered and sorted by.

use super::EventStatus;
use super::document::{BY_NUMBER, BY_OWN_DEVICE, BY_STATUS, BY_STATUS_AND_TITLE, BY_TITLE, BY_UPDATE};
use crate::http::listing::{Filter, Listing, Way, id};
use crate::id::BoxId;

/// `GET /api/v1/events`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/events",
    filters: &[
        Filter {
            name: "status",
            words: "Only those that stand there.",
            one_of: &["waiting", "preview", "started", "paused", "ended"],
            read: |text| text.parse::<EventStatus>().map(|status| status.to_string()),
        },
        Filter {
            name: "device_id",
            words: "Only those that a box pushes to.",
            one_of: &[],
            read: id::<BoxId>,
        },
    ],
    ways: &[
        Way::newest(&[], "created_at", BY_NUMBER),
        Way::newest(&[], "updated_at", BY_UPDATE),
        Way::rising(&[], "title", BY_TITLE),
        Way::newest(&["status"], "created_at", BY_STATUS),
        Way::rising(&["status"], "title", BY_STATUS_AND_TITLE),
        Way::newest(&["device_id"], "created_at", BY_OWN_DEVICE),
    ],
};
