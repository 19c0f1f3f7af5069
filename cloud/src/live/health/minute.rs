//! Sixty seconds in one line, kept for as long as the event lasts.

use std::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Serialize};

use super::dbfs::Dbfs;
use super::sample::{Flags, Sample};

/// A minute of an input; a line of JSON in the event's file.
///
/// A field that a later version adds must have a default: lines of earlier ones are read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Minute {
    /// When it began, in seconds since 1970.
    pub(super) at_s: u32,
    /// How many of its seconds were looked at; the averages are over these.
    pub(super) seconds: u8,
    /// On average, as is `audio_kbps`.
    pub(super) video_kbps: u32,
    pub(super) audio_kbps: u16,
    /// Pictures that arrived.
    pub(super) frames: u32,
    /// Of the second in which the fewest pictures arrived.
    pub(super) lowest_fps: u16,
    /// The longest, as are `jitter_ms` and `late_ms`.
    pub(super) key_interval_ms: Option<NonZeroU32>,
    pub(super) jitter_ms: u16,
    pub(super) late_ms: u32,
    /// The last.
    pub(super) width: Option<NonZeroU16>,
    pub(super) height: Option<NonZeroU16>,
    /// Of the mean power.
    pub(super) rms: Dbfs,
    /// The loudest.
    pub(super) peak: Dbfs,
    /// All of them.
    pub(super) gaps: u32,
}

