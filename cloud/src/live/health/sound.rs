//! What a sound track's configuration says of it.

use std::fmt;

use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::{Codec, TrackConfig};

/// The sound of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sound {
    rate_hz: u32,
    channels: u8,
}

impl Sound {
    /// Reads AAC's configuration; other codecs are not looked into.
    pub(super) fn of(config: &TrackConfig) -> Option<Self> {
        if config.codec != Codec::Aac {
            return None;
        }
        let parsed = AudioSpecificConfig::parse(&config.data).ok()?;
        Some(Self { rate_hz: parsed.sample_rate, channels: parsed.channels })
    }
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let khz = f64::from(self.rate_hz) / 1_000.0;
        match self.channels {
            1 => write!(f, "{khz} kHz mono"),
            2 => write!(f, "{khz} kHz stereo"),
            channels => write!(f, "{khz} kHz with {channels} channels"),
        }
    }
}
