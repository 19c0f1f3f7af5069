//! How patient the timeline is with its inputs.

use std::time::Duration;

/// When another source takes over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// An input without a frame for so long is lost.
    pub(crate) loss: Duration,
    /// A frame that one of two copies lacks is waited for for so long.
    pub(crate) hold: Duration,
    /// Main comes back once it was good for so long; never, if there is none.
    pub(crate) return_after: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            loss: Duration::from_secs(1),
            hold: Duration::from_millis(300),
            return_after: Some(Duration::from_secs(10)),
        }
    }
}
