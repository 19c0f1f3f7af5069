//! The box's own log lines, kept for whoever asks from afar: the last ones in memory, and files in the data directory.
//!
//! Both are bounded, and no line holds a secret that was named to [`Log::hide`], whoever wrote it.

mod files;
mod layer;
mod line;
mod pieces;
mod ring;

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use stagebox_protocol::LogLevel;

pub use layer::Layer;
pub use line::Line;
pub(crate) use line::level;
pub use pieces::Pieces;

use crate::clock::Clock;
use files::Files;
use ring::Ring;

/// What lines in memory take together.
const RING_BYTES: usize = 2 << 20;
/// What is told at most, packed.
pub const MOST_BYTES: usize = 2 << 20;
/// A shorter text is in every other line by chance.
const SHORTEST_SECRET: usize = 6;
/// Secrets of others that are known at most; the oldest are forgotten first.
const MOST_PASSING: usize = 64;

/// A handle to the log; clones are the same.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    clock: Clock,
    ring: Mutex<Ring>,
    secrets: RwLock<Secrets>,
    files: OnceLock<Files>,
}

/// What no line shows.
#[derive(Default)]
struct Secrets {
    /// The configuration's: there are as many as it has.
    own: Vec<String>,
    /// What others name while the box runs.
    passing: VecDeque<String>,
}

/// Log lines, packed (gzip).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub bytes: Vec<u8>,
    pub lines: usize,
}

