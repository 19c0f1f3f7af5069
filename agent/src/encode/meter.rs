//! Loudness of each channel: peak and RMS since the last reading.

use stagebox_protocol::telemetry::AudioLevel;

use crate::capture::{CHANNELS, SAMPLE_RATE};

/// What silence is written as.
const FLOOR_DBFS: f32 = -120.0;

/// Samples after which whoever looks at a meter is told: 20 times a second.
const QUICK_SAMPLES: u64 = SAMPLE_RATE as u64 / 20;

/// Levels for those who look at a meter, and for those who ask once a second: these see the peak of all of it.
#[derive(Debug, Default)]
pub(super) struct Levels {
    quick: Meter,
    second: Meter,
    heard: u64,
}

impl Levels {
    /// Takes interleaved samples; the levels since they were told last, when it is time for that.
    pub(super) fn push(&mut self, sound: &[f32]) -> Option<Vec<AudioLevel>> {
        self.quick.push(sound);
        self.second.push(sound);
        let before = self.heard / QUICK_SAMPLES;
        self.heard += (sound.len() / CHANNELS) as u64;
        (self.heard / QUICK_SAMPLES > before).then(|| self.quick.take())
    }

    /// The levels since the last call; none without samples.
    pub(super) fn take(&mut self) -> Vec<AudioLevel> {
        self.second.take()
    }
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    peak: [f32; CHANNELS],
    squares: [f64; CHANNELS],
    samples: u64,
}

impl Meter {
    /// Takes interleaved samples.
    pub(super) fn push(&mut self, sound: &[f32]) {
        let (frames, _) = sound.as_chunks::<CHANNELS>();
        for frame in frames {
            for (channel, sample) in frame.iter().enumerate() {
                self.peak[channel] = self.peak[channel].max(sample.abs());
                self.squares[channel] += f64::from(sample * sample);
            }
        }
        self.samples += frames.len() as u64;
    }

    /// The levels since the last call; none without samples.
    pub(super) fn take(&mut self) -> Vec<AudioLevel> {
        let meter = std::mem::take(self);
        if meter.samples == 0 {
            return Vec::new();
        }
        let level = |channel: usize| AudioLevel {
            peak_dbfs: dbfs(meter.peak[channel]),
            rms_dbfs: dbfs((meter.squares[channel] / meter.samples as f64).sqrt() as f32),
        };
        (0..CHANNELS).map(level).collect()
    }
}

fn dbfs(value: f32) -> f32 {
    // A tenth of a dB is all that anyone can see.
    ((20.0 * value.log10()).max(FLOOR_DBFS) * 10.0).round() / 10.0
}
