//! What one second of an input was like, packed: an hour of them is kept for each input.

use std::num::{NonZeroU16, NonZeroU32};

use super::dbfs::Dbfs;

/// One second; all zero and nothing known if nothing came.
///
/// Figures too large for their field stop at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sample {
    /// When it began, in seconds since 1970.
    pub(super) at_s: u32,
    pub(super) video_kbps: u32,
    /// Between the last two key frames, or since the last one if that is longer already.
    pub(super) key_interval_ms: Option<NonZeroU32>,
    /// How far the newest frame is behind the best that arrived so far.
    pub(super) late_ms: u32,
    pub(super) audio_kbps: u16,
    /// Pictures that arrived.
    pub(super) frames: u16,
    pub(super) width: Option<NonZeroU16>,
    pub(super) height: Option<NonZeroU16>,
    pub(super) rms: Dbfs,
    pub(super) peak: Dbfs,
    /// The largest difference between two frames' ways, from their timestamps to their arrival.
    pub(super) jitter_ms: u16,
    /// Steps from picture to picture that leave out at least one.
    pub(super) gaps: u16,
    /// Pictures that the gaps leave out.
    pub(super) missing: u16,
    /// Steps from picture to picture that are neither the usual one nor a gap.
    pub(super) uneven: u8,
    pub(super) flags: Flags,
}

/// What can only be so or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u8);

impl Flags {
    /// The broadcast was there from the second's beginning to its end.
    pub(super) const WHOLE: Self = Self(1);
    /// There were B pictures that no other picture refers to.
    pub(super) const B_PICTURES: Self = Self(2);
    /// There were pictures that are shown at another time than they are decoded.
    pub(super) const REORDERED: Self = Self(4);
    /// Sound came, however little.
    pub(super) const SOUND: Self = Self(8);
    /// Frames came that nobody can decode, as their header did not.
    pub(super) const NO_HEADER: Self = Self(16);
    /// Something came broken and was left out.
    pub(super) const BROKEN: Self = Self(32);
    /// The encoder's clock was set anew.
    pub(super) const JUMPED: Self = Self(64);
    /// A picture came with the time of the one before, or an earlier one.
    pub(super) const REPEATED: Self = Self(128);

    pub(super) fn set(&mut self, flag: Self, is: bool) {
        if is {
            self.0 |= flag.0;
        } else {
            self.0 &= !flag.0;
        }
    }

    /// Sets it where that is so.
    pub(super) fn add(&mut self, flag: Self, is: bool) {
        if is {
            self.set(flag, true);
        }
    }

    pub(super) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }
}

impl Sample {
    pub(super) fn kbps(&self) -> u32 {
        self.video_kbps.saturating_add(u32::from(self.audio_kbps))
    }

    pub(super) fn is_empty(&self) -> bool {
        let came = [Flags::SOUND, Flags::NO_HEADER, Flags::BROKEN];
        self.frames == 0 && !came.into_iter().any(|flag| self.flags.has(flag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_small() {
        assert_eq!(size_of::<Sample>(), 36);
    }
}
