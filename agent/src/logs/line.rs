//! One log line, as it is written and read.

use stagebox_protocol::LogLevel;
use stagebox_protocol::Timestamp;

/// Longest line in bytes; what is longer is cut.
const MOST_BYTES: usize = 4 << 10;

/// A line with its time and level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub unix_ms: i64,
    /// Since the machine's boot; 0 for a line that was read from a file.
    pub mono_ms: u64,
    pub level: LogLevel,
    /// All of it: time, level, target, message.
    pub text: String,
}

impl Line {
    #[must_use]
    pub fn new(unix_ms: i64, mono_ms: u64, level: LogLevel, target: &str, message: &str) -> Self {
        let message = message.replace('\r', "\\r").replace('\n', "\\n");
        let mut text = format!("{} {:>5} {target}: {message}", Timestamp::from_unix_ms(unix_ms), word(level));
        let end = (0..=MOST_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        Self { unix_ms, mono_ms, level, text }
    }

    /// Reads a line of a file; `None` for what is none, as the end of a file that was written when power was cut.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let unix_ms = Timestamp::parse(words.next()?)?.unix_ms();
        let level = level(words.next()?)?;
        Some(Self { unix_ms, mono_ms: 0, level, text: text.to_owned() })
    }
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "ERROR",
        LogLevel::Warn => "WARN",
        LogLevel::Info => "INFO",
        LogLevel::Debug => "DEBUG",
        LogLevel::Trace => "TRACE",
    }
}

/// A level by its name in a line.
pub(crate) fn level(word: &str) -> Option<LogLevel> {
    let all = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    all.into_iter().find(|level| self::word(*level) == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_reads_back_as_it_was_written(unix_ms in 0_i64..4_000_000_000_000, message in any::<String>(), number in 0_usize..5) {
            let level = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace][number];
            let line = Line::new(unix_ms, 0, level, "stagebox", &message);
            prop_assert!(line.text.len() <= MOST_BYTES && !line.text.contains('\n'));
            prop_assert_eq!(Line::read(&line.text), Some(line));
        }
    }
}
