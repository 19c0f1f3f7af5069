//! Resampling by a ratio near one, which may change with every sample: pure.
//!
//! A windowed sinc in phases, linearly interpolated between them (J. O. Smith, "Digital Audio Resampling"): flat to
//! 20 kHz, what is beyond 24 kHz 80 dB down. A second of stereo took 2.0 ms of one core where it was measured
//! (release build; `cargo test --release -p stagebox-media -- --ignored --nocapture cost`).

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Input samples that each output sample is made of.
pub const TAPS: usize = 64;
/// Positions between two samples for which there are weights.
const PHASES: usize = 256;
/// Half the amplitude is left here, in cycles a sample: between 20 kHz and half the rate.
const CUTOFF: f64 = 0.4585;
/// Of the Kaiser window, for 80 dB.
const BETA: f64 = 8.0;
/// Consumed samples that may lie about before the rest is moved.
const CONSUMED: usize = 8192;

type Weights = [f32; TAPS];

/// One row a phase, and the first one again, a sample on.
static KERNEL: LazyLock<Vec<Weights>> = LazyLock::new(|| (0..=PHASES).map(weights).collect());

/// Holds samples that wait, and gives them at another rate.
#[derive(Debug)]
pub struct Resampler {
    /// Samples of each channel; without any channel only the count goes on.
    channels: Vec<Vec<f32>>,
    /// Samples in each.
    length: usize,
    /// The first that the next output sample is made of, and how far it lies beyond their middle.
    start: usize,
    fraction: f64,
    /// Input samples for each output sample.
    step: f64,
}

impl Resampler {
    /// One of so many channels; of none it only counts.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        let mut resampler =
            Self { channels: vec![Vec::new(); channels], length: 0, start: 0, fraction: 0.0, step: 1.0 };
        resampler.clear();
        resampler
    }

    /// Forgets what it holds; silence lies before what comes next.
    pub fn clear(&mut self) {
        self.length = TAPS / 2 - 1;
        (self.start, self.fraction) = (0, 0.0);
        for channel in &mut self.channels {
            channel.clear();
            channel.resize(self.length, 0.0);
        }
    }

    /// Takes `frames` samples of each channel, interleaved.
    pub fn push(&mut self, frames: usize, samples: &[f32]) {
        if self.start > CONSUMED {
            let consumed = self.start.min(self.length);
            self.channels.iter_mut().for_each(|channel| drop(channel.drain(..consumed)));
            self.start -= consumed;
            self.length -= consumed;
        }
        let step = self.channels.len().max(1);
        for (index, channel) in self.channels.iter_mut().enumerate() {
            channel.extend(samples.iter().skip(index).step_by(step).take(frames));
            channel.resize(self.length + frames, 0.0);
        }
        self.length += frames;
    }

    /// Samples that wait behind the present position.
    #[must_use]
    pub fn fill(&self) -> f64 {
        self.length as f64 - (self.start + TAPS / 2 - 1) as f64 - self.fraction
    }

    /// Passes so many samples over.
    pub fn skip(&mut self, samples: f64) {
        self.advance(samples.clamp(0.0, self.fill().max(0.0)));
    }

    /// Adds up to `frames` samples of each channel to `out`, interleaved; how many there were. On the way the ratio, input
    /// samples for an output sample, goes over to `step`.
    pub fn make(&mut self, frames: usize, step: f64, out: &mut Vec<f32>) -> usize {
        let kernel = &**KERNEL;
        let change = (step - self.step) / frames.max(1) as f64;
        for made in 0..frames {
            let end = self.start + TAPS;
            if end > self.length {
                return made;
            }
            if !self.channels.is_empty() {
                let phase = self.fraction * PHASES as f64;
                let row = phase as usize;
                let weights = between(&kernel[row], &kernel[row + 1], (phase - row as f64) as f32);
                out.extend(self.channels.iter().map(|channel| dot(&weights, &channel[self.start..end])));
            }
            self.step += change;
            self.advance(self.step);
        }
        frames
    }

    fn advance(&mut self, samples: f64) {
        let position = self.fraction + samples;
        // Positive, and far below what a double counts exactly.
        let whole = position as usize;
        self.start += whole;
        self.fraction = position - whole as f64;
    }
}

fn between(low: &Weights, high: &Weights, at: f32) -> Weights {
    let mut weights = *low;
    for (weight, high) in weights.iter_mut().zip(high) {
        *weight += (high - *weight) * at;
    }
    weights
}

/// In eight sums, so that the compiler may do them at once.
fn dot(weights: &Weights, samples: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (weights, samples) in weights.as_chunks::<8>().0.iter().zip(samples.as_chunks::<8>().0) {
        for (sum, (weight, sample)) in sums.iter_mut().zip(weights.iter().zip(samples)) {
            *sum += weight * sample;
        }
    }
    sums.iter().sum()
}

