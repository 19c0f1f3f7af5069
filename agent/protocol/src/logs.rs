//! A box's log lines, asked for by `fetch_logs` and `fetch_more_logs`, and answered in pieces.

use crate::id::CommandId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How much of its log a box sends when nothing else is said, in minutes.
pub const LOG_MINUTES: u32 = 60;
/// The most that it sends.
pub const MOST_LOG_MINUTES: u32 = 1_440;
/// The largest piece, before it is written as Base64: it fits into one message.
pub const LOG_PIECE_BYTES: usize = 24 * 1024;

/// How much a log line matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxLogLevel))]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// A piece of packed log lines: the `result` of `fetch_logs` and `fetch_more_logs`.
///
/// All pieces together are one gzip file (RFC 1952) of UTF-8 text, a line each, the oldest first. The next one begins
/// where this one ends; the last one ends at `total_bytes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxLogPiece))]
pub struct LogPiece {
    /// The `fetch_logs` whose lines they are, for `fetch_more_logs`.
    pub of: CommandId,
    /// Lines in all pieces together.
    pub lines: u32,
    /// Bytes of all pieces together.
    pub total_bytes: u32,
    /// Where this piece begins, in bytes.
    pub offset: u32,
    /// The piece as Base64 (RFC 4648, section 4).
    pub data: String,
}

impl LogPiece {
    /// As it stands in a response.
    #[must_use]
    pub fn result(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FetchLogsArgs {
    #[serde(default = "log_minutes")]
    pub(crate) minutes: u32,
    #[serde(default)]
    pub(crate) level: LogLevel,
}

fn log_minutes() -> u32 {
    LOG_MINUTES
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FetchMoreLogsArgs {
    pub(crate) of: CommandId,
    pub(crate) offset: u32,
}
