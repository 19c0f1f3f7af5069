//! Has sound follow the box's clock, whatever clock it comes from: pure.
//!
//! What comes waits in a line, and a [`Resampler`] takes from it a little faster or slower, so that each sample is heard the
//! same time after it was recorded. How much was recorded by a moment is told by the blocks that came the least late, as a
//! line through them; the beat that asks has no jitter of its own. A PI controller (with a low pass, so that its noise is not
//! heard as wow) turns what is too much or too little into the ratio. Nothing is left out or put in, but where the line runs
//! dry or is off by more than that can mend: then it begins anew, and says so.
//!
//! ```text
//!             enough has come
//!   Filling ───────────────────▶ Running
//!      ▲                            │
//!      └──── dry, or far off: Slip ─┘
//! ```

use std::collections::VecDeque;

use stagebox_media::resample::{Resampler, TAPS};

use super::SAMPLE_RATE;

/// How far a clock can be off and be followed, up and down: 1000 ppm, and a little for what is not known exactly.
const MOST_OFF: f64 = 1_200e-6;
/// What the ratio may be off altogether, while the line is brought to its length.
const MOST_RATIO: f64 = 2_000e-6;
/// An error beyond this is not mended by the ratio.
const MOST_ERROR_S: f64 = 0.015;
/// How quickly it follows, in radians a second: at first, and once that has settled.
const QUICK: f64 = 0.3;
const CALM: f64 = 0.06;
/// Seconds in which one becomes the other.
const SETTLES_S: f64 = 5.0;
/// An error of so much is followed quickly at any time: the other clock has changed.
const CHANGED_S: f64 = 0.004;
/// The low pass against how quickly it follows: far enough above to leave the loop stable.
const LOW_PASS: f64 = 0.18;
/// Blocks that are remembered: those of the last second.
const REMEMBERED_NS: i64 = 1_000_000_000;
const MOST_REMEMBERED: usize = 2_048;
/// What has to have come before it begins.
const FIRST_BLOCKS: usize = 2;
const FIRST_NS: i64 = 100_000_000;
/// Sound begins and ends with a ramp of so many samples.
const RAMP: usize = 240;
/// More than this waits for nobody.
const MOST_WAITING: f64 = 4.0 * SAMPLE_RATE as f64;

/// Why it began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slip {
    /// Nothing was left.
    Dry,
    /// There was too much or too little to make up for.
    Off,
}

#[derive(Debug)]
pub(super) struct Follow {
    resampler: Resampler,
    channels: usize,
    /// Samples from when one is recorded to when it is heard.
    target: f64,
    /// Samples that have come in all.
    came: u64,
    /// When the last blocks came, and how many samples had come by then.
    blocks: VecDeque<(i64, u64)>,
    /// What the other clock is off, as far as is known; kept when it begins anew.
    off: f64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Filling,
    Running {
        since_ns: i64,
        last_ns: i64,
        /// What is too much, in seconds, through the low pass.
        error_s: f64,
        /// Samples of the ramp that are behind.
        ramp: usize,
    },
}

impl Follow {
    /// `target`: samples from when one is recorded to when it is heard; it has to hold what is asked for at once, a block,
    /// and what blocks come late.
    pub(super) fn new(channels: usize, target: usize) -> Self {
        Self {
            resampler: Resampler::new(channels),
            channels,
            target: target as f64,
            came: 0,
            blocks: VecDeque::new(),
            off: 0.0,
            state: State::Filling,
        }
    }

    /// Takes a block that came at this moment: `frames` samples of each channel, interleaved.
    pub(super) fn push(&mut self, at_ns: i64, frames: usize, samples: &[f32]) {
        self.resampler.push(frames, samples);
        self.resampler.skip(self.resampler.fill() - MOST_WAITING);
        self.came += frames as u64;
        self.blocks.push_back((at_ns, self.came));
        let is_old = |block: &(i64, u64)| at_ns - block.0 > REMEMBERED_NS;
        while self.blocks.len() > MOST_REMEMBERED || self.blocks.front().is_some_and(is_old) {
            self.blocks.pop_front();
        }
    }

    /// Adds to `out` what is to be heard from this moment on: exactly `frames` samples of each channel, interleaved.
    pub(super) fn take(&mut self, at_ns: i64, frames: usize, out: &mut Vec<f32>) -> Option<Slip> {
        let end = out.len() + frames * self.channels;
        let slip = self.make(at_ns, frames, out);
        out.resize(end, 0.0);
        slip
    }

    /// Whether sound is going through.
    pub(super) fn is_running(&self) -> bool {
        self.state != State::Filling
    }

