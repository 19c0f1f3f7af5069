//! Fragmented MP4: CMAF tracks for live and VoD, whole movies for the box's recorder, and the way back.
//!
//! A CMAF track file holds one track. Composition offsets are signed and there
//! are no edit lists, so a frame's presentation time is its `pts_ns` less the
//! track's origin, and nothing else.
//!
//! **Origin.** Decode times in MP4 are unsigned. Times are counted from an
//! origin that the caller chooses ([`CmafTrack::with_origin`]); what lies before
//! it is put at zero, in order. All tracks of one presentation take the same.
//!
//! Sources whose `pts_ns` is never before `dts_ns` suit every player; FFmpeg
//! moves a track with negative offsets by the most negative one.

mod boxes;
mod format;
mod fragment;
mod init;
mod movie;
mod one_file;
mod places;
mod queue;
mod reader;
mod scan;
mod timeline;
mod track;

use thiserror::Error;

use crate::{Codec, Track, aac::AacError, h264::H264Error};

pub use format::TrackFormat;
pub use fragment::Fragment;
pub use movie::{MovieEnd, MovieFragment, MovieWriter};
pub use one_file::{InitSection, OneFile, OneFileBuilder, OneFileError, Piece, SegmentScan};
pub use places::Marker;
pub use reader::CmafReader;
pub use scan::MovieScan;
pub use track::CmafTrack;

/// Ticks a second of every video track.
pub const VIDEO_TIMESCALE: u32 = 90_000;

/// Most bytes of frames that one fragment may hold.
pub const MAX_FRAGMENT_BYTES: usize = 256 * 1024 * 1024;

/// Why a track cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CmafError {
    #[error("{track:?} in {} cannot be packaged; send H.264 and AAC", four_cc_text(.four_cc))]
    UnsupportedCodec { track: Track, four_cc: [u8; 4] },
    #[error("codec {codec:?} does not fit a {track:?} track")]
    WrongCodec { track: Track, codec: Codec },
    #[error("H.264 configuration: {0}")]
    H264(#[from] H264Error),
    #[error("AAC configuration: {0}")]
    Aac(#[from] AacError),
    #[error("a movie needs one or two tracks, each of its own kind")]
    Tracks,
    #[error("a {track:?} frame came to a writer that has no such track")]
    WrongTrack { track: Track },
    #[error("{bytes} bytes of frames wait to be cut, more than {MAX_FRAGMENT_BYTES}")]
    TooMuchPending { bytes: usize },
    #[error("box {} of {bytes} bytes is over the limit", four_cc_text(.kind))]
    BoxTooLong { kind: [u8; 4], bytes: u64 },
    #[error("box {} cannot be read", four_cc_text(.kind))]
    BrokenBox { kind: [u8; 4] },
    #[error("box {} is missing", four_cc_text(.kind))]
    MissingBox { kind: [u8; 4] },
    #[error("a fragment's samples lie outside of its media data")]
    SampleOutOfBounds,
}

fn four_cc_text(four_cc: &[u8; 4]) -> String {
    four_cc.escape_ascii().to_string()
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod tests;
