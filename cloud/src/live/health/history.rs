//! What an input was like: each second of the last hour, each minute before.

use std::collections::VecDeque;

use super::minute::{Averaging, Minute, minute_of};
use super::sample::Sample;

/// Seconds that are kept.
pub(super) const SECONDS: usize = 3_600;
/// Minutes that are kept; the file has them all.
pub(super) const MINUTES: usize = 2 * 24 * 60;

/// The seconds and minutes of an input; it grows with what it has to keep.
#[derive(Debug, Default)]
pub(super) struct History {
    seconds: VecDeque<Sample>,
    minutes: VecDeque<Minute>,
    minute: Option<Averaging>,
    /// How many of the newest minutes nobody has taken yet.
    untaken: usize,
}

impl History {
    /// Goes on after the minutes of before a restart.
    pub(super) fn after(minutes: Vec<Minute>) -> Self {
        let too_many = minutes.len().saturating_sub(MINUTES);
        Self { minutes: minutes.into_iter().skip(too_many).collect(), ..Self::default() }
    }

    pub(super) fn push(&mut self, sample: Sample) {
        self.pass(sample.at_s);
        self.minute.get_or_insert_with(|| Averaging::new(sample.at_s)).push(&sample);
        if self.seconds.len() >= SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(sample);
    }

    /// Lets a second go by of which there is nothing to keep.
    pub(super) fn pass(&mut self, at_s: u32) {
        if self.minute.as_ref().is_some_and(|minute| minute.at_s() != minute_of(at_s)) {
            self.close_minute();
        }
    }

    /// Closes the minute, though it may not be over.
    pub(super) fn close_minute(&mut self) {
        let Some(minute) = self.minute.take() else { return };
        if self.minutes.len() >= MINUTES {
            self.minutes.pop_front();
        }
        self.minutes.push_back(minute.close());
        self.untaken = (self.untaken + 1).min(MINUTES);
    }

    /// The minutes that were closed since this was called last.
    pub(super) fn take_minutes(&mut self) -> Vec<Minute> {
        let known = self.minutes.len().saturating_sub(std::mem::take(&mut self.untaken));
        self.minutes.iter().skip(known).copied().collect()
    }

    pub(super) fn seconds(&self) -> &VecDeque<Sample> {
        &self.seconds
    }

    /// The minutes, and what there is of the present one.
    pub(super) fn minutes(&self) -> impl Iterator<Item = Minute> {
        self.minutes.iter().copied().chain(self.minute.as_ref().map(Averaging::close))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at_s: u32) -> Sample {
        Sample { at_s, frames: 25, ..Sample::default() }
    }

    #[test]
    fn an_hour_of_seconds_and_two_days_of_minutes_are_kept() {
        let mut history = History::default();
        for at_s in 0..3 * 24 * 3_600 {
            history.push(second(at_s));
        }
        assert_eq!(history.seconds().len(), SECONDS);
        assert_eq!(history.seconds().front().map(|sample| sample.at_s), Some(3 * 24 * 3_600 - 3_600));
        assert_eq!(history.minutes().count(), MINUTES + 1);
        let bytes = history.seconds.capacity() * size_of::<Sample>()
            + history.minutes.capacity() * size_of::<Minute>();
        assert!(bytes < 320 * 1_024, "{bytes}");
    }

    #[test]
    fn each_minute_is_taken_once() {
        let mut history = History::default();
        (0..150).for_each(|at_s| history.push(second(at_s)));
        let taken = history.take_minutes();
        assert_eq!(
            taken.iter().map(|minute| (minute.at_s, minute.seconds)).collect::<Vec<_>>(),
            [(0, 60), (60, 60)]
        );
        assert_eq!(history.take_minutes(), []);
        history.pass(179);
        assert_eq!(history.take_minutes(), []);
        history.pass(180);
        assert_eq!(history.take_minutes().len(), 1);
        let again = History::after(taken);
        assert_eq!(again.minutes().count(), 2);
    }
}
