//! The regular beat of pictures, and the samples that belong to each.

use std::ops::Range;

use stagebox_media::frame::SECOND_NS;

use super::SAMPLE_RATE;

/// Maps picture and sample numbers to the timeline, without rounding errors that add up.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    start_ns: i64,
    fps: u32,
}

impl Grid {
    /// Picture 0 and sample 0 are at `start_ns`.
    #[must_use]
    pub fn new(start_ns: i64, fps: u32) -> Self {
        Self { start_ns, fps }
    }

    /// When picture `index` is shown.
    #[must_use]
    pub fn picture_ns(&self, index: u64) -> i64 {
        self.start_ns + scale(index, SECOND_NS.unsigned_abs(), self.fps.into())
    }

    /// The samples that belong to picture `index`.
    #[must_use]
    pub fn samples(&self, index: u64) -> Range<u64> {
        sample_at(index, self.fps)..sample_at(index + 1, self.fps)
    }

    /// When a sample is heard.
    #[must_use]
    pub fn sample_ns(&self, sample: u64) -> i64 {
        self.start_ns + scale(sample, SECOND_NS.unsigned_abs(), SAMPLE_RATE.into())
    }

    /// The first picture that is not before `at_ns`.
    #[must_use]
    pub fn next_index(&self, at_ns: i64) -> u64 {
        let since = u128::from((at_ns - self.start_ns).max(0).unsigned_abs());
        let index = (since * u128::from(self.fps)).div_ceil(u128::from(SECOND_NS.unsigned_abs()));
        u64::try_from(index).unwrap_or(u64::MAX)
    }
}

/// The first sample of picture `index`.
pub(super) fn sample_at(index: u64, fps: u32) -> u64 {
    scale(index, SAMPLE_RATE.into(), fps.into()).unsigned_abs()
}

fn scale(value: u64, numerator: u64, denominator: u64) -> i64 {
    let scaled = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}