impl Minute {
    /// Its line, with the line's end.
    pub(crate) fn to_line(self) -> String {
        // Numbers and nothing else: it cannot fail.
        let mut line = serde_json::to_string(&self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Reads lines back; what is no line of a minute, such as a last one that was cut off, is left out.
///
/// A minute in which the server was restarted has two lines: the one that saw more of it counts.
pub(crate) fn read_minutes(lines: &[u8]) -> Vec<Minute> {
    let mut minutes: Vec<Minute> = Vec::new();
    for minute in
        lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Minute>(line).ok())
    {
        match minutes.last_mut().filter(|last| last.at_s == minute.at_s) {
            Some(last) if last.seconds < minute.seconds => *last = minute,
            Some(_) => {}
            None => minutes.push(minute),
        }
    }
    minutes
}

/// When the minute of a second began.
pub(super) fn minute_of(at_s: u32) -> u32 {
    at_s - at_s % 60
}

/// The minute that is not over yet.
#[derive(Debug, Clone)]
pub(super) struct Averaging {
    so_far: Minute,
    video_kbps: u64,
    audio_kbps: u64,
    whole: bool,
    power: f64,
    heard: u32,
}

impl Averaging {
    pub(super) fn new(at_s: u32) -> Self {
        let so_far = Minute {
            at_s: minute_of(at_s),
            seconds: 0,
            video_kbps: 0,
            audio_kbps: 0,
            frames: 0,
            lowest_fps: 0,
            key_interval_ms: None,
            jitter_ms: 0,
            late_ms: 0,
            width: None,
            height: None,
            rms: Dbfs::NONE,
            peak: Dbfs::NONE,
            gaps: 0,
        };
        Self { so_far, video_kbps: 0, audio_kbps: 0, whole: false, power: 0.0, heard: 0 }
    }

    pub(super) fn at_s(&self) -> u32 {
        self.so_far.at_s
    }

    pub(super) fn push(&mut self, sample: &Sample) {
        let minute = &mut self.so_far;
        minute.seconds = minute.seconds.saturating_add(1);
        self.video_kbps = self.video_kbps.saturating_add(u64::from(sample.video_kbps));
        self.audio_kbps = self.audio_kbps.saturating_add(u64::from(sample.audio_kbps));
        minute.frames = minute.frames.saturating_add(u32::from(sample.frames));
        // A second that a broadcast began or ended in has fewer pictures, and that says nothing of the rate.
        if sample.flags.has(Flags::WHOLE) {
            minute.lowest_fps = if self.whole { minute.lowest_fps.min(sample.frames) } else { sample.frames };
            self.whole = true;
        }
        minute.key_interval_ms = minute.key_interval_ms.max(sample.key_interval_ms);
        minute.jitter_ms = minute.jitter_ms.max(sample.jitter_ms);
        minute.late_ms = minute.late_ms.max(sample.late_ms);
        minute.width = sample.width.or(minute.width);
        minute.height = sample.height.or(minute.height);
        minute.peak = minute.peak.max(sample.peak);
        minute.gaps = minute.gaps.saturating_add(u32::from(sample.gaps));
        if let Some(power) = sample.rms.power() {
            self.power += power;
            self.heard += 1;
        }
    }

    pub(super) fn close(&self) -> Minute {
        let seconds = u64::from(self.so_far.seconds.max(1));
        Minute {
            video_kbps: u32::try_from(self.video_kbps / seconds).unwrap_or(u32::MAX),
            audio_kbps: u16::try_from(self.audio_kbps / seconds).unwrap_or(u16::MAX),
            rms: if self.heard == 0 {
                Dbfs::NONE
            } else {
                Dbfs::of_power(self.power / f64::from(self.heard))
            },
            ..self.so_far
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(frames: u16, rms: f64) -> Sample {
        let mut flags = Flags::default();
        flags.set(Flags::WHOLE, true);
        Sample {
            at_s: 120,
            frames,
            video_kbps: 100 * u32::from(frames),
            rms: Some(rms).into(),
            flags,
            ..Sample::default()
        }
    }

    fn minute() -> Minute {
        let mut averaging = Averaging::new(125);
        averaging.push(&Sample { frames: 3, gaps: 2, ..Sample::default() });
        averaging.push(&Sample {
            key_interval_ms: NonZeroU32::new(4_000),
            peak: Some(-1.0).into(),
            ..sample(30, -20.0)
        });
        averaging.push(&Sample {
            jitter_ms: 70,
            gaps: 3,
            width: NonZeroU16::new(1_280),
            ..sample(24, -10.0)
        });
        averaging.close()
    }

    #[test]
    fn a_minute_keeps_what_was_worst() {
        let minute = minute();
        assert_eq!((minute.at_s, minute.seconds, minute.frames, minute.lowest_fps), (120, 3, 57, 24));
        assert_eq!((minute.video_kbps, minute.gaps, minute.jitter_ms), (1_800, 5, 70));
        assert_eq!(minute.key_interval_ms, NonZeroU32::new(4_000));
        // (10^-2 + 10^-1) / 2 is -12.6 dB.
        assert_eq!((minute.rms.get(), minute.peak.get()), (Some(-12.6), Some(-1.0)));
        assert!(size_of::<Minute>() <= 40);
    }

    #[test]
    fn lines_are_read_back_and_broken_ones_left_out() {
        let (first, second) = (minute(), Minute { at_s: 180, ..minute() });
        let cut = &second.to_line()[..20];
        let file = format!(
            "{}\n?!\n{}{}{cut}",
            first.to_line(),
            Minute { seconds: 1, ..first }.to_line(),
            second.to_line()
        );
        assert_eq!(read_minutes(file.as_bytes()), [first, second]);
        assert_eq!(read_minutes(b""), []);
        assert_eq!(read_minutes(&[0xff, b'\n', b'{', b'}']), []);
        // As it lies in files: fields may be added to it, never taken away.
        let golden = r#"{"at_s":120,"seconds":3,"video_kbps":1800,"audio_kbps":0,"frames":57,"lowest_fps":24,"key_interval_ms":4000,"jitter_ms":70,"late_ms":0,"width":1280,"height":null,"rms":-12.6,"peak":-1.0,"gaps":5}"#;
        assert_eq!(first.to_line().trim_end(), golden);
        assert_eq!(read_minutes(golden.as_bytes()), [first]);
    }
}
