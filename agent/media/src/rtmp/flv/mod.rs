//! What audio and video messages carry: FLV tags, with Enhanced RTMP's FourCC codecs.

use bytes::Bytes;

use crate::Codec;

mod aggregate;
mod audio;
mod avcc;
mod extended;
#[cfg(test)]
mod tests;
mod video;

pub(super) use aggregate::Aggregate;
pub(super) use avcc::{NalLength, Widened};

/// One audio or video message, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// A decoder configuration.
    Config {
        codec: Codec,
        data: Bytes,
    },
    Frame(TagFrame),
    /// Nothing to pass on: commands, ends of sequences, metadata within video, further tracks.
    Nothing,
}

/// A frame, timed relative to its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagFrame {
    pub(super) codec: Codec,
    pub(super) key: bool,
    /// Presentation minus decoding time, signed 24 bits of milliseconds.
    pub(super) composition_ms: i32,
    /// Added to the message's time (E-RTMP, ModEx TimestampOffsetNano).
    pub(super) offset_ns: u32,
    pub(super) data: Bytes,
}

pub(super) use audio::{read as read_audio, write_header as write_audio_header};
pub(super) use video::{read as read_video, write_header as write_video_header};

/// Tag headers are written here before the frame's own bytes.
pub(super) type TagHeader = smallvec::SmallVec<[u8; 8]>;

/// What [`write_video_header`] and [`write_audio_header`] put before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagKind {
    Config,
    Frame { key: bool, composition_ms: i32 },
}

const H264: [u8; 4] = *b"avc1";
const AAC: [u8; 4] = *b"mp4a";

/// The codec of a FourCC; H.264 and AAC are the same under either name.
fn codec_of(four_cc: [u8; 4]) -> Codec {
    match four_cc {
        H264 => Codec::H264,
        AAC => Codec::Aac,
        other => Codec::FourCc(other),
    }
}

fn signed24(bytes: [u8; 3]) -> i32 {
    i32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]) >> 8
}
