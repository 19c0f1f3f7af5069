//! An initialisation section, read for the track that it describes.

use super::OneFileError;
use crate::cmaf::boxes::child;
use crate::cmaf::reader::tracks::{ReadTrack, read_tracks};
use crate::cmaf::{CmafError, TrackFormat};
use crate::h264::AvcConfig;
use crate::{Codec, Track};

/// What a track's segments need to be read, and their decoder to be set up.
#[derive(Debug, Clone)]
pub struct InitSection {
    pub(super) track: ReadTrack,
    pub(super) format: TrackFormat,
}

impl InitSection {
    /// Reads the bytes of an `init-N.mp4`.
    ///
    /// # Errors
    /// They do not describe exactly one track of H.264 or AAC.
    pub fn parse(bytes: &[u8]) -> Result<Self, OneFileError> {
        let moov = child(bytes, b"moov").ok_or(CmafError::MissingBox { kind: *b"moov" })?;
        let tracks = read_tracks(moov)?;
        let Ok([mut track]) = <[ReadTrack; 1]>::try_from(tracks) else { return Err(OneFileError::Section) };
        if track.config.codec == Codec::H264 {
            // what is written of the configuration says 4, and the samples are taken as they are
            match AvcConfig::parse(&track.config.data).map_err(CmafError::from)?.length_size {
                4 => {}
                other => return Err(OneFileError::LengthSize(other)),
            }
        }
        let format = TrackFormat::parse(&track.config)?;
        // a fragment without a time of its own must not be taken to begin at zero
        track.next_decode_time = u64::MAX;
        Ok(Self { track, format })
    }

    /// Which of a movie's tracks it describes.
    #[must_use]
    pub fn track(&self) -> Track {
        self.format.track()
    }

    /// Ticks a second of the segments' times.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        self.track.timescale
    }
}
