//! `desired` and `reported`: what the cloud wants of a box, and what the box made of it.

use crate::configured::ReportedConfig;
use crate::telemetry::OutputRole;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The payload of `desired`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Grows with each change; a box keeps to the highest it has seen.
    pub version: u64,
    pub state: DesiredState,
}

/// What the cloud wants a box to be; an absent field leaves that part to the box.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DesiredState {
    /// The name on the box's display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The event whose targets the box pushes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// What that event is called: recordings are named after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_title: Option<String>,
    /// Grows when the stream targets changed: the box fetches them anew over its authenticated HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_version: Option<u64>,
    /// What differs from the box's own file, by the same sections and keys; `null` leaves a key at its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Map<String, serde_json::Value>>,
    /// The version with which `config` changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_version: Option<u64>,
    /// Whether it is to hold at once, though that interrupts a stream or a recording for a moment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub config_now: bool,
    /// Keys of a newer contract: kept, not applied, and named in `reported`.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// All of it was applied.
pub const CODE_APPLIED: u16 = 200;
/// Applied but for keys that this box does not know.
pub const CODE_PARTLY: u16 = 206;
/// The desired state was refused.
pub const CODE_REFUSED: u16 = 422;
/// Applying it failed; the box tries again.
pub const CODE_FAILED: u16 = 503;

/// The payload of `reported`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxReport))]
pub struct Reported {
    /// The version of `desired` that this answers; 0 before the first.
    pub desired_version: u64,
    /// 200 applied, 206 applied but for unknown keys, 422 refused, 503 failed and being tried again.
    pub code: u16,
    /// Why it was refused or failed.
    pub error: Option<String>,
    /// What the box is now.
    pub state: BoxState,
}

/// What a box is: software, the targets it has (keys masked), and what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxReportedState))]
pub struct BoxState {
    /// Name and version of the daemon, `stagebox-agent 0.1.0`.
    #[serde(default)]
    pub software: String,
    /// The name on its display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The event whose targets it pushes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The version of the targets that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_version: Option<u64>,
    /// The targets that it has.
    #[serde(default)]
    pub outputs: Vec<ReportedOutput>,
    /// Whether the box means to push.
    #[serde(default)]
    pub live: bool,
    /// Whether it means to record.
    #[serde(default)]
    pub recording: bool,
    /// How far it came with the configuration that is wanted of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ReportedConfig>,
}

/// A stream target as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxReportedOutput))]
pub struct ReportedOutput {
    /// Which target.
    pub role: OutputRole,
    /// Where to, without the key.
    pub url: String,
    /// The last characters of the key behind dots; never the key.
    pub key: String,
}

/// Masks a stream key: dots, and its last four characters if it is long enough to keep its secret.
#[must_use]
pub fn mask_key(key: &str) -> String {
    let count = key.chars().count();
    let shown = if count >= 16 { 4 } else { 0 };
    format!("••••{}", key.chars().skip(count - shown).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_key_gives_little_away() {
        assert_eq!(mask_key("0123456789abcdef"), "••••cdef");
        assert_eq!(mask_key("short"), "••••");
        assert_eq!(mask_key(""), "••••");
    }
}
