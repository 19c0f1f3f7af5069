//! The unit that travels through the whole product: one encoded, timed frame.

use bytes::Bytes;

/// Nanoseconds in a second, the unit of every timestamp in this crate.
pub const SECOND_NS: i64 = 1_000_000_000;

/// Which of a stream's two tracks a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Track {
    Video,
    Audio,
}

/// How a frame's bytes are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, length-prefixed NAL units (4 bytes each), parameter sets out of band.
    H264,
    /// AAC, raw access units without ADTS.
    Aac,
    /// Another codec, by its Enhanced RTMP FourCC (`hvc1`, `av01`, `vp09`, `Opus` …), passed on unread.
    FourCc([u8; 4]),
}

/// Identity of one run of an encoder: frames of one epoch with equal
/// timestamps are the same frames, whichever way they came.
///
/// Zero stands for a source that does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    pub const UNKNOWN: Self = Self(0);
}

/// What a decoder has to know before a track's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackConfig {
    pub track: Track,
    pub codec: Codec,
    pub epoch: Epoch,
    /// H.264: an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
    /// AAC: an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
    pub data: Bytes,
}

/// One encoded frame of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub track: Track,
    pub codec: Codec,
    pub epoch: Epoch,
    /// Presentation time in nanoseconds on the stream's own timeline.
    pub pts_ns: i64,
    /// Decoding time in nanoseconds; never falls within a track of one epoch.
    pub dts_ns: i64,
    /// A decoder can start here. True for every audio frame.
    pub key: bool,
    pub data: Bytes,
}

/// What a stream consists of: configurations, each followed by its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Config(TrackConfig),
    Frame(Frame),
}

impl Packet {
    #[must_use]
    pub fn track(&self) -> Track {
        match self {
            Self::Config(config) => config.track,
            Self::Frame(frame) => frame.track,
        }
    }

    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Config(config) => config.epoch,
            Self::Frame(frame) => frame.epoch,
        }
    }
}
