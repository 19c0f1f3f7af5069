//! A recording as one ordinary MP4, made while it is fetched and never kept.
//!
//! A recording is a list of CMAF segments for each track. The file that editors
//! want of it has all samples in one `mdat`, with tables in front that say where
//! each of them is. Neither is kept in memory: a [`OneFile`] holds what was found
//! of the segments ([`SegmentScan`], a few bytes a sample), renders any range of
//! the header from it, and says for any range of the rest which bytes of which
//! segments stand there. The same input gives the same file, byte for byte.
//!
//! **Time.** Each sample is where its segment says, on the event's one timeline.
//! Where segments are missing the last sample before the hole lasts until the
//! next one, so sound and pictures stay together. The movie begins with its
//! first picture if that is at most a few milliseconds after the first sound, the
//! start of which is then cut off by an edit list; a track that begins later than
//! the movie starts with an empty edit.

mod build;
mod chunks;
mod column;
mod header;
mod pieces;
mod scan;
mod scanner;
mod section;
mod table;
mod timing;
mod track;

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use self::chunks::Chunk;
use self::header::Head;
use self::track::FileTrack;
use super::CmafError;

pub use build::OneFileBuilder;
pub use pieces::Piece;
pub use scan::SegmentScan;
pub use section::InitSection;

/// Longest segment that is read.
const MAX_SEGMENT_BYTES: u64 = 1024 * 1024 * 1024;
/// Most samples of one segment.
const MAX_SEGMENT_SAMPLES: usize = 65_536;
/// Most samples of one track: 38 hours at 120 a second.
const MAX_TRACK_SAMPLES: u32 = 1 << 24;
/// Most segments of one track.
const MAX_TRACK_SEGMENTS: usize = 1 << 19;
/// Longest recording, holes included: four days.
const MAX_LENGTH_S: u64 = 4 * 24 * 3600;
/// Sound that begins this much before the first picture is cut off; more of it is kept.
///
/// The shortest frame of AAC is longer: what is cut lies within one frame, as FFmpeg needs it to.
const MAX_TRIM_MS: u64 = 10;
/// Decode times may be up to 2^56 ticks: 25 000 years at 90 kHz.
const MAX_START_TICKS: u64 = 1 << 56;

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OneFileError {
    #[error(transparent)]
    Cmaf(#[from] CmafError),
    #[error("a segment ends in the middle of a box")]
    CutOff,
    #[error("a segment is longer than {MAX_SEGMENT_BYTES} bytes")]
    SegmentTooLong,
    #[error("a segment's times are out of range")]
    Time,
    #[error("a segment has more than {MAX_SEGMENT_SAMPLES} samples")]
    TooManySamples,
    #[error("what was kept of a segment's scan cannot be read")]
    Scan,
    #[error("an initialisation section has to describe one track")]
    Section,
    #[error("samples with {0}-byte lengths cannot be taken as they are")]
    LengthSize(u8),
    #[error("a track's initialisation sections are of different kinds, or there is none")]
    Mixed,
    #[error("there is no track {0}")]
    UnknownTrack(usize),
    #[error("track {track} has no initialisation section {init}")]
    UnknownInit { track: usize, init: u32 },
    #[error("track {0} has too many segments or samples")]
    TrackTooLong(usize),
    #[error("the recording is longer than {MAX_LENGTH_S} seconds")]
    TooLong,
    #[error("the recording has no samples")]
    Empty,
}

/// A file that can be read at any place, while its media stay in the segments.
#[derive(Debug)]
pub struct OneFile {
    /// Those that have samples.
    tracks: Vec<FileTrack>,
    /// Stretches of one track's samples, in the order of the file.
    chunks: Vec<Chunk>,
    head: Head,
    payload_bytes: u64,
    duration_ms: u64,
}

impl OneFile {
    /// Length of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.head_bytes() + self.payload_bytes
    }

    /// Length of what comes before the samples: all boxes, and the header of `mdat`.
    #[must_use]
    pub fn head_bytes(&self) -> u64 {
        self.head.bytes()
    }

    /// How long the movie is.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    /// Renders these bytes of the header, as far as there are so many; ask for some 64 KiB at a time.
    #[must_use]
    pub fn head(&self, range: Range<u64>) -> Bytes {
        let mut out = BytesMut::new();
        self.head.render(range, &self.tracks, &self.chunks, &mut out);
        out.freeze()
    }
}

#[cfg(test)]
mod day_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod movie_read;
#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod tests;
