//! What a playlist says about one stretch of one rendition.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stagebox_media::cmaf::{SegmentScan, TrackFormat};

/// A piece of a segment that is published before the segment is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartInfo {
    pub(crate) duration_us: u64,
    /// Decoding can begin with this part's first frame.
    pub(crate) independent: bool,
    /// Where its bytes lie in the complete segment.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// One media segment, complete or still growing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// Media sequence number, the same in all renditions of an event.
    pub(crate) msn: u64,
    pub(crate) duration_us: u64,
    /// Wall-clock time of the first frame, in milliseconds since 1970.
    pub(crate) start_unix_ms: i64,
    /// The timeline is interrupted before this segment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) discontinuity: bool,
    /// How often the timeline was interrupted up to here.
    pub(crate) discontinuity_sequence: u64,
    /// Decoding can begin with this segment's first frame.
    pub(crate) independent: bool,
    /// Nothing was received for this stretch: listed, never served.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gap: bool,
    /// Number of the initialisation section that this segment needs.
    pub(crate) init: u32,
    pub(crate) bytes: u64,
    /// How many bytes there are up to the end of the first picture, if decoding can begin with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_bytes: Option<u64>,
    pub(crate) frames: u32,
    /// Decoding time of what comes next, on the event's timeline.
    pub(crate) end_ns: i64,
    /// The pieces it was published in; empty when only the whole remains.
    #[serde(skip)]
    pub(crate) parts: Vec<PartInfo>,
}

/// A complete segment's bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Complete {
    pub(crate) data: Bytes,
    /// What is in them, if they can be read.
    pub(crate) scan: Option<SegmentScan>,
}

impl Segment {
    /// The same stretch of a rendition that nothing was received for.
    pub(crate) fn as_gap(&self) -> Self {
        Self { key_bytes: None, gap: true, bytes: 0, frames: 0, parts: Vec::new(), ..self.clone() }
    }

    /// Bits per second of its first picture, shown as long as the segment lasts.
    pub(crate) fn key_bits_per_second(&self) -> Option<u64> {
        (self.key_bytes? * 8 * 1_000_000).checked_div(self.duration_us)
    }

    /// Bits per second of this segment, zero when it has no duration.
    pub(crate) fn bits_per_second(&self) -> u64 {
        (self.bytes * 8 * 1_000_000).checked_div(self.duration_us).unwrap_or(0)
    }
}

/// What players want to know of a rendition before they fetch it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// As RFC 6381 has it: `avc1.64001f`.
    pub(crate) codec: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) frame_rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<u8>,
}

impl Description {
    pub(crate) fn of(format: &TrackFormat) -> Self {
        Self {
            codec: format.codec_string(),
            resolution: format.resolution(),
            frame_rate: format.frame_rate(),
            channels: match format {
                TrackFormat::Audio { config, .. } => Some(config.channels),
                TrackFormat::Video { .. } => None,
            },
        }
    }
}
