//! How many kbit/s the encoder is to make so that main's line carries them: additive increase, multiplicative decrease.
//! Pure.

use std::time::{Duration, Instant};

use stagebox_push::{OutputState, OutputStatus};

/// More waits for the line than this: it carries less than is made.
const BEHIND_MS: u32 = 700;
/// As good as nothing waits.
const CALM_MS: u32 = 200;
/// What is left of a rate that is too much.
const LEFT_PERCENT: u32 = 70;
/// Of what the line has carried, beside what waits already.
const CARRIED_PERCENT: u32 = 85;
/// A step up, of the highest rate.
const STEP_PERCENT: u32 = 5;
/// What waits at the begin of a connection was made before it.
const SETTLES: Duration = Duration::from_secs(5);
/// Main that has been trying for so long carries nothing that could be followed.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// What was lowered takes a while to show.
const SHOWS: Duration = Duration::from_secs(2);
/// The line has to be calm for so long before more is tried.
const CALM: Duration = Duration::from_secs(5);

/// Between which rates, in kbit/s of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub floor_kbps: u32,
    pub ceiling_kbps: u32,
    /// What leaves beside the picture.
    pub sound_kbps: u32,
}

/// Follows main's line.
#[derive(Debug)]
pub struct Rate {
    range: Range,
    kbps: u32,
    changed_at: Option<Instant>,
    calm_since: Option<Instant>,
    dropped_frames: u64,
}

impl Rate {
    #[must_use]
    pub fn new(range: Range) -> Self {
        Self { range, kbps: range.ceiling_kbps, changed_at: None, calm_since: None, dropped_frames: 0 }
    }

