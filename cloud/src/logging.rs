//! What the log looks like: lines for people, or JSON for programs that collect logs.

use serde::Deserialize;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// What is written where `STAGEBOX_LOG` says nothing.
const FILTER: &str = "info,object_store=warn";

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What each line looks like.
    pub format: LogFormat,
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text for people, in colours on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Has this process write its log to its standard error; once, at its start.
pub fn begin(config: &LogConfig) {
    let filter = EnvFilter::try_from_env("STAGEBOX_LOG").unwrap_or_else(|_| EnvFilter::new(FILTER));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
        }
    }
}
