//! Short words for figures: a line of the display has 25 characters.

use core::fmt::{self, Display, Formatter, Write as _};

use stagebox_protocol::panel::{Input, Output, OutputState, Preflight, PreflightState, Recording, Storage};

/// A line of text; what does not fit is cut off.
pub(crate) type Line = heapless::String<32>;

/// Appends to a line, as far as it fits.
pub(crate) fn say(line: &mut Line, words: fmt::Arguments<'_>) {
    let _cut = line.write_fmt(words);
}

/// Seconds as people read them: `0:07`, `12:34`, `1:02:03`.
pub(crate) struct Clock(pub u32);

impl Display for Clock {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (self.0 / 3_600, self.0 / 60 % 60, self.0 % 60);
        if hours > 0 {
            write!(f, "{hours}:{minutes:02}:{seconds:02}")
        } else {
            write!(f, "{minutes}:{seconds:02}")
        }
    }
}

pub(crate) fn input(line: &mut Line, input: &Input) {
    match input {
        Input::NoSignal => say(line, format_args!("no signal")),
        Input::Unstable => say(line, format_args!("not locked")),
        Input::Locked(mode) => {
            let scan = if mode.interlaced { 'i' } else { 'p' };
            // Widths that belong to a height need not be said.
            let usual = matches!((mode.width, mode.height), (3840, 2160) | (1920, 1080) | (1280, 720));
            if usual {
                say(line, format_args!("{}{scan}", mode.height));
            } else {
                say(line, format_args!("{}x{}{scan}", mode.width, mode.height));
            }
            let (whole, rest) = (mode.rate_milli / 1_000, mode.rate_milli % 1_000 / 10);
            if rest == 0 {
                say(line, format_args!("{whole}"));
            } else {
                say(line, format_args!("{whole}.{rest:02}"));
            }
        }
    }
}

pub(crate) fn output(line: &mut Line, output: &Output) {
    match output.state {
        OutputState::Unset => say(line, format_args!("not set")),
        OutputState::Idle => say(line, format_args!("standing by")),
        OutputState::Connecting => say(line, format_args!("connecting")),
        OutputState::Streaming => {
            say(line, format_args!("{} kb/s", output.bitrate_kbps));
            if output.dropped_frames > 0 {
                say(line, format_args!(" -{}", output.dropped_frames));
            }
        }
        // Zero says that the agent does not tell when.
        OutputState::Waiting { retry_ms: 0 } => say(line, format_args!("away, retrying")),
        OutputState::Waiting { retry_ms } => {
            say(line, format_args!("away, retry {}s", retry_ms.div_ceil(1_000)));
        }
        OutputState::Refused => say(line, format_args!("server says no")),
    }
}

pub(crate) fn recording(line: &mut Line, recording: Recording) {
    match recording {
        Recording::Off => say(line, format_args!("off")),
        Recording::On { elapsed_s } => say(line, format_args!("{}", Clock(elapsed_s))),
        Recording::Failed => say(line, format_args!("FAILED")),
    }
}

/// The test before going live, and how long ago it was.
pub(crate) fn preflight(line: &mut Line, test: &Preflight) {
    let what = &test.what;
    match test.state {
        PreflightState::Running { percent } if what.is_empty() => {
            say(line, format_args!("Testing {percent}%"));
        }
        PreflightState::Running { percent } => say(line, format_args!("Testing {percent}%: {what}")),
        PreflightState::Passed { ago_s } => say(line, format_args!("Test passed {}", Ago(ago_s))),
        PreflightState::Warned { .. } => say(line, format_args!("Test: look at {what}")),
        PreflightState::Failed { .. } => say(line, format_args!("Test failed: {what}")),
        PreflightState::Cancelled => say(line, format_args!("Test cancelled")),
    }
}

/// Roughly how long ago.
struct Ago(u32);

impl Display for Ago {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..60 => f.write_str("just now"),
            seconds @ 60..3_600 => write!(f, "{}min ago", seconds / 60),
            seconds => write!(f, "{}h ago", seconds / 3_600),
        }
    }
}

/// What is left: time while that is known and short, else space.
pub(crate) fn storage(line: &mut Line, storage: Storage) {
    match storage.left_min {
        Some(minutes) if minutes < 100 => say(line, format_args!("{minutes}min")),
        Some(minutes) if minutes < 100 * 60 => say(line, format_args!("{}h", minutes / 60)),
        _ if storage.free_mb < 1_000 => say(line, format_args!("{}MB", storage.free_mb)),
        _ if storage.free_mb < 1_000_000 => say(line, format_args!("{}GB", storage.free_mb / 1_000)),
        _ => say(line, format_args!("{}.{}TB", storage.free_mb / 1_000_000, storage.free_mb / 100_000 % 10)),
    }
}
