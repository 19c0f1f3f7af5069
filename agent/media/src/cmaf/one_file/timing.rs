//! From the segments' ticks to the file's, and where each track begins in the movie.

/// Ticks a second of the movie: that of video tracks, so that their edits are exact.
pub(super) const MOVIE_TIMESCALE: u32 = crate::cmaf::VIDEO_TIMESCALE;
/// Audio of several rates is told in ticks that suit all of them, up to this many a second.
const MAX_COMMON_TIMESCALE: u32 = 15_000_000;
/// Readers take the ticks from one sample to the next for a signed number of 32 bits.
const MAX_DELTA_TICKS: u128 = i32::MAX as u128 - 16;

/// Turns ticks of one length into ticks of another, rounded to the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Scale {
    pub(super) fn at(self, tick: i128) -> i128 {
        if self.from == self.to {
            return tick;
        }
        let from = i128::from(self.from.max(1));
        (2 * tick * i128::from(self.to) + from).div_euclid(2 * from)
    }

    /// Rounded up.
    pub(super) fn after(self, tick: i128) -> i128 {
        -(-tick * i128::from(self.to)).div_euclid(i128::from(self.from.max(1)))
    }
}

/// Ticks a second for a track whose segments have these, and whose longest step takes `longest_us`.
pub(super) fn common_timescale(timescales: impl Iterator<Item = u32>, longest_us: u64) -> u32 {
    let mut common = 0;
    for timescale in timescales {
        common = match common {
            0 => timescale,
            _ => multiple(common, timescale).unwrap_or(common),
        };
    }
    // a hole of hours is told in longer ticks
    while u128::from(longest_us) * u128::from(common) / 1_000_000 > MAX_DELTA_TICKS {
        common /= 2;
    }
    common.max(1)
}

/// The least common multiple.
fn multiple(first: u32, second: u32) -> Option<u32> {
    let (mut a, mut b) = (first, second);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (first / a.max(1)).checked_mul(second).filter(|common| *common <= MAX_COMMON_TIMESCALE)
}

/// Which part of a track is shown, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// Before the track begins, in ticks of the movie.
    pub(super) empty: u64,
    /// Presentation time that is shown first, in ticks of the track.
    pub(super) media_time: u64,
    /// In ticks of the movie.
    pub(super) duration: u64,
}

impl Edit {
    /// Ticks of the movie until the track ends.
    pub(super) fn end(&self) -> u64 {
        self.empty + self.duration
    }
}

/// What a track presents: from its first picture or sound to the end of its last, in its own ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented {
    /// On the event's timeline, in ticks of the movie.
    pub(super) from: i128,
    /// In the track's media, after offsets were made positive.
    pub(super) media_from: i64,
    pub(super) media_to: i64,
    pub(super) timescale: u32,
}

impl Presented {
    /// The edit of a track in a movie that begins at `zero` of the event's timeline, in ticks of the movie.
    pub(super) fn edit(&self, zero: i128) -> Edit {
        let lead = self.from - zero;
        let cut = Scale { from: MOVIE_TIMESCALE, to: self.timescale }.at((-lead).max(0));
        let media_time = (i128::from(self.media_from) + cut).clamp(0, i128::from(self.media_to.max(0)));
        let shown = i128::from(self.media_to) - media_time;
        // rounded up, or the last sample would be cut off
        let duration = Scale { from: self.timescale, to: MOVIE_TIMESCALE }.after(shown.max(0));
        let ticks = |ticks: i128| u64::try_from(ticks).unwrap_or(0);
        Edit { empty: ticks(lead.max(0)), media_time: ticks(media_time), duration: ticks(duration) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_get_a_common_tick() {
        assert_eq!(common_timescale([48_000, 48_000].into_iter(), 0), 48_000);
        assert_eq!(common_timescale([48_000, 44_100].into_iter(), 0), 7_056_000);
        assert_eq!(common_timescale([48_000, 15_999_991].into_iter(), 0), 48_000, "no common tick");
        assert_eq!(common_timescale([90_000].into_iter(), 20_000 * 1_000_000), 90_000, "5.5 h");
        assert_eq!(common_timescale([90_000].into_iter(), 10 * 3600 * 1_000_000), 45_000);
        assert_eq!(common_timescale([90_000].into_iter(), super::super::MAX_LENGTH_S * 1_000_000), 5_625);
    }

    #[test]
    fn ticks_are_rounded_to_the_nearest() {
        let scale = Scale { from: 3, to: 2 };
        assert_eq!([-3, -2, 0, 1, 2, 3, 4].map(|tick| scale.at(tick)), [-2, -1, 0, 1, 1, 2, 3]);
        assert_eq!([0, 1, 2, 3, 4].map(|tick| scale.after(tick)), [0, 1, 2, 2, 3]);
    }
}
