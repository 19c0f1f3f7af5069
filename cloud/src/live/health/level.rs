//! Listens to some of an AAC track's frames, as much as a level meter needs.
//!
//! A frame's samples come of it and the one before, so frames are decoded in stretches of a few in a row, of which
//! the first is not listened to. What is loud for a moment only may be missed; a level that lasts is not.

use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::{Codec, TrackConfig};
use symphonia_codec_aac::AacDecoder;
use symphonia_core::audio::{Audio as _, GenericAudioBufferRef};
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder as _, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use super::second::Loudness;

/// How often a stretch begins.
const PERIOD_MS: u32 = 333;
/// Frames of a stretch, the one that is not listened to included.
const STRETCH: u32 = 3;
/// No frame of two channels is longer (ISO/IEC 14496-3, 4.5.3.1: 6144 bits a channel, and some filling).
const MAX_FRAME_BYTES: usize = 8_191;
/// Failures, less what was decoded, after which the track is not decoded any more.
const MAX_FAILURES: u32 = 20;
const AAC_LC: u8 = 2;
/// The element that a block ends with (ISO/IEC 14496-3, table 4.85).
const ID_END: u8 = 7;

/// The decoder of one track, and where in its rhythm it is.
pub(super) struct LevelMeter {
    decoder: Box<AacDecoder>,
    channels: usize,
    /// Frames from one stretch to the next.
    period: u32,
    position: u32,
    /// The frame before was decoded.
    has_overlap: bool,
    failures: u32,
}

impl LevelMeter {
    /// One for a track of AAC-LC of one or two channels; none for any other.
    pub(super) fn of(config: &TrackConfig) -> Option<Self> {
        if config.codec != Codec::Aac {
            return None;
        }
        let parsed = AudioSpecificConfig::parse(&config.data).ok()?;
        if parsed.object_type != AAC_LC || parsed.extension.is_some() || parsed.samples_per_frame != 1_024 {
            return None;
        }
        // Written anew, so that the decoder is told nothing but what is understood here.
        let plain = AudioSpecificConfig::lc(parsed.sample_rate, parsed.channels).ok()?;
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_AAC).with_extra_data(plain.to_bytes().to_vec().into_boxed_slice());
        let decoder = AacDecoder::try_new(&parameters, &AudioDecoderOptions::default()).ok()?;
        let period = plain.sample_rate.saturating_mul(PERIOD_MS) / 1_000 / plain.samples_per_frame;
        Some(Self {
            decoder: Box::new(decoder),
            channels: usize::from(plain.channels),
            period: period.max(STRETCH),
            position: 0,
            has_overlap: false,
            failures: 0,
        })
    }

    /// Listens to the next frame if it is its turn; whether there is any use in going on.
    pub(super) fn take(&mut self, access_unit: &[u8], loudness: &mut Loudness) -> bool {
        let position = self.position;
        self.position = (position + 1) % self.period;
        if position >= STRETCH {
            self.has_overlap = false;
            return true;
        }
        if position == 0 {
            self.decoder.reset();
            self.has_overlap = false;
        }
        let listen = std::mem::replace(&mut self.has_overlap, false);
        if is_plausible(access_unit) && self.decode(access_unit, listen, loudness).is_some() {
            self.has_overlap = true;
            self.failures = self.failures.saturating_sub(1);
        } else {
            self.failures += 1;
        }
        self.failures < MAX_FAILURES
    }

    fn decode(&mut self, access_unit: &[u8], listen: bool, loudness: &mut Loudness) -> Option<()> {
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, access_unit);
        let decoded = self.decoder.decode_ref(&packet).ok()?;
        let GenericAudioBufferRef::F32(samples) = decoded else { return None };
        if samples.num_planes() != self.channels {
            return None;
        }
        if listen {
            for channel in samples.iter_planes() {
                loudness.take(channel);
            }
        }
        Some(())
    }
}

/// Whether there may be sound in it: it is no longer than can be, and does not end with its first element.
fn is_plausible(access_unit: &[u8]) -> bool {
    let ends_at_once = |first: &u8| first >> 5 == ID_END;
    access_unit.len() <= MAX_FRAME_BYTES && access_unit.first().is_some_and(|first| !ends_at_once(first))
}
