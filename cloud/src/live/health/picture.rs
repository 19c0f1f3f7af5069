//! What a video track's configuration and its slices say of its pictures.

use std::num::NonZeroU16;

use stagebox_media::h264::{AvcConfig, Nal, avcc_nals};
use stagebox_media::{Codec, TrackConfig};

/// Width and height after cropping.
pub(super) type Size = (NonZeroU16, NonZeroU16);

/// The pictures of a track, as its parameter sets describe them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) size: Size,
    /// chroma_format_idc: 1 is 4:2:0.
    pub(super) chroma_format: u8,
    pub(super) bit_depth: u8,
}

impl Picture {
    /// Reads H.264's parameter sets; other codecs are not looked into.
    pub(super) fn of(config: &TrackConfig) -> Option<Self> {
        if config.codec != Codec::H264 {
            return None;
        }
        let sps = AvcConfig::parse(&config.data).ok()?.first_sps().ok()?;
        let side = |pixels| NonZeroU16::new(u16::try_from(pixels).ok()?);
        Some(Self {
            size: (side(sps.width)?, side(sps.height)?),
            chroma_format: sps.chroma_format,
            bit_depth: sps.bit_depth_luma.max(sps.bit_depth_chroma),
        })
    }

    /// Chroma subsampling in the usual words.
    pub(super) fn chroma(self) -> &'static str {
        match self.chroma_format {
            0 => "grey",
            1 => "4:2:0",
            2 => "4:2:2",
            _ => "4:4:4",
        }
    }
}

/// Whether an H.264 access unit is a B picture that no other one refers to.
///
/// Those are decoded after a picture that is shown later, unless the encoder leaves the order as it is; B pictures
/// that are referred to are common where it does.
pub(super) fn is_disposable_b(access_unit: &[u8]) -> bool {
    avcc_nals(access_unit).find(Nal::is_picture).is_some_and(|nal| {
        let Some((header, body)) = nal.0.split_first() else { return false };
        header >> 5 & 3 == 0 && slice_type(body).is_some_and(|kind| kind % 5 == SLICE_B)
    })
}

const SLICE_B: u64 = 1;

/// slice_type of a slice header (ITU-T H.264, 7.3.3), which begins with two Exp-Golomb codes.
///
/// They lie in the first bytes, where emulation prevention cannot be yet: a first slice's first bit is set.
fn slice_type(body: &[u8]) -> Option<u64> {
    let mut word = body.iter().take(8).fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    word <<= 64 - 8 * body.len().clamp(1, 8);
    let _first_mb_in_slice = unsigned(&mut word)?;
    unsigned(&mut word)
}

/// Takes a short `ue(v)` off the front of a word (ITU-T H.264, 9.1).
fn unsigned(word: &mut u64) -> Option<u64> {
    let zeros = word.leading_zeros();
    if zeros > 15 {
        return None;
    }
    let length = 2 * zeros + 1;
    let value = (*word >> (64 - length)) - 1;
    *word <<= length;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
    }

    #[test]
    fn slices_tell_their_type() {
        // first_mb 0 is `1`; types 0, 1, 5, 6, 7 are `1`, `010`, `00110`, `00111`, `0001000`.
        for (byte, kind) in
            [(0b1100_0000, 0), (0b1010_0000, 1), (0b1001_1000, 5), (0b1001_1100, 6), (0b1000_1000, 7)]
        {
            assert_eq!(slice_type(&[byte, 0xff]), Some(kind));
        }
        assert_eq!(slice_type(&[0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(slice_type(&[]), None);
        assert_eq!(slice_type(&[0x80]), None);
    }

    #[test]
    fn only_b_pictures_that_nothing_refers_to_count() {
        let (sei, b, used_b, p) = ([0x06, 1], [0x01, 0xa0, 1], [0x41, 0xa0, 1], [0x01, 0xc0, 1]);
        assert!(is_disposable_b(&unit(&[&sei, &b])));
        for other in
            [unit(&[&used_b, &b]), unit(&[&p]), unit(&[&sei]), unit(&[&[0x01]]), Vec::new(), vec![0; 9]]
        {
            assert!(!is_disposable_b(&other), "{other:02x?}");
        }
    }
}
