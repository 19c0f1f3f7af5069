//! RTMP's 32-bit milliseconds, unrolled to one endless timeline and back.

/// Milliseconds of a nanosecond time, rounded to the nearest.
///
/// Every output rounds by this one rule, so that a frame has the same timestamp on all of them.
#[must_use]
pub fn ms_from_ns(ns: i64) -> i64 {
    ns.saturating_add(500_000).div_euclid(1_000_000)
}

/// Follows a sender's timestamps over 2^32 ms, where they start again at zero.
///
/// Each timestamp is taken as the one nearest to its predecessor (RTMP 4, "serial number arithmetic"), so a
/// step back stays a step back and a jump a jump.
#[derive(Debug, Clone, Default)]
pub(super) struct Timeline {
    last_ms: Option<i64>,
}

impl Timeline {
    /// The full time of a 32-bit timestamp, in milliseconds.
    pub(super) fn unroll(&mut self, timestamp: u32) -> i64 {
        let ms = match self.last_ms {
            None => i64::from(timestamp),
            Some(last) => last.saturating_add(i64::from(timestamp.wrapping_sub(last as u32) as i32)),
        };
        self.last_ms = Some(ms);
        ms
    }

    /// Tells the full time that the next timestamp is near to.
    pub(super) fn anchor(&mut self, ms: i64) {
        self.last_ms = Some(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::{Timeline, ms_from_ns};

    #[test]
    fn goes_on_across_every_boundary() {
        let mut timeline = Timeline::default();
        for base in [0_i64, 1 << 24, 1 << 31, 1 << 32, 3 << 32] {
            timeline.anchor(base - 100);
            for ms in (base - 80..base + 80).step_by(20) {
                assert_eq!(timeline.unroll(ms as u32), ms);
            }
        }
    }

    #[test]
    fn steps_back_and_jumps_stay_what_they_are() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.unroll(100_000), 100_000);
        assert_eq!(timeline.unroll(40), 40);
        assert_eq!(timeline.unroll(2_000_000_000), 2_000_000_000);
        assert_eq!(timeline.unroll(1_999_999_990), 1_999_999_990);
    }

    #[test]
    fn rounds_to_the_nearest_millisecond() {
        assert_eq!(ms_from_ns(33_366_666), 33);
        assert_eq!(ms_from_ns(33_500_000), 34);
        assert_eq!(ms_from_ns(-400_000), 0);
        assert_eq!(ms_from_ns(-600_000), -1);
        assert_eq!(ms_from_ns(i64::MAX), i64::MAX / 1_000_000);
    }
}
