//! The source's own sound as a recorder would have it whose clock is off, in its blocks: pure.

use stagebox_media::resample::Resampler;

use super::script::Script;
use super::{CHANNELS, SAMPLE_RATE, Tick};

/// Samples of a block, as sound cards give them.
const BLOCK: usize = 480;
/// Blocks come up to so much late.
const MOST_LATE_NS: u64 = 3_000_000;

#[derive(Debug)]
pub(super) struct Drift {
    script: Script,
    resampler: Resampler,
    /// Samples that the recorder has made and not given yet.
    made: f64,
    /// Where the next moment begins, and how many samples the last one had.
    next: Option<(u64, usize)>,
    blocks: u64,
}

impl Drift {
    pub(super) fn new(script: Script) -> Self {
        Self { script, resampler: Resampler::new(CHANNELS), made: 0.0, next: None, blocks: 0 }
    }

    /// Takes the sound that belongs to a moment; hands on what was recorded up to its beginning, and when that came.
    pub(super) fn record(&mut self, tick: &Tick, sound: &[f32], mut hand_on: impl FnMut(i64, Vec<f32>)) {
        let ppm = self.script.clock(u64::try_from(tick.at_ns / 1_000_000).unwrap_or(0));
        let speed = 1.0 + ppm.unwrap_or(0.0) / 1e6;
        match self.next {
            Some((first, samples)) if first == tick.first_sample => self.made += samples as f64 * speed,
            // Nothing was recorded meanwhile.
            _ => {
                self.resampler.clear();
                self.made = 0.0;
            }
        }
        self.resampler.push(tick.samples, sound);
        self.next = Some((tick.first_sample + tick.samples as u64, tick.samples));
        while self.made >= BLOCK as f64 {
            let mut block = Vec::with_capacity(BLOCK * CHANNELS);
            if self.resampler.make(BLOCK, 1.0 / speed, &mut block) < BLOCK {
                break;
            }
            self.made -= BLOCK as f64;
            let since_ns = self.made / (f64::from(SAMPLE_RATE) * speed) * 1e9;
            let came_ns = (tick.at_ns - since_ns as i64 + self.late_ns()).min(tick.at_ns);
            hand_on(came_ns, block);
        }
    }

    /// Differs from block to block, and is the same each time.
    fn late_ns(&mut self) -> i64 {
        self.blocks += 1;
        let mixed = self.blocks.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        i64::try_from(mixed % MOST_LATE_NS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_is_fast_makes_more_samples_of_the_same_sound() {
        let script = Script::parse(&["clock +1000 ppm at 0 s for 100 s".to_owned()]).unwrap();
        let mut drift = Drift::new(script);
        let (mut recorded, mut came) = (Vec::new(), Vec::new());
        for index in 0..1_000_u64 {
            let tick = Tick {
                index,
                at_ns: index as i64 * 100_000_000,
                first_sample: index * 4_800,
                samples: 4_800,
                unix_ms: 0,
            };
            // A ramp tells which moment a sample is from.
            let sound: Vec<f32> = (0..9_600).map(|at| (index * 4_800 + at / 2) as f32 / 48_000.0).collect();
            drift.record(&tick, &sound, |at_ns, block| {
                came.push(at_ns);
                recorded.extend(block.into_iter().step_by(2));
            });
        }
        // 99.9 s have passed; a block may be unfinished.
        let wanted = 99.9 * 48_000.0 * 1.001;
        assert!((wanted - recorded.len() as f64 - 240.0).abs() <= 242.0, "{} of {wanted}", recorded.len());
        for at in [10_000, 1_000_000, 4_000_000] {
            let is_from = at as f64 / 48_048.0;
            assert!((f64::from(recorded[at]) - is_from).abs() < 5e-5, "{} at {is_from}", recorded[at]);
        }
        assert!(came.is_sorted());
    }
}
