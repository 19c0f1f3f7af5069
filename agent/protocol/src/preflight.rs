//! The test before going live: what a box found out about itself, its line and its servers.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// How long the upload is measured when nothing else is said.
pub const UPLOAD_S: u32 = 10;
/// The longest that it is measured.
pub const LONGEST_UPLOAD_S: u32 = 30;

/// A test of a box before going live, as far as it came; the last one since the box's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxPreflight))]
pub struct Preflight {
    /// How far it came, or how it ended.
    #[serde(default)]
    pub state: PreflightState,
    /// How much of it is done, 0 to 100.
    #[serde(default)]
    pub percent: u8,
    /// By the box's clock.
    pub started_at: Timestamp,
    /// By the box's clock; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What is looked at, in this order.
    #[serde(default)]
    pub checks: Vec<PreflightCheck>,
    /// What the line to the cloud carried, in kbit/s, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_kbps: Option<u32>,
}

/// How far a test came, or how it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxPreflightState))]
pub enum PreflightState {
    #[default]
    Running,
    /// Nothing stands against going live.
    Passed,
    /// It will go, but somebody should look at what was warned of.
    Warned,
    /// Going live would fail, or look bad.
    Failed,
    /// It was told to end, or the box went live.
    Cancelled,
    #[serde(other)]
    Unknown,
}

/// One thing that is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxPreflightCheck))]
pub struct PreflightCheck {
    /// `source`, `sound`, `encoder`, `room`, `disk`, `clock`, `main`, `backup`, `third`, `fourth`, `upload`; a
    /// later version may have more.
    pub name: String,
    /// How it is.
    #[serde(default)]
    pub verdict: PreflightVerdict,
    /// What was found, in words and figures; empty before.
    #[serde(default)]
    pub said: String,
    /// What to do about it, where anything is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How one thing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxPreflightVerdict))]
pub enum PreflightVerdict {
    /// It has not had its turn.
    #[default]
    Waiting,
    Running,
    Pass,
    Warn,
    Fail,
    /// It could not be looked at, or need not be.
    Skipped,
    #[serde(other)]
    Unknown,
}

impl Preflight {
    /// The first thing that the outcome is to blame on: one that failed, or else one that was warned of.
    #[must_use]
    pub fn worst(&self) -> Option<&PreflightCheck> {
        let first = |verdict| self.checks.iter().find(|check| check.verdict == verdict);
        first(PreflightVerdict::Fail).or_else(|| first(PreflightVerdict::Warn))
    }
}
