//! Where key frames are in renditions whose source has too few: on a grid over the event's timeline.

use serde::{Deserialize, Serialize};

/// Timestamps that went through RTMP's milliseconds may be early by so much.
const TOLERANCE_NS: i64 = 1_000_000;

/// Key frames at whole multiples of a length: where they are is the same for whoever reckons it, at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeyGrid {
    every_ms: u32,
}

impl KeyGrid {
    pub(crate) fn every(every_ms: u32) -> Self {
        Self { every_ms: every_ms.max(1) }
    }

    fn every_ns(self) -> i64 {
        i64::from(self.every_ms) * 1_000_000
    }

    /// The number of the stretch that a picture shown at this time belongs to.
    pub(crate) fn number(self, pts_ns: i64) -> i64 {
        pts_ns.saturating_add(TOLERANCE_NS).div_euclid(self.every_ns())
    }

    /// When a stretch begins: its first picture is a key frame.
    pub(crate) fn begins_ns(self, number: i64) -> i64 {
        number.saturating_mul(self.every_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_was_rounded_down_begins_a_stretch() {
        let grid = KeyGrid::every(2_000);
        let numbers = [-1, 0, 1_998, 1_999, 2_000, 3_998, 3_999].map(|ms| grid.number(ms * 1_000_000));
        assert_eq!(numbers, [0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(grid.begins_ns(2), 4_000_000_000);
        assert_eq!(grid.number(i64::MAX), i64::MAX / 2_000_000_000);
        assert_eq!(grid.number(i64::MIN).signum(), -1);
    }
}