impl Log {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            ring: Mutex::new(Ring::new(RING_BYTES)),
            secrets: RwLock::default(),
            files: OnceLock::new(),
        }))
    }

    /// Writes what comes from now on to files in this folder, too.
    pub fn keep_in(&self, folder: &Path) {
        match Files::begin(folder) {
            // Whoever came first keeps them.
            Ok(files) => drop(self.0.files.set(files)),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "log lines are kept in memory only (data_dir)");
            }
        }
    }

    /// Has no line ever show this text, which the configuration has.
    pub fn hide(&self, secret: &str) {
        let mut secrets = self.secrets();
        if secret.len() >= SHORTEST_SECRET && !secrets.own.iter().any(|known| known == secret) {
            secrets.own.push(secret.to_owned());
        }
    }

    /// Has no line show this text until many others were named: there is no end of those that come while the box runs.
    pub fn hide_passing(&self, secret: &str) {
        let mut secrets = self.secrets();
        if secret.len() < SHORTEST_SECRET || secrets.own.iter().any(|known| known == secret) {
            return;
        }
        // One that is named again is the newest.
        secrets.passing.retain(|known| known != secret);
        if secrets.passing.len() >= MOST_PASSING {
            secrets.passing.pop_front();
        }
        secrets.passing.push_back(secret.to_owned());
    }

    /// Takes a line.
    pub fn take(&self, level: LogLevel, target: &str, message: &str) {
        let (unix_ms, mono_ms) = (self.0.clock.unix_ms(), self.0.clock.mono_ms());
        let line = Line::new(unix_ms, mono_ms, level, target, &self.masked(message));
        if let Some(files) = self.0.files.get() {
            files.write(&line);
        }
        self.ring().push(line);
    }

    /// Lines of the last minutes of this level and worse, packed; to be called where one may wait for a disk.
    #[must_use]
    pub fn packed(&self, minutes: u32, level: LogLevel) -> Packed {
        let written = self.0.files.get().map(Files::read).unwrap_or_default();
        let lines = self.ring().since(&written, self.0.clock.mono_ms(), minutes, level);
        // Once more: a secret may have been named after the line was taken.
        let lines: Vec<String> = lines.iter().map(|line| self.masked(line)).collect();
        pack(&lines, MOST_BYTES)
    }

    fn masked(&self, text: &str) -> String {
        let secrets = self.0.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let all = secrets.own.iter().chain(&secrets.passing);
        let found = all.filter(|secret| text.contains(secret.as_str()));
        found.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    fn secrets(&self) -> std::sync::RwLockWriteGuard<'_, Secrets> {
        self.0.secrets.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Packs the newest lines that fit.
fn pack(lines: &[String], most_bytes: usize) -> Packed {
    let mut lines = lines;
    loop {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        // Memory takes everything.
        let written = lines.iter().try_for_each(|line| writeln!(packer, "{line}"));
        let bytes = written.and_then(|()| packer.finish()).unwrap_or_default();
        if bytes.len() <= most_bytes || lines.is_empty() {
            return Packed { bytes, lines: lines.len() };
        }
        lines = &lines[lines.len().div_ceil(2)..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn text(packed: &Packed) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed.bytes[..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn lines_come_back_by_level_and_without_secrets() {
        let log = Log::new(Clock::new());
        log.hide("0123456789abcdef");
        log.hide("a");
        log.take(LogLevel::Info, "stagebox", "pushes to rtmp://h/live/0123456789abcdef\nas it was told");
        log.take(LogLevel::Warn, "stagebox", "lost");
        log.take(LogLevel::Debug, "stagebox", "nothing");
        let packed = log.packed(60, LogLevel::Info);
        let lines = text(&packed);
        assert!(packed.lines == 2 && lines.contains("live/***\\nas it was told"), "{lines}");
        assert!(!lines.contains("0123456789") && !lines.contains("nothing"), "{lines}");
        assert_eq!(log.packed(60, LogLevel::Error).lines, 0);
        log.hide("rtmp://h");
        assert!(!text(&log.packed(60, LogLevel::Info)).contains("rtmp://h"), "named afterwards");
    }

    #[test]
    fn the_boxs_own_secret_is_never_forgotten() {
        let log = Log::new(Clock::new());
        log.hide("the-box's-own");
        for number in 0..2 * MOST_PASSING {
            log.hide_passing("a-key-named-again");
            log.hide_passing(&format!("stream-key-{number:03}"));
        }
        log.take(LogLevel::Info, "stagebox", "the-box's-own a-key-named-again stream-key-127 stream-key-000");
        let lines = text(&log.packed(60, LogLevel::Info));
        assert!(lines.contains("*** *** *** stream-key-000"), "{lines}");
        let secrets = log.secrets();
        assert_eq!((secrets.own.len(), secrets.passing.len()), (1, MOST_PASSING));
    }

    #[test]
    fn files_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let before = Log::new(Clock::new());
        before.keep_in(folder.path());
        before.take(LogLevel::Info, "stagebox", "first");
        assert_eq!(text(&before.packed(60, LogLevel::Info)).matches("first").count(), 1);
        // What comes from memory may not be on disk yet.
        let is_written = |_| {
            let written = before.0.files.get().unwrap().read();
            written.before_this_run.iter().chain(&written.in_this_run).any(|line| line.text.contains("first"))
        };
        assert!((0..30).any(is_written), "the disk takes nothing");
        drop(before);
        // A line that a power cut tore.
        let path = folder.path().join("agent.log");
        let mut torn = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"2026-05-01T18:30:0").unwrap();
        let after = Log::new(Clock::new());
        after.keep_in(folder.path());
        after.take(LogLevel::Info, "stagebox", "second");
        let lines = text(&after.packed(60, LogLevel::Info));
        let found: Vec<bool> =
            lines.lines().map(|line| line.contains("first") || line.contains("second")).collect();
        assert_eq!(found, [true, true], "{lines}");
    }

    #[test]
    fn what_does_not_fit_is_the_oldest() {
        let lines: Vec<String> =
            (0..1_000).map(|number| format!("line {number} {:x}", number * 7_919 % 104_729)).collect();
        let packed = pack(&lines, 2_000);
        assert!(packed.bytes.len() <= 2_000 && packed.lines > 0 && packed.lines < 1_000);
        assert!(text(&packed).lines().last().is_some_and(|line| line.starts_with("line 999 ")));
        assert_eq!(pack(&lines, 1 << 20).lines, 1_000);
        assert_eq!(pack(&[], 0).lines, 0);
    }
}
