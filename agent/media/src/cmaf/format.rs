//! What a track's configuration says, as MP4 wants to know it.

use bytes::Bytes;

use super::{CmafError, VIDEO_TIMESCALE};
use crate::aac::AudioSpecificConfig;
use crate::h264::{AvcConfig, Sps};
use crate::{Codec, Track, TrackConfig};

/// A track's codec headers, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackFormat {
    Video {
        config: AvcConfig,
        sps: Sps,
    },
    Audio {
        config: AudioSpecificConfig,
        /// The AudioSpecificConfig as it came.
        data: Bytes,
    },
}

impl TrackFormat {
    /// Reads the headers of a configuration.
    ///
    /// # Errors
    /// The codec is none of H.264 and AAC, or its headers cannot be read.
    pub fn parse(config: &TrackConfig) -> Result<Self, CmafError> {
        match (config.track, config.codec) {
            (Track::Video, Codec::H264) => {
                let mut avc = AvcConfig::parse(&config.data)?;
                // frames have 4-byte lengths, whatever their source had
                avc.length_size = 4;
                let sps = avc.first_sps()?;
                Ok(Self::Video { config: avc, sps })
            }
            (Track::Audio, Codec::Aac) => Ok(Self::Audio {
                config: AudioSpecificConfig::parse(&config.data)?,
                data: config.data.clone(),
            }),
            (track, Codec::FourCc(four_cc)) => Err(CmafError::UnsupportedCodec { track, four_cc }),
            (track, codec) => Err(CmafError::WrongCodec { track, codec }),
        }
    }

    #[must_use]
    pub fn track(&self) -> Track {
        match self {
            Self::Video { .. } => Track::Video,
            Self::Audio { .. } => Track::Audio,
        }
    }

    /// Ticks a second: 90000 for video, the sampling rate for audio.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Video { .. } => VIDEO_TIMESCALE,
            Self::Audio { config, .. } => config.sample_rate,
        }
    }

    /// The CODECS attribute of playlists (RFC 6381).
    #[must_use]
    pub fn codec_string(&self) -> String {
        match self {
            Self::Video { config, .. } => config.codec_string(),
            Self::Audio { config, .. } => config.codec_string(),
        }
    }

    /// Width and height in pixels, of a video track.
    #[must_use]
    pub fn resolution(&self) -> Option<(u32, u32)> {
        match self {
            Self::Video { sps, .. } => Some((sps.width, sps.height)),
            Self::Audio { .. } => None,
        }
    }

    /// Frames per second, of a video track that says so.
    #[must_use]
    pub fn frame_rate(&self) -> Option<f64> {
        match self {
            Self::Video { sps, .. } => sps.fps(),
            Self::Audio { .. } => None,
        }
    }

    /// How long a sample is taken to last while nothing else tells, in ticks.
    pub(super) fn usual_duration(&self) -> u32 {
        match self {
            Self::Video { sps, .. } => {
                let fps = sps.fps().filter(|fps| (1.0..=1000.0).contains(fps)).unwrap_or(30.0);
                (f64::from(VIDEO_TIMESCALE) / fps).round() as u32
            }
            Self::Audio { config, .. } => config.samples_per_frame,
        }
    }
}
