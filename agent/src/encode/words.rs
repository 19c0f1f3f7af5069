//! What a media process writes to its standard error, as lines of the daemon's own log.

use bytes::{Buf, BytesMut};
use stagebox_protocol::LogLevel;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;

use crate::logs::level;

/// A longer line comes in pieces.
const MOST_BYTES: usize = 4 << 10;

/// Passes its lines on, until it has ended.
pub(super) fn pass_on(mut from: ChildStderr) {
    tokio::spawn(async move {
        let mut read = BytesMut::with_capacity(MOST_BYTES);
        // What cannot be read any more has ended.
        while from.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
            while let Some(line) = take_line(&mut read) {
                log(&line);
            }
        }
        if !read.is_empty() {
            log(&String::from_utf8_lossy(&read));
        }
    });
}

fn take_line(read: &mut BytesMut) -> Option<String> {
    let end = read.iter().position(|byte| *byte == b'\n');
    let (length, skipped) = match end {
        Some(end) if end <= MOST_BYTES => (end, 1),
        _ if read.len() > MOST_BYTES => (MOST_BYTES, 0),
        _ => return None,
    };
    let line = String::from_utf8_lossy(&read[..length]).trim_end().to_owned();
    read.advance(length + skipped);
    Some(line)
}

fn log(line: &str) {
    if line.is_empty() {
        return;
    }
    let (level, words) = understood(line);
    match level {
        LogLevel::Error => tracing::error!(target: "stagebox_agent::media", "{words}"),
        LogLevel::Warn => tracing::warn!(target: "stagebox_agent::media", "{words}"),
        LogLevel::Info => tracing::info!(target: "stagebox_agent::media", "{words}"),
        LogLevel::Debug => tracing::debug!(target: "stagebox_agent::media", "{words}"),
        LogLevel::Trace => tracing::trace!(target: "stagebox_agent::media", "{words}"),
    }
}

/// The level and the words of a line behind its time; of what a library writes by itself, all of it.
fn understood(line: &str) -> (LogLevel, &str) {
    let behind_time = line.split_once('Z').map(|(_, rest)| rest.trim_start());
    let parts = behind_time.and_then(|rest| rest.split_once(' '));
    let known = parts.and_then(|(word, words)| Some((level(word)?, words)));
    known.unwrap_or((LogLevel::Warn, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_level() {
        for (line, wanted) in [
            (
                "2026-05-01T18:30:00.250123Z  INFO stagebox_agent: encoder=x264enc",
                (LogLevel::Info, "stagebox_agent: encoder=x264enc"),
            ),
            (
                "2026-05-01T18:30:00.250123Z ERROR stagebox_agent: gone",
                (LogLevel::Error, "stagebox_agent: gone"),
            ),
            ("(x:1): GStreamer-CRITICAL **: what", (LogLevel::Warn, "(x:1): GStreamer-CRITICAL **: what")),
            ("Zebra crossing", (LogLevel::Warn, "Zebra crossing")),
        ] {
            assert_eq!(understood(line), wanted);
        }
    }

    #[test]
    fn lines_are_taken_whole_and_long_ones_in_pieces() {
        let mut read = BytesMut::from(&b"one\ntwo"[..]);
        assert_eq!((take_line(&mut read).as_deref(), take_line(&mut read)), (Some("one"), None));
        read.extend_from_slice(&vec![b'x'; 2 * MOST_BYTES]);
        assert_eq!(take_line(&mut read).map(|line| line.len()), Some(MOST_BYTES));
        read.extend_from_slice(b"\n");
        assert_eq!(take_line(&mut read).map(|line| line.len()), Some(MOST_BYTES));
        assert_eq!(take_line(&mut read).map(|line| line.len()), Some(3));
    }
}