    fn make(&mut self, at_ns: i64, frames: usize, out: &mut Vec<f32>) -> Option<Slip> {
        let mut slip = None;
        let mut surplus = self.surplus(at_ns);
        if self.is_running() && surplus.is_none_or(|surplus| surplus.abs() > samples(MOST_ERROR_S)) {
            self.state = State::Filling;
            slip = Some(Slip::Off);
        }
        if self.state == State::Filling {
            if !self.begin(at_ns, frames) {
                return slip;
            }
            surplus = self.surplus(at_ns);
        }
        let error = surplus.unwrap_or(0.0) / f64::from(SAMPLE_RATE);
        let State::Running { since_ns, last_ns, error_s, ramp } = &mut self.state else { return slip };
        let seconds = |ns: i64| ns as f64 / 1e9;
        let passed = seconds(at_ns - *last_ns).clamp(0.0, 0.5);
        let settling = (-seconds(at_ns - *since_ns) / SETTLES_S).exp();
        let changed = (error_s.abs() / CHANGED_S - 0.25).clamp(0.0, 1.0);
        let quick = CALM + (QUICK - CALM) * settling.max(changed);
        *error_s += (error - *error_s) * (1.0 - (-passed * quick / LOW_PASS).exp());
        self.off = (self.off + quick * quick * *error_s * passed).clamp(-MOST_OFF, MOST_OFF);
        let ratio = (self.off + 2.0 * quick * *error_s).clamp(-MOST_RATIO, MOST_RATIO);
        *last_ns = at_ns;
        let first = out.len();
        let made = self.resampler.make(frames, 1.0 + ratio, out);
        if *ramp < RAMP && self.channels > 0 {
            for frame in out[first..].chunks_exact_mut(self.channels) {
                frame.iter_mut().for_each(|sample| *sample *= *ramp as f32 / RAMP as f32);
                *ramp = (*ramp + 1).min(RAMP);
            }
        }
        if made < frames {
            self.end(&mut out[first..]);
            slip = Some(Slip::Dry);
        }
        slip
    }

    /// Samples that are too many (negative: too few) between the clock of what comes and what is heard now.
    fn surplus(&self, at_ns: i64) -> Option<f64> {
        let a_ns = f64::from(SAMPLE_RATE) * (1.0 + self.off) / 1e9;
        // Whoever came the least late has the line furthest ahead.
        let ahead =
            |(came_ns, came): &(i64, u64)| (at_ns - came_ns) as f64 * a_ns - (self.came - came) as f64;
        let ahead = self.blocks.iter().map(ahead).reduce(f64::max)?;
        Some(ahead + self.resampler.fill() - self.target)
    }

    /// Begins where the line has the right length; false if that takes more than has come.
    fn begin(&mut self, at_ns: i64, frames: usize) -> bool {
        let came_ns = self.blocks.back().zip(self.blocks.front()).map(|(last, first)| last.0 - first.0);
        if self.blocks.len() < FIRST_BLOCKS || came_ns.is_none_or(|came_ns| came_ns < FIRST_NS) {
            return false;
        }
        let Some(surplus) = self.surplus(at_ns).filter(|surplus| *surplus >= 0.0) else { return false };
        // It has to last until the next block, too.
        let sizes = self.blocks.iter().zip(self.blocks.iter().skip(1)).map(|(one, next)| next.1 - one.1);
        let needed = frames as f64 * (1.0 + MOST_RATIO) + TAPS as f64;
        let least = self.target - sizes.max().unwrap_or(0) as f64;
        if least < needed || self.resampler.fill() - surplus < needed {
            return false;
        }
        self.resampler.skip(surplus);
        self.state = State::Running { since_ns: at_ns, last_ns: at_ns, error_s: 0.0, ramp: 0 };
        true
    }

    /// What is left fades out, and all begins anew.
    fn end(&mut self, last: &mut [f32]) {
        for (ramp, frame) in last.rchunks_exact_mut(self.channels.max(1)).take(RAMP).enumerate() {
            frame.iter_mut().for_each(|sample| *sample *= ramp as f32 / RAMP as f32);
        }
        self.resampler.clear();
        self.blocks.clear();
        self.state = State::Filling;
    }
}

fn samples(seconds: f64) -> f64 {
    seconds * f64::from(SAMPLE_RATE)
}

#[cfg(test)]
impl Follow {
    /// Samples from when what is heard now was recorded.
    pub(super) fn delay(&self, at_ns: i64) -> f64 {
        self.surplus(at_ns).unwrap_or(f64::NAN) + self.target
    }

    /// Samples that wait.
    pub(super) fn fill(&self) -> f64 {
        self.resampler.fill()
    }
}
