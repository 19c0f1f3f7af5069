//! What the rules look at.

use super::picture::{Picture, Size};
use super::sample::{Flags, Sample};
use super::sound::Sound;

/// Seconds that tell what frame rate is usual.
pub(super) const USUAL_OVER: usize = 600;
/// For how long a change is told of.
const CHANGED_S: u32 = 60;
/// Fewer tell nothing.
const LEAST_SECONDS: usize = 10;

/// The present broadcast as it is just now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) recent: &'a Recent,
    /// Pictures a second, as they usually come; none before it is known.
    pub(super) usual_fps: Option<f64>,
    pub(super) has_picture_track: bool,
    pub(super) has_sound_track: bool,
    pub(super) picture: Option<Picture>,
    pub(super) changes: Changes,
    /// How often an encoder has connected in the last minutes.
    pub(super) begins: usize,
}

/// What of the encoder's headers changed of late, during the broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub(super) size: Option<Change<Size>>,
    /// Of something else in the picture's header.
    pub(super) picture: Option<Change<()>>,
    pub(super) sound: Option<Change<Option<Sound>>>,
}

/// A change during the broadcast, and the broadcast's age then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change<T> {
    pub(super) from: T,
    pub(super) to: T,
    pub(super) at_s: u32,
}

impl<T> Change<T> {
    /// Whether it is still told of.
    pub(super) fn is_new(&self, age_s: u32) -> bool {
        age_s.saturating_sub(self.at_s) < CHANGED_S
    }
}

/// The last seconds of the present broadcast that it was there for from beginning to end, the newest first.
#[derive(Debug, Default)]
pub(super) struct Recent(pub(super) Vec<Sample>);

impl Recent {
    /// The seconds that rules look back.
    pub(super) const SECONDS: usize = 60;

    /// The last so many seconds; none if the broadcast is younger.
    pub(super) fn last(&self, seconds: usize) -> Option<&[Sample]> {
        self.0.get(..seconds)
    }

    /// Those before the last so many.
    pub(super) fn before(&self, seconds: usize) -> &[Sample] {
        self.0.get(seconds..).unwrap_or_default()
    }

    /// In how many of the seconds that rules look back this was so.
    pub(super) fn count(&self, flag: Flags) -> usize {
        self.0.iter().filter(|sample| sample.flags.has(flag)).count()
    }

    pub(super) fn newest(&self) -> Option<&Sample> {
        self.0.first()
    }
}

/// The mean of a figure.
pub(super) fn mean(samples: &[Sample], figure: impl Fn(&Sample) -> u32) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(figure(sample))).sum();
    sum / samples.len().max(1) as f64
}

/// The sum of a figure.
pub(super) fn sum(samples: &[Sample], figure: impl Fn(&Sample) -> u32) -> u32 {
    samples.iter().fold(0, |sum: u32, sample| sum.saturating_add(figure(sample)))
}

/// The rate that most seconds reach, but for the few in which pictures came in a bunch after a pause.
///
/// A rate that falls is compared with this for minutes; after that the lower one is what is usual.
pub(super) fn usual_fps(samples: impl Iterator<Item = u16>, grid_fps: Option<f64>) -> Option<f64> {
    let mut rates: Vec<u16> = samples.take(USUAL_OVER).collect();
    if rates.len() < LEAST_SECONDS {
        return None;
    }
    let at = (rates.len() - 1) * 9 / 10;
    let (_, reached, _) = rates.select_nth_unstable(at);
    let reached = f64::from(*reached);
    // Timestamps with holes tell the rate that the encoder means, even if it never reached it.
    let usual = reached.max(grid_fps.unwrap_or(0.0));
    (reached > 0.0).then_some(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_rate_is_what_most_seconds_reach() {
        assert_eq!(usual_fps([30; 9].into_iter(), None), None);
        assert_eq!(usual_fps([30; 10].into_iter(), None), Some(30.0));
        assert_eq!(usual_fps([0; 20].into_iter(), Some(30.0)), None);
        assert_eq!(usual_fps([18; 20].into_iter(), Some(30.0)), Some(30.0));
        let bunch = [0, 90, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30];
        assert_eq!(usual_fps(bunch.into_iter(), None), Some(30.0));
        let fell = std::iter::repeat_n(15, 300).chain(std::iter::repeat_n(30, 300));
        assert_eq!(usual_fps(fell, None), Some(30.0));
        let long_ago = std::iter::repeat_n(15, 600).chain(std::iter::repeat_n(30, 300));
        assert_eq!(usual_fps(long_ago, None), Some(15.0));
    }
}
