//! What the list of processes is filtered and sorted by.

use crate::http::listing::{Filter, IN_MEMORY, Listing, TRUTH, Way, truth};

/// `GET /api/v1/nodes`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/nodes",
    filters: &[Filter {
        name: "running",
        words: "Only those that run, or that do not any more.",
        one_of: TRUTH,
        read: truth,
    }],
    ways: &[
        Way::rising(&[], "id", IN_MEMORY),
        Way::newest(&[], "started_at", IN_MEMORY),
        Way::rising(&["running"], "id", IN_MEMORY),
    ],
};
