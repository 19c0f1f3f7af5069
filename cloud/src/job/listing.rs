//! What the list of jobs is filtered and sorted by.

use super::StateName;
use super::document::{BY_KIND, BY_KIND_AND_STATE, BY_STATE, BY_TIME};
use crate::http::listing::{Filter, Listing, Way};

/// Longest kind in a filter.
const MAX_KIND: usize = 40;

/// `GET /api/v1/jobs`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/jobs",
    filters: &[
        Filter {
            name: "state",
            words: "Only those that stand there.",
            one_of: &["waiting", "running", "done", "failed", "cancelled"],
            read: |text| text.parse::<StateName>().map(|state| state.as_str().to_owned()),
        },
        Filter {
            name: "kind",
            words: "Only those of a kind, such as delete-media or batch.",
            one_of: &[],
            read: |text| {
                if text.is_empty() || text.len() > MAX_KIND {
                    return Err(format!("must be a kind of job: 1 to {MAX_KIND} characters"));
                }
                Ok(text.to_owned())
            },
        },
    ],
    ways: &[
        Way::newest(&[], "created_at", BY_TIME),
        Way::newest(&["state"], "created_at", BY_STATE),
        Way::newest(&["kind"], "created_at", BY_KIND),
        Way::newest(&["kind", "state"], "created_at", BY_KIND_AND_STATE),
    ],
};
