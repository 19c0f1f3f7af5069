//! How patient the timeline is with its inputs.

use std::time::Duration;

use crate::settings::Settings;

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

impl Policy {
    /// How patient an account wants to be with its encoders.
    pub(crate) fn of(settings: &Settings) -> Self {
        let return_after = Some(settings.main_back_s).filter(|seconds| *seconds > 0).map(Duration::from_secs);
        Self { return_after, ..Self::default() }
    }
}
