//! From nanoseconds to a track's ticks, without holes, overlaps or steps back.

use super::TrackFormat;
use crate::frame::SECOND_NS;

/// Counted audio time is kept while it is this near to what the frames say.
const AUDIO_TOLERANCE_MS: i64 = 40;
/// An audio source that goes back further than this has lost its clock: counting goes on.
const AUDIO_STEP_BACK_MS: i64 = 1_000;
/// Longest time that one sample is made to last; a longer pause is cut to it.
const MAX_STEP_TICKS: i64 = i32::MAX as i64;

/// Where a sample lies, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) decode_time: u64,
    /// Presentation time less decode time.
    pub(super) offset: i32,
}

/// Gives each frame of a track its ticks, each decode time after the one before.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    timescale: u32,
    origin_ns: i64,
    pace: Pace,
    /// The earliest tick that the next sample may have.
    floor: i64,
    /// Where what came before this track ends.
    least: i64,
}

#[derive(Debug, Clone)]
enum Pace {
    /// Each frame has its own time.
    Frames,
    /// Time is counted in samples, as timestamps are too coarse for it.
    Samples { per_frame: i64, next: Option<i64> },
}

impl Timeline {
    pub(super) fn new(format: &TrackFormat, origin_ns: i64) -> Self {
        let pace = match format {
            TrackFormat::Video { .. } => Pace::Frames,
            TrackFormat::Audio { config, .. } => {
                Pace::Samples { per_frame: i64::from(config.samples_per_frame), next: None }
            }
        };
        Self { timescale: format.timescale(), origin_ns, pace, floor: 0, least: 0 }
    }

    pub(super) fn place(&mut self, pts_ns: i64, dts_ns: i64) -> Place {
        let presented = self.ticks(pts_ns).max(0);
        let decoded = match &mut self.pace {
            Pace::Frames => to_ticks(dts_ns, self.origin_ns, self.timescale),
            Pace::Samples { per_frame, next } => {
                let counted = follow(*next, presented, i64::from(self.timescale));
                *next = Some(counted + *per_frame);
                counted
            }
        };
        let decoded = decoded.max(self.least);
        let ceiling = self.floor.saturating_add(MAX_STEP_TICKS);
        let decode_time = if self.floor == 0 { decoded.max(0) } else { decoded.clamp(self.floor, ceiling) };
        self.floor = decode_time + 1;
        let offset = match self.pace {
            Pace::Frames => (presented - decode_time).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
            Pace::Samples { .. } => 0,
        };
        Place { decode_time: decode_time as u64, offset }
    }

    /// Says that nothing is decoded before this time.
    pub(super) fn not_before(&mut self, time_ns: i64) {
        self.least = self.ticks(time_ns).max(0);
    }

    /// Says that what was placed so far lasts until `tick`.
    pub(super) fn ends_at(&mut self, tick: u64) {
        self.floor = self.floor.max(i64::try_from(tick).unwrap_or(i64::MAX - MAX_STEP_TICKS));
    }

    fn ticks(&self, time_ns: i64) -> i64 {
        to_ticks(time_ns, self.origin_ns, self.timescale)
    }
}

/// The time of an audio frame: counted, unless what it says is too far away from that.
fn follow(counted: Option<i64>, said: i64, rate: i64) -> i64 {
    let Some(counted) = counted else { return said };
    let ahead = said - counted;
    let near = ahead.abs() * 1000 <= AUDIO_TOLERANCE_MS * rate;
    let clock_lost = ahead * 1000 < -AUDIO_STEP_BACK_MS * rate;
    if near || clock_lost { counted } else { said }
}

fn to_ticks(time_ns: i64, origin_ns: i64, timescale: u32) -> i64 {
    let elapsed = i128::from(time_ns) - i128::from(origin_ns);
    let ticks =
        (elapsed * i128::from(timescale) + i128::from(SECOND_NS / 2)).div_euclid(i128::from(SECOND_NS));
    // 2^62 ticks are a million years
    ticks.clamp(-(1 << 62), 1 << 62) as i64
}

/// Back to nanoseconds, rounded.
pub(super) fn to_ns(ticks: i64, timescale: u32) -> i64 {
    let timescale = i128::from(timescale.max(1));
    let ns = (i128::from(ticks) * i128::from(SECOND_NS) + timescale / 2).div_euclid(timescale);
    ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}
