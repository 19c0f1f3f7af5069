//! What the list of alarms is sorted by.

use crate::http::listing::{IN_MEMORY, Listing, Way};

/// `GET /api/v1/alarms`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/alarms",
    filters: &[],
    ways: &[Way::rising(&[], "name", IN_MEMORY), Way::newest(&[], "since", IN_MEMORY)],
};
