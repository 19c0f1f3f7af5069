//! What a box says of the configuration that is wanted of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The largest `config` in `desired`, as JSON: it fits beside everything else into one message.
pub const MAX_CONFIG_BYTES: usize = 32 * 1024;

/// How far a box came with the `config` in `desired`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxReportedConfig))]
pub struct ReportedConfig {
    /// The `config_version` that this answers; 0 before the first.
    pub version: u64,
    /// Whether the box works with it.
    pub applied: bool,
    /// What it waits for, if it is good and does not hold yet; in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Why it was refused: the box goes on with what it had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ConfigProblem>,
    /// What the box could not do as its configuration says, at its start; in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the box works with, as far as `config` can change it: sections and keys as in its file.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub running: Map<String, Value>,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxConfigProblem))]
pub struct ConfigProblem {
    /// The key, `video.fps`; empty where none can be named.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would do.
    pub fix: String,
}
