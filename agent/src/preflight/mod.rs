//! The test before going live: whether source, encoder, disk, clock, servers and line are fit, without going live.
//!
//! `state.rs` decides what has its turn, how long that may take and how it ends; `judge.rs` says what a figure means;
//! both are pure. `driver.rs` carries it out with `watch.rs` (source, sound and encoder as they run), `disk.rs`,
//! `server.rs` (as far as the connection: nothing is published) and `upload.rs` (to the cloud, which throws it away).

mod disk;
mod driver;
mod judge;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod upload;
mod watch;

pub use driver::{PreflightHandle, Setup, Told, spawn};

use stagebox_protocol::preflight::PreflightVerdict;

/// What came of looking at one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    verdict: PreflightVerdict,
    /// What was found, in words and figures.
    said: String,
    /// What to do about it.
    fix: Option<String>,
    /// What the line carried, where that was measured.
    upload_kbps: Option<u32>,
}

impl Finding {
    fn pass(said: impl Into<String>) -> Self {
        Self { verdict: PreflightVerdict::Pass, said: said.into(), fix: None, upload_kbps: None }
    }

    fn skipped(said: impl Into<String>) -> Self {
        Self { verdict: PreflightVerdict::Skipped, ..Self::pass(said) }
    }

    fn warn(said: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: PreflightVerdict::Warn, fix: Some(fix.into()), ..Self::pass(said) }
    }

    fn fail(said: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: PreflightVerdict::Fail, ..Self::warn(said, fix) }
    }
}
