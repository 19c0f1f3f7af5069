//! What is done to sound on its way: delay, gain, mute, and a limit where it was made louder. Pure.

use std::collections::VecDeque;

use super::{CHANNELS, SAMPLE_RATE};
use crate::config::{AudioConfig, ChannelPair};

/// What is louder than this is bent, so that nothing passes full scale.
const KNEE: f32 = 0.9;

/// Changes interleaved samples as configured.
#[derive(Debug)]
pub(super) struct Adjust {
    gain: f32,
    /// What is held back, exactly as long as the delay.
    held: VecDeque<f32>,
}

impl Adjust {
    /// Nothing, where nothing is to be done.
    pub(super) fn new(audio: &AudioConfig) -> Option<Self> {
        let gain = if audio.mute { 0.0 } else { 10_f32.powf(audio.gain_db / 20.0) };
        let frames = SAMPLE_RATE as usize * usize::try_from(audio.delay_ms).unwrap_or(0) / 1000;
        let held = VecDeque::from(vec![0.0; frames * CHANNELS]);
        (gain != 1.0 || !held.is_empty()).then_some(Self { gain, held })
    }

    pub(super) fn apply(&mut self, sound: &mut [f32]) {
        if !self.held.is_empty() {
            for sample in sound.iter_mut() {
                self.held.push_back(*sample);
                *sample = self.held.pop_front().unwrap_or(0.0);
            }
        }
        for sample in sound {
            *sample *= self.gain;
            // What was loud before is left as it was.
            if self.gain > 1.0 {
                *sample = limited(*sample);
            }
        }
    }
}

fn limited(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample;
    }
    (KNEE + (1.0 - KNEE) * (over / (1.0 - KNEE)).tanh()).copysign(sample)
}

/// Two channels out of as many as there are, interleaved; one channel is heard on both sides. `None` where there are fewer.
pub(super) fn pick(samples: &[f32], channels: usize, pair: ChannelPair) -> Option<Vec<f32>> {
    let left = pair.first();
    let right = if channels == 1 { left } else { left + 1 };
    if right >= channels {
        return None;
    }
    // Hardware may send anything.
    let clean = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
    Some(samples.chunks_exact(channels).flat_map(|frame| [clean(frame[left]), clean(frame[right])]).collect())
}

/// What to say where the channels are not there.
pub(super) fn lacks(pair: ChannelPair, channels: usize) -> String {
    let fix = if channels < 4 { "\"1/2\"" } else { "one of the others" };
    format!("audio.channels: there is no {pair} among {channels} channels; use {fix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adjusted(audio: &AudioConfig, sound: &[f32]) -> Vec<f32> {
        let mut sound = sound.to_vec();
        Adjust::new(audio).unwrap().apply(&mut sound);
        sound
    }

    #[test]
    fn gain_mute_and_limit() {
        assert!(Adjust::new(&AudioConfig::default()).is_none());
        let audio = |gain_db, mute| AudioConfig { gain_db, mute, ..AudioConfig::default() };
        let halved = adjusted(&audio(-6.0206, false), &[1.0, -0.5, 2.0]);
        assert!(halved.iter().zip([0.5, -0.25, 1.0]).all(|(found, wanted)| (found - wanted).abs() < 1e-4));
        let louder = adjusted(&audio(12.0412, false), &[0.1, 0.2, -0.24, 0.5, -9.0]);
        assert!((louder[0] - 0.4).abs() < 1e-4 && (louder[1] - 0.8).abs() < 1e-4);
        assert!(louder[2] < -0.95 && louder[3] > 0.99 && louder.iter().all(|one| one.abs() <= 1.0));
        assert!(adjusted(&audio(24.0, true), &[0.5, -1.0]).iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn the_limit_has_no_corner() {
        let steps: Vec<f32> = (0..4_000).map(|step| limited(step as f32 / 1_000.0)).collect();
        let slopes: Vec<f32> = steps.windows(2).map(|pair| (pair[1] - pair[0]) * 1_000.0).collect();
        assert!(slopes.iter().all(|slope| (-0.001..1.001).contains(slope)), "never down, never steeper");
        assert!(slopes.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.03));
    }

    #[test]
    fn a_delay_is_exact_whatever_is_asked_for_at_once() {
        let mut adjust = Adjust::new(&AudioConfig { delay_ms: 10, ..AudioConfig::default() }).unwrap();
        let (mut heard, mut next) = (Vec::new(), 1.0);
        for frames in [1, 700, 33, 1_600] {
            let mut sound: Vec<f32> = (0..frames * CHANNELS).map(|index| next + index as f32).collect();
            next += sound.len() as f32;
            adjust.apply(&mut sound);
            heard.extend(sound);
        }
        assert!(heard[..960].iter().all(|sample| *sample == 0.0));
        assert!(heard[960..].iter().zip(1..).all(|(sample, wanted)| *sample == wanted as f32));
    }

    #[test]
    fn a_pair_is_picked_or_missing() {
        let four = [1.0, 2.0, 3.0, f32::NAN, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(pick(&four, 4, ChannelPair::OneTwo).unwrap(), [1.0, 2.0, 5.0, 6.0]);
        assert_eq!(pick(&four, 4, ChannelPair::ThreeFour).unwrap(), [3.0, 0.0, 7.0, 8.0]);
        assert_eq!(pick(&four, 1, ChannelPair::OneTwo).unwrap()[..4], [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(pick(&four, 1, ChannelPair::ThreeFour), None);
        assert_eq!(pick(&four, 5, ChannelPair::FiveSix), None);
        assert_eq!(pick(&four, 0, ChannelPair::OneTwo), None);
        let words = lacks(ChannelPair::ThreeFour, 2);
        assert_eq!(words, "audio.channels: there is no 3/4 among 2 channels; use \"1/2\"");
    }
}
