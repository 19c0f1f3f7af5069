//! What the timeline is told with each call.

use std::time::Instant;

/// Names one publisher's session; never used again after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InputId(pub(crate) u64);

/// The clocks, as the driver read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) unix_ms: i64,
}
