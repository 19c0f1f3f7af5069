//! `[jobs]`

use serde::Deserialize;
use std::time::Duration;

/// `[jobs]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// How long a job is left to a server that does not say any more that it works on it.
    pub lease_ms: u64,
    /// How long jobs that have ended are listed.
    pub keep_ended_h: u64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { lease_ms: 15_000, keep_ended_h: 168 }
    }
}

impl Jobs {
    /// The first key whose value makes no sense, and what would.
    pub(crate) fn wrong(&self) -> Option<(&'static str, &'static str)> {
        if !(1_000..=3_600_000).contains(&self.lease_ms) {
            return Some(("jobs.lease_ms", "must be between 1000 and 3600000"));
        }
        if !(1..=87_600).contains(&self.keep_ended_h) {
            return Some(("jobs.keep_ended_h", "must be between 1 and 87600"));
        }
        None
    }

    pub(super) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// Well inside the lease: two may be lost.
    pub(super) fn heartbeat(&self) -> Duration {
        self.lease() / 3
    }

    pub(super) fn keep_ended(&self) -> Duration {
        Duration::from_secs(self.keep_ended_h * 3600)
    }
}
