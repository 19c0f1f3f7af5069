//! How far apart a source's key frames are.

use stagebox_media::Frame;

/// So many stretches in a row have to be short enough before a source counts as mended.
const ENOUGH: u32 = 3;

/// What is known of a run's key frames.
#[derive(Debug, Default)]
pub(super) struct KeyFrames {
    last_key_dts_ns: i64,
    last_dts_ns: i64,
    /// How long a frame lasts.
    frame_ns: i64,
    /// Frames since the last key frame, that one included.
    frames: i64,
    /// The longest distance so far.
    longest_ns: i64,
    /// Short stretches in a row.
    short: u32,
}

/// What a key frame says about its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// The stretch that it ends is longer than a segment may be.
    TooFar,
    /// Some in a row were short enough.
    Fine,
}

impl KeyFrames {
    pub(super) fn begin(&mut self, frame: &Frame) {
        *self =
            Self { last_key_dts_ns: frame.dts_ns, last_dts_ns: frame.dts_ns, frames: 1, ..Self::default() };
    }

    /// What is to be said once this key frame comes, if a segment may be `limit_ns` long.
    pub(super) fn spacing(&self, frame: &Frame, limit_ns: i64) -> Option<Spacing> {
        let distance_ns = frame.dts_ns.saturating_sub(self.last_key_dts_ns);
        if distance_ns > limit_ns {
            // Where frames are missing, the key frame that is missed may be among them.
            let is_whole = self.frames.saturating_mul(self.frame_ns) >= distance_ns / 10 * 9;
            is_whole.then_some(Spacing::TooFar)
        } else {
            (self.short + 1 >= ENOUGH).then_some(Spacing::Fine)
        }
    }

    pub(super) fn frame(&mut self, frame: &Frame, limit_ns: i64) {
        self.frame_ns = frame.dts_ns.saturating_sub(self.last_dts_ns);
        self.last_dts_ns = frame.dts_ns;
        self.frames += 1;
        if frame.key {
            let distance_ns = frame.dts_ns.saturating_sub(self.last_key_dts_ns);
            self.longest_ns = self.longest_ns.max(distance_ns);
            self.short = if distance_ns > limit_ns { 0 } else { self.short.saturating_add(1) };
            self.last_key_dts_ns = frame.dts_ns;
            self.frames = 1;
        }
    }

    /// The longest distance of two key frames so far.
    pub(super) fn longest_ns(&self) -> i64 {
        self.longest_ns
    }

    pub(super) fn frame_ns(&self) -> i64 {
        self.frame_ns
    }

    pub(super) fn last_dts_ns(&self) -> i64 {
        self.last_dts_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stagebox_media::{Codec, Epoch, Track};

    const FRAME_NS: i64 = 40_000_000;
    const LIMIT_NS: i64 = 2_400_000_000;

    fn frame(number: i64, key: bool) -> Frame {
        let (pts_ns, dts_ns) = (number * FRAME_NS, number * FRAME_NS);
        Frame {
            track: Track::Video,
            codec: Codec::H264,
            epoch: Epoch::UNKNOWN,
            pts_ns,
            dts_ns,
            key,
            data: Bytes::new(),
        }
    }

    /// What each key frame says, of those at these frames of a source without the frames in `missing`.
    fn said(keys: &[i64], missing: std::ops::Range<i64>) -> Vec<Option<Spacing>> {
        let mut known = KeyFrames::default();
        let mut said = Vec::new();
        known.begin(&frame(0, true));
        for number in (1..=*keys.last().unwrap()).filter(|number| !missing.contains(number)) {
            let frame = frame(number, keys.contains(&number));
            if frame.key {
                said.push(known.spacing(&frame, LIMIT_NS));
            }
            known.frame(&frame, LIMIT_NS);
        }
        said
    }

    #[test]
    fn one_long_stretch_is_too_far_and_three_short_ones_are_fine() {
        let (far, fine) = (Some(Spacing::TooFar), Some(Spacing::Fine));
        assert_eq!(said(&[250, 500], 0..0), [far, far]);
        assert_eq!(said(&[50, 100, 150, 200], 0..0), [None, None, fine, fine]);
        assert_eq!(said(&[50, 100, 200, 250, 300, 350], 0..0), [None, None, far, None, None, fine]);
    }

    #[test]
    fn a_key_frame_that_was_lost_is_not_held_against_the_source() {
        assert_eq!(said(&[50, 150], 90..110), [None, None]);
    }
}
