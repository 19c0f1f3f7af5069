//! AAC's AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).

use bytes::Bytes;
use thiserror::Error;

use crate::bits::BitReader;

/// Sampling rates by their index (ISO/IEC 14496-3, table 1.18).
const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// Channels by channelConfiguration (ISO/IEC 14496-3, table 1.19); 0 is not in it.
const CHANNELS: [u8; 15] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8];
const RATE_ESCAPE: u32 = 15;

const AAC_MAIN: u8 = 1;
const AAC_LC: u8 = 2;
const AAC_LTP: u8 = 4;
const SBR: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;

/// Why an AudioSpecificConfig cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AacError {
    #[error("AudioSpecificConfig ends early")]
    TooShort,
    #[error("audio object type {0} is not supported; encode as AAC-LC or HE-AAC")]
    ObjectType(u8),
    #[error("AAC sampling rate {0} Hz is not between 7350 and 96000")]
    SampleRate(u32),
    #[error("AAC channel configuration {0} is not known")]
    Channels(u8),
}

/// What a decoder has to know of an AAC track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// What the core codes: 2 is AAC-LC.
    pub object_type: u8,
    /// 5 or 29 where SBR (and parametric stereo) are signalled explicitly.
    pub extension: Option<u8>,
    /// Rate of the core, the one to count [`Self::samples_per_frame`] in.
    pub sample_rate: u32,
    pub channels: u8,
    /// Samples that one access unit stands for at [`Self::sample_rate`].
    pub samples_per_frame: u32,
}

impl AudioSpecificConfig {
    /// AAC-LC with 1024 samples a frame.
    ///
    /// # Errors
    /// The rate has no index in the table, or there are more than two channels.
    pub fn lc(sample_rate: u32, channels: u8) -> Result<Self, AacError> {
        if !SAMPLE_RATES.contains(&sample_rate) {
            return Err(AacError::SampleRate(sample_rate));
        }
        if !(1..=2).contains(&channels) {
            return Err(AacError::Channels(channels));
        }
        Ok(Self { object_type: AAC_LC, extension: None, sample_rate, channels, samples_per_frame: 1024 })
    }

    /// Reads the configuration that comes before a track's first frame.
    ///
    /// # Errors
    /// It ends early or describes another codec than AAC.
    pub fn parse(data: &[u8]) -> Result<Self, AacError> {
        let mut bits = BitReader::new(data);
        let mut object_type = object_type(&mut bits)?;
        let sample_rate = sample_rate(&mut bits)?;
        let channel_configuration = read(&mut bits, 4)? as u8;
        let mut extension = None;
        if object_type == SBR || object_type == PARAMETRIC_STEREO {
            extension = Some(object_type);
            self::sample_rate(&mut bits)?;
            object_type = self::object_type(&mut bits)?;
        }
        if !matches!(object_type, AAC_MAIN..=AAC_LTP) {
            return Err(AacError::ObjectType(object_type));
        }
        // GASpecificConfig (ISO/IEC 14496-3, 4.4.1)
        let short_frames = read(&mut bits, 1)? == 1;
        if read(&mut bits, 1)? == 1 {
            read(&mut bits, 14)?;
        }
        read(&mut bits, 1)?;
        let channels = match channel_configuration {
            0 => program_config_channels(&mut bits).ok_or(AacError::TooShort)?,
            n => CHANNELS.get(usize::from(n)).copied().unwrap_or(0),
        };
        if channels == 0 {
            return Err(AacError::Channels(channel_configuration));
        }
        let samples_per_frame = if short_frames { 960 } else { 1024 };
        Ok(Self { object_type, extension, sample_rate, channels, samples_per_frame })
    }

