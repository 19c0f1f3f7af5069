//! Timestamps of encoded sound, by counting samples.

use stagebox_media::frame::SECOND_NS;

use crate::capture::SAMPLE_RATE;

/// A larger difference between count and encoder is a real hole in the sound.
const TOLERANCE_NS: i64 = 40_000_000;
/// Samples in an AAC frame.
const FRAME_SAMPLES: i64 = 1024;

#[derive(Debug)]
pub(super) struct SoundTime {
    delay_samples: i64,
    /// The encoder's timestamp of the first frame, and frames counted since.
    anchor: Option<(i64, i64)>,
}

impl SoundTime {
    /// `delay_samples`: how much later the encoder lets sound out than its timestamps say.
    pub(super) fn new(delay_samples: i64) -> Self {
        Self { delay_samples, anchor: None }
    }

    /// The true time of the next frame.
    pub(super) fn stamp(&mut self, encoder_ns: i64) -> i64 {
        let (start, frames) = match self.anchor {
            Some((start, frames))
                if (start + duration_ns(frames * FRAME_SAMPLES) - encoder_ns).abs() <= TOLERANCE_NS =>
            {
                (start, frames)
            }
            _ => (encoder_ns, 0),
        };
        self.anchor = Some((start, frames + 1));
        start + duration_ns(frames * FRAME_SAMPLES - self.delay_samples)
    }
}

fn duration_ns(samples: i64) -> i64 {
    let ns = i128::from(samples) * i128::from(SECOND_NS) / i128::from(SAMPLE_RATE);
    i64::try_from(ns).unwrap_or(i64::MAX)
}
