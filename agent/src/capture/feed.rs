//! Decoded pictures and sound of a file, waiting for their moment.
//!
//! A pass is one run through the file. Both tracks of a pass are given the same
//! length, the longer one's, so that they stay together for any number of passes.

use std::collections::VecDeque;
use std::ops::Range;

use super::grid::sample_at;
use super::{CHANNELS, SAMPLE_RATE};

/// A jump in the file's own sound timestamps up to this is imprecision, not a gap.
const JITTER_SAMPLES: u64 = SAMPLE_RATE as u64 * 40 / 1000;

#[derive(Debug)]
pub(super) struct Feed<P> {
    fps: u32,
    pictures: VecDeque<(u64, P)>,
    sound: VecDeque<(u64, Vec<f32>)>,
    /// Where the present pass began.
    pass_picture: u64,
    pass_sample: u64,
    /// How far the present pass has come, counted from its own start.
    pictures_end: u64,
    samples_end: u64,
}

impl<P> Feed<P> {
    pub(super) fn new(fps: u32) -> Self {
        Self {
            fps,
            pictures: VecDeque::new(),
            sound: VecDeque::new(),
            pass_picture: 0,
            pass_sample: 0,
            pictures_end: 0,
            samples_end: 0,
        }
    }

    /// Takes a picture of the present pass; `at_ns` counts from the pass's start.
    pub(super) fn push_picture(&mut self, at_ns: u64, picture: P) {
        let index = (u128::from(at_ns) * u128::from(self.fps) + 500_000_000) / 1_000_000_000;
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        self.pictures_end = self.pictures_end.max(index + 1);
        self.pictures.push_back((self.pass_picture + index, picture));
    }

    /// Takes sound of the present pass; `at_ns` counts from the pass's start.
    pub(super) fn push_sound(&mut self, at_ns: u64, samples: Vec<f32>) {
        let at = u128::from(at_ns) * u128::from(SAMPLE_RATE) / 1_000_000_000;
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        let start = if at.abs_diff(self.samples_end) > JITTER_SAMPLES {
            at.max(self.samples_end)
        } else {
            self.samples_end
        };
        self.samples_end = start + (samples.len() / CHANNELS) as u64;
        self.sound.push_back((self.pass_sample + start, samples));
    }

    /// Ends the pass; the next one follows it without a seam. False if it had no picture.
    pub(super) fn end_pass(&mut self) -> bool {
        let samples_as_pictures = (self.samples_end * u64::from(self.fps)).div_ceil(u64::from(SAMPLE_RATE));
        let any = self.pictures_end > 0;
        self.pass_picture += self.pictures_end.max(samples_as_pictures);
        self.pass_sample = sample_at(self.pass_picture, self.fps);
        self.pictures_end = 0;
        self.samples_end = 0;
        any
    }

    /// The newest picture up to `index`, if it is one that was not taken yet.
    pub(super) fn take_picture(&mut self, index: u64) -> Option<P> {
        let mut newest = None;
        while self.pictures.front().is_some_and(|(at, _)| *at <= index) {
            newest = self.pictures.pop_front().map(|(_, picture)| picture);
        }
        newest
    }

    /// Exactly the samples of `range`; what is not there is silence.
    pub(super) fn take_sound(&mut self, range: Range<u64>) -> Vec<f32> {
        let length = usize::try_from(range.end - range.start).unwrap_or(0) * CHANNELS;
        let mut out = vec![0.0; length];
        while let Some((start, samples)) = self.sound.front() {
            let end = start + (samples.len() / CHANNELS) as u64;
            let from = (*start).max(range.start);
            let to = end.min(range.end);
            if from < to {
                let count = usize::try_from(to - from).unwrap_or(0) * CHANNELS;
                let source = usize::try_from(from - start).unwrap_or(0) * CHANNELS;
                let target = usize::try_from(from - range.start).unwrap_or(0) * CHANNELS;
                out[target..target + count].copy_from_slice(&samples[source..source + count]);
            }
            if end > range.end {
                break;
            }
            self.sound.pop_front();
        }
        out
    }

    /// Pictures that wait.
    pub(super) fn pictures_waiting(&self) -> usize {
        self.pictures.len()
    }

    /// Samples that wait.
    pub(super) fn samples_waiting(&self) -> usize {
        self.sound.iter().map(|(_, samples)| samples.len() / CHANNELS).sum()
    }
}
