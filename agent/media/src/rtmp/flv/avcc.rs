//! H.264 with short NAL unit lengths, brought to the four bytes that the rest of the house has.

use bytes::{Bytes, BytesMut};

use crate::h264;

/// How long the length before each NAL unit is, as the configuration says (ISO/IEC 14496-15, 5.3.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct NalLength(u8);

impl NalLength {
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

    /// The frame with four-byte lengths; `None` when its lengths do not add up.
    pub(in super::super) fn widen(self, data: Bytes) -> Option<Bytes> {
        if self.0 == 4 { Some(data) } else { h264::widen_lengths(&data, self.0).ok() }
    }
}