    /// Takes what main says of itself; the new rate, where that changes.
    pub fn look(&mut self, now: Instant, main: &OutputStatus) -> Option<u32> {
        let dropped = main.dropped_frames > std::mem::replace(&mut self.dropped_frames, main.dropped_frames);
        let lasted = now.saturating_duration_since(main.since);
        // What nobody watches need not be low: the recording has all of it again.
        let is_over = match main.state {
            OutputState::Off => true,
            OutputState::Sending => false,
            OutputState::Connecting | OutputState::Waiting => lasted >= GIVEN_UP,
        };
        if is_over && self.kbps != self.range.ceiling_kbps {
            (self.kbps, self.changed_at) = (self.range.ceiling_kbps, None);
            return Some(self.kbps);
        }
        if main.state != OutputState::Sending || lasted < SETTLES {
            self.calm_since = None;
            return None;
        }
        let rested = |rest| self.changed_at.is_none_or(|at| now.saturating_duration_since(at) >= rest);
        let Range { floor_kbps, ceiling_kbps, sound_kbps } = self.range;
        let next = if dropped || main.queued_ms > BEHIND_MS {
            self.calm_since = None;
            if !rested(SHOWS) {
                return None;
            }
            let carried = (main.bitrate_kbps * CARRIED_PERCENT / 100).saturating_sub(sound_kbps);
            (self.kbps * LEFT_PERCENT / 100).min(carried).max(floor_kbps)
        } else if main.queued_ms < CALM_MS {
            let since = *self.calm_since.get_or_insert(now);
            if now.saturating_duration_since(since) < CALM || !rested(CALM) {
                return None;
            }
            self.calm_since = Some(now);
            (self.kbps + (ceiling_kbps * STEP_PERCENT / 100).max(1)).min(ceiling_kbps)
        } else {
            self.calm_since = None;
            return None;
        };
        if next == self.kbps {
            return None;
        }
        (self.kbps, self.changed_at) = (next, Some(now));
        Some(next)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RANGE: Range = Range { floor_kbps: 500, ceiling_kbps: 3000, sound_kbps: 128 };

    fn status(since: Instant, kbps: u32, queued_ms: u32) -> OutputStatus {
        OutputStatus {
            state: OutputState::Sending,
            since,
            url: None,
            bitrate_kbps: kbps,
            queued_ms,
            sent_bytes: 0,
            dropped_frames: 0,
            reconnects: 0,
            error: None,
        }
    }

    /// A line that carries so much of what the encoder makes, looked at twice a second; all rates that were set.
    fn line(carries: impl Fn(u64) -> u32, seconds: u64) -> Vec<(u64, u32)> {
        let (start, mut rate, mut queued_kbit) = (Instant::now(), Rate::new(RANGE), 0.0_f64);
        let mut set = Vec::new();
        for half in 0..seconds * 2 {
            let (made, most) = (f64::from(rate.kbps + RANGE.sound_kbps), f64::from(carries(half / 2)));
            let waiting = queued_kbit + made / 2.0;
            let sent = waiting.min(most / 2.0);
            // What the queue does not hold is dropped.
            queued_kbit = (waiting - sent).min(4.0 * f64::from(RANGE.ceiling_kbps));
            let queued_ms = (queued_kbit / f64::from(RANGE.ceiling_kbps) * 1000.0) as u32;
            let now = start + Duration::from_millis(half * 500);
            if let Some(kbps) = rate.look(now, &status(start, (sent * 2.0) as u32, queued_ms)) {
                set.push((half / 2, kbps));
            }
        }
        set
    }

    #[test]
    fn a_good_line_is_left_alone_and_a_bad_one_is_followed() {
        assert_eq!(line(|_| 10_000, 600), []);
        let set = line(|_| 1_500, 120);
        assert!(set.first().is_some_and(|(at, kbps)| *at <= 7 && *kbps <= 1_400), "{set:?}");
        let (least, most) = (set.iter().map(|(_, kbps)| *kbps).min().unwrap(), set.last().unwrap().1);
        assert!(least >= RANGE.floor_kbps && most <= 1_600, "{set:?}");
        // It comes back by steps once the line is good again.
        let set = line(|second| if second < 60 { 1_000 } else { 10_000 }, 240);
        assert_eq!(set.last().unwrap().1, RANGE.ceiling_kbps, "{set:?}");
        let back = set.iter().filter(|(at, _)| *at > 70).map(|(_, kbps)| *kbps).collect::<Vec<_>>();
        assert!(back.windows(2).all(|pair| pair[1] > pair[0] && pair[1] - pair[0] <= 150), "{back:?}");
        // A line that carries nothing worth it is not gone below the floor for.
        assert_eq!(line(|_| 100, 60).last().unwrap().1, RANGE.floor_kbps);
    }

    #[test]
    fn what_waits_at_the_begin_of_a_connection_lowers_nothing() {
        let start = Instant::now();
        let mut rate = Rate::new(RANGE);
        for ms in (0..5000).step_by(500) {
            assert_eq!(rate.look(start + Duration::from_millis(ms), &status(start, 900, 2000)), None);
        }
        let waiting = OutputStatus { state: OutputState::Waiting, ..status(start, 0, 4000) };
        assert_eq!(rate.look(start + Duration::from_secs(20), &waiting), None);
        let dropping = OutputStatus { dropped_frames: 30, ..status(start, 2900, 300) };
        assert_eq!(rate.look(start + Duration::from_secs(61), &dropping), Some(2100));
        // The stream is over, or main gives nothing to follow: the recording is as good as it can be.
        let off = OutputStatus { state: OutputState::Off, ..status(start + Duration::from_secs(62), 0, 0) };
        assert_eq!(rate.look(start + Duration::from_secs(62), &off), Some(3000));
        assert_eq!(rate.look(start + Duration::from_secs(63), &off), None);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_range(seed in prop::collection::vec(0_u32..6_000, 1..60)) {
            let set = line(|second| seed[second as usize / 10 % seed.len()], 600);
            prop_assert!(set.iter().all(|(_, kbps)| (500..=3000).contains(kbps)), "{:?}", set);
        }
    }
}
