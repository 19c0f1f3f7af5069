//! H.264 with short NAL unit lengths, brought to the four bytes that the rest of the house has.

use bytes::{Bytes, BytesMut};

use crate::h264;

/// How long the length before each NAL unit is, as the configuration says (ISO/IEC 14496-15, 5.3.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct NalLength(u8);

impl NalLength {
    /// What nearly all have.
    pub(in super::super) const FOUR: Self = Self(4);

    /// Reads it from a configuration, and sets it to four there.
    pub(in super::super) fn normalise(config: Bytes) -> Option<(Self, Bytes)> {
        let length = (*config.get(4)? & 0x03) + 1;
        if length == 4 {
            return Some((Self(4), config));
        }
        let mut widened = BytesMut::from(&config[..]);
        widened[4] |= 0x03;
        Some((Self(length), widened.freeze()))
    }

    /// The frame with four-byte lengths.
    pub(in super::super) fn widen(self, data: &Bytes) -> Widened {
        let whole = h264::widen_lengths(data, self.0).ok().filter(|widened| h264::is_whole(widened));
        match whole {
            Some(whole) => Widened::Whole(whole),
            None => h264::mend(data, self.0).map_or(Widened::Nothing, Widened::Mended),
        }
    }
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Widened {
    Whole(Bytes),
    /// Its lengths did not add up: this is what is left of it.
    Mended(Bytes),
    /// There is no picture in it.
    Nothing,
}
