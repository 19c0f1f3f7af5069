//! Frames of AAC in which nothing is heard.

use bytes::Bytes;
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::{Codec, Epoch, Track, TrackConfig};

use super::timeline::Silence;

/// A raw data block (ISO/IEC 14496-3, 4.4.2.1) of one channel without any energy.
const ONE_CHANNEL: &[u8] = &[0x00, 0xc8, 0x00, 0x80, 0x23, 0x80];
/// The same of a pair of channels.
const TWO_CHANNELS: &[u8] = &[0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];
/// AAC-LC, 48 kHz, two channels (ISO/IEC 14496-3, 1.6.2.1).
const USUAL: &[u8] = &[0x11, 0x90];
const USUAL_RATE: u32 = 48_000;

impl Silence {
    /// Silence in the form of other sound, so that a decoder need not be told anything new where that can be.
    pub(super) fn like(sound: Option<&TrackConfig>) -> Self {
        let known = sound.and_then(|config| Some((config, AudioSpecificConfig::parse(&config.data).ok()?)));
        let alike = known.and_then(|(config, parsed)| {
            let is_plain =
                parsed.object_type == 2 && parsed.extension.is_none() && parsed.samples_per_frame == 1024;
            let frame = match parsed.channels {
                1 if is_plain => ONE_CHANNEL,
                2 if is_plain => TWO_CHANNELS,
                _ => return None,
            };
            Some((config.data.clone(), frame, parsed.sample_rate))
        });
        let (data, frame, sample_rate) =
            alike.unwrap_or((Bytes::from_static(USUAL), TWO_CHANNELS, USUAL_RATE));
        let config = TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch::UNKNOWN, data };
        Self { config, frame: Bytes::from_static(frame), sample_rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(rate: u32, channels: u8) -> TrackConfig {
        let data = AudioSpecificConfig::lc(rate, channels).unwrap().to_bytes();
        TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch(7), data }
    }

    #[test]
    fn it_is_like_the_sound_where_that_can_be() {
        for (rate, channels) in [(44_100, 1), (44_100, 2), (48_000, 2), (32_000, 1)] {
            let (sound, silence) = (sound(rate, channels), Silence::like(Some(&sound(rate, channels))));
            assert_eq!((&silence.config.data, silence.sample_rate), (&sound.data, rate));
        }
        // 48 kHz, six channels.
        let six = TrackConfig { data: Bytes::from_static(&[0x11, 0xb0]), ..sound(48_000, 2) };
        for other in [Silence::like(None), Silence::like(Some(&six))] {
            assert_eq!(AudioSpecificConfig::parse(&other.config.data).unwrap().sample_rate, 48_000);
        }
    }

    /// A foreign decoder hears nothing, and says nothing.
    #[test]
    fn ffmpeg_hears_nothing() {
        use std::io::Write as _;
        for channels in [1, 2] {
            let silence = Silence::like(Some(&sound(48_000, channels)));
            // Frequency index 3 is 48 kHz (ISO/IEC 13818-7, 6.2: the ADTS header).
            let length = u16::try_from(silence.frame.len() + 7).unwrap();
            let adts = [
                0xff,
                0xf1,
                0x4c | channels >> 2,
                channels << 6 | (length >> 11) as u8,
                (length >> 3) as u8,
                (length << 5) as u8 | 0x1f,
                0xfc,
            ];
            let stream: Vec<u8> = (0..50).flat_map(|_| [&adts[..], &silence.frame].concat()).collect();
            let mut ffmpeg = std::process::Command::new("ffmpeg")
                .args(["-v", "warning", "-f", "aac", "-i", "-", "-f", "s16le", "-"])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            ffmpeg.stdin.take().unwrap().write_all(&stream).unwrap();
            let output = ffmpeg.wait_with_output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            assert!(output.stdout.len() >= 49 * 1024 * 2 * usize::from(channels), "{}", output.stdout.len());
            assert!(output.stdout.iter().all(|byte| *byte == 0), "there is something to be heard");
        }
    }
}