fn weights(phase: usize) -> Weights {
    let half = TAPS as f64 / 2.0;
    let at = |tap: usize| {
        let time = tap as f64 - (half - 1.0) - phase as f64 / PHASES as f64;
        let window = bessel(BETA * (1.0 - (time / half).powi(2)).max(0.0).sqrt()) / bessel(BETA);
        let angle = 2.0 * PI * CUTOFF * time;
        window * if angle == 0.0 { 1.0 } else { angle.sin() / angle }
    };
    // Scaled so that a constant stays what it is.
    let sum: f64 = (0..TAPS).map(at).sum();
    std::array::from_fn(|tap| (at(tap) / sum) as f32)
}

/// The modified Bessel function of order zero, by its series.
fn bessel(value: f64) -> f64 {
    let quarter = value * value / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for index in 1..40 {
        term *= quarter / f64::from(index * index);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// A sine of so many cycles a sample.
    fn sine(cycles: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|index| (TAU * cycles * index as f64).sin() as f32).collect()
    }

    /// What is left of `samples` without a sine of so many cycles a sample, against that sine, in dB.
    fn residual_db(samples: &[f32], cycles: f64) -> f64 {
        let (mut sines, mut cosines) = (0.0, 0.0);
        let parts = |index: usize| (TAU * cycles * index as f64).sin_cos();
        for (index, sample) in samples.iter().enumerate() {
            let (sine, cosine) = parts(index);
            sines += 2.0 * sine * f64::from(*sample) / samples.len() as f64;
            cosines += 2.0 * cosine * f64::from(*sample) / samples.len() as f64;
        }
        let rest = samples.iter().enumerate().map(|(index, sample)| {
            let (sine, cosine) = parts(index);
            (f64::from(*sample) - sines * sine - cosines * cosine).powi(2)
        });
        10.0 * (2.0 * rest.sum::<f64>() / samples.len() as f64 / (sines * sines + cosines * cosines)).log10()
    }

    fn resampled(cycles: f64, step: f64) -> Vec<f32> {
        let mut resampler = Resampler::new(1);
        resampler.push(24_000, &sine(cycles, 24_000));
        resampler.step = step;
        let mut out = Vec::new();
        assert_eq!(resampler.make(20_000, step, &mut out), 20_000);
        out.split_off(100)
    }

    #[test]
    fn a_sine_stays_one_at_any_ratio() {
        for step in [0.998_5, 0.999_9, 1.0, 1.000_2, 1.001_5] {
            // 997 Hz, and what is hardest: 20 kHz. A whole number of cycles in what is looked at, or nearly.
            for (cycles, limit_db) in [(997.0 / 48_000.0, -90.0), (20_000.0 / 48_000.0, -70.0)] {
                let out = resampled(cycles, step);
                let periods = (cycles * step * 19_000.0).floor();
                let samples = (periods / (cycles * step)).round() as usize;
                let found = residual_db(&out[..samples], cycles * step);
                assert!(found < limit_db, "{cycles} at {step}: {found} dB");
            }
            let loudest = resampled(0.41, step).iter().fold(0.0_f32, |loudest, one| loudest.max(one.abs()));
            assert!((0.98..1.01).contains(&loudest), "19.7 kHz at {step}: {loudest}");
        }
    }

    #[test]
    fn channels_stay_apart_and_positions_add_up() {
        let mut resampler = Resampler::new(2);
        let mut out = Vec::new();
        let mut taken = 0;
        for _ in 0..2_000 {
            resampler.push(480, &[0.5, -0.25].repeat(480));
            taken += resampler.make(480, 1.0004, &mut out);
        }
        let (frames, _) = out[200..].as_chunks::<2>();
        assert!(frames.iter().all(|[left, right]| (left - 0.5).abs() < 1e-4 && (right + 0.25).abs() < 1e-4));
        // It ran dry where what came did not do: a little is always held back.
        let used = 2_000.0 * 480.0 - resampler.fill();
        assert!((used - taken as f64 * 1.0004).abs() < 1.0, "{used} for {taken}");
        assert!(resampler.fill() < 35.0 && resampler.length < CONSUMED * 2);
        resampler.clear();
        assert_eq!((resampler.fill(), resampler.make(1, 1.0, &mut out)), (0.0, 0));
    }

    #[test]
    fn what_is_passed_over_is_not_heard() {
        let mut resampler = Resampler::new(1);
        resampler.push(1_000, &(0..1_000).map(|index| index as f32).collect::<Vec<_>>());
        resampler.skip(500.5);
        let mut out = Vec::new();
        resampler.make(10, 1.0, &mut out);
        assert!(
            out.iter().zip(0..).all(|(found, index)| (found - 500.5 - index as f32).abs() < 0.1),
            "{out:?}"
        );
        resampler.skip(1e9);
        assert_eq!(resampler.fill(), 0.0);
    }

    /// Run by hand, see the module's first lines.
    #[test]
    #[ignore = "measures this machine"]
    fn cost() {
        let used = || {
            let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
            text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
        };
        let mut resampler = Resampler::new(2);
        let block = sine(0.02, 960);
        let mut out = Vec::new();
        let before = used();
        for _ in 0..60 * 100 {
            out.clear();
            resampler.push(480, &block);
            resampler.make(480, 1.0002, &mut out);
        }
        println!("resampling: {:.3} ms a second of stereo", (used() - before) / 60.0);
    }
}