    /// The two bytes of a configuration made by [`Self::lc`].
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let index = SAMPLE_RATES.iter().position(|rate| *rate == self.sample_rate).unwrap_or(3) as u16;
        let short_frames = u16::from(self.samples_per_frame == 960);
        let value = u16::from(self.object_type) << 11
            | index << 7
            | u16::from(self.channels.min(7)) << 3
            | short_frames << 2;
        Bytes::copy_from_slice(&value.to_be_bytes())
    }

    /// The CODECS attribute of playlists (RFC 6381, 3.3): `mp4a.40.2` for AAC-LC.
    #[must_use]
    pub fn codec_string(&self) -> String {
        format!("mp4a.40.{}", self.extension.unwrap_or(self.object_type))
    }
}

fn read(bits: &mut BitReader<'_>, count: u32) -> Result<u32, AacError> {
    bits.bits(count).ok_or(AacError::TooShort)
}

fn object_type(bits: &mut BitReader<'_>) -> Result<u8, AacError> {
    Ok(match read(bits, 5)? {
        31 => 32 + read(bits, 6)? as u8,
        n => n as u8,
    })
}

fn sample_rate(bits: &mut BitReader<'_>) -> Result<u32, AacError> {
    let index = read(bits, 4)?;
    let rate = match index {
        RATE_ESCAPE => read(bits, 24)?,
        n => SAMPLE_RATES.get(n as usize).copied().unwrap_or(0),
    };
    if (7_350..=96_000).contains(&rate) { Ok(rate) } else { Err(AacError::SampleRate(rate)) }
}

/// Counts the channels of a program_config_element (ISO/IEC 14496-3, 4.4.1.1).
fn program_config_channels(bits: &mut BitReader<'_>) -> Option<u8> {
    bits.skip(4 + 2 + 4)?;
    let front = bits.bits(4)?;
    let side = bits.bits(4)?;
    let back = bits.bits(4)?;
    let lfe = bits.bits(2)?;
    bits.skip(3 + 4)?;
    for mixdown_bits in [4, 4, 3] {
        if bits.bit()? {
            bits.skip(mixdown_bits)?;
        }
    }
    let mut channels = lfe;
    for _ in 0..front + side + back {
        channels += 1 + u32::from(bits.bit()?);
        bits.skip(4)?;
    }
    u8::try_from(channels).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AacError, AudioSpecificConfig, SAMPLE_RATES};

    #[test]
    fn configurations_that_encoders_write() {
        // ffmpeg's aac: LC, 44.1 kHz, stereo, with its sync extension after it
        let ffmpeg = AudioSpecificConfig::parse(&[0x12, 0x10, 0x56, 0xe5, 0x00]).unwrap();
        assert_eq!((ffmpeg.sample_rate, ffmpeg.channels), (44_100, 2));
        assert_eq!(ffmpeg.codec_string(), "mp4a.40.2");
        // HE-AAC with explicit signalling: core 24 kHz, SBR to 48 kHz
        let he = AudioSpecificConfig::parse(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!((he.sample_rate, he.object_type, he.codec_string().as_str()), (24_000, 2, "mp4a.40.5"));
    }

    #[test]
    fn what_is_not_aac_is_refused_by_name() {
        assert_eq!(AudioSpecificConfig::parse(&[0x12]), Err(AacError::TooShort));
        assert!(matches!(AudioSpecificConfig::parse(&[0xf9, 0x4a, 0, 0, 0]), Err(AacError::ObjectType(_))));
        assert!(matches!(AudioSpecificConfig::parse(&[0x17, 0x10, 0, 0]), Err(AacError::SampleRate(0))));
        assert!(matches!(AudioSpecificConfig::lc(48_001, 2), Err(AacError::SampleRate(48_001))));
    }

    proptest! {
        #[test]
        fn built_is_parsed(rate in proptest::sample::select(SAMPLE_RATES.to_vec()), channels in 1u8..=2) {
            let config = AudioSpecificConfig::lc(rate, channels).unwrap();
            prop_assert_eq!(AudioSpecificConfig::parse(&config.to_bytes()).unwrap(), config);
        }

        #[test]
        fn any_bytes_are_answered(data in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = AudioSpecificConfig::parse(&data);
        }
    }
}
