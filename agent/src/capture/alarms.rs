//! Notices a picture that is black or stands still, and sound that is not there: pure.

use stagebox_protocol::telemetry::SignalAlarm;

use super::CHANNELS;
use crate::config::AlarmConfig;

/// An alarm is over once its reason has been away for so long.
const OVER_NS: i64 = 1_000_000_000;
/// A source that gives nothing for so long is not merely slow.
const SLOW_NS: i64 = 500_000_000;
const SECOND_NS: i64 = 1_000_000_000;
/// Points of a picture that are looked at, across and down.
const POINTS: (usize, usize) = (32, 18);
/// Luma of what is black, with what a cable and a converter add to it.
const BLACK: u8 = 24;
/// Points that differ less are the same: converters dither.
const SAME: u8 = 2;

/// What is looked for, and for how long it has been so.
#[derive(Debug)]
pub struct Alarms {
    config: AlarmConfig,
    silence_level: f32,
    silent: Lasting,
    black: Lasting,
    frozen: Lasting,
    points: Vec<u8>,
    /// When the source gave a picture last.
    new_at_ns: i64,
}

impl Alarms {
    #[must_use]
    pub fn new(config: &AlarmConfig) -> Self {
        Self {
            silence_level: 10_f32.powf(config.silence_dbfs as f32 / 20.0),
            config: config.clone(),
            silent: Lasting::default(),
            black: Lasting::default(),
            frozen: Lasting::default(),
            points: Vec::new(),
            new_at_ns: i64::MIN,
        }
    }

    /// Takes the sound of a moment of the stream, interleaved.
    pub fn sound(&mut self, at_ns: i64, samples: &[f32]) {
        let is_silent = samples.iter().all(|sample| sample.abs() < self.silence_level);
        // No samples say nothing.
        if samples.len() >= CHANNELS {
            self.silent.look(at_ns, is_silent, self.config.silence_s);
        }
    }

    /// Takes a picture's luma, rows of `stride` bytes, or that the last one still stands.
    pub fn picture(&mut self, at_ns: i64, luma: Option<(&[u8], usize, usize, usize)>) {
        if luma.is_some() {
            self.new_at_ns = at_ns;
        } else if at_ns.saturating_sub(self.new_at_ns) < SLOW_NS {
            // A source that is slower than the stream.
            return;
        }
        let points = luma.map(|(luma, stride, width, height)| points(luma, stride, width, height));
        let is_same = points.as_ref().is_none_or(|points| {
            points.len() == self.points.len()
                && points.iter().zip(&self.points).all(|(now, before)| now.abs_diff(*before) <= SAME)
        });
        // Compared with where it began to stand still, so that a slow fade moves.
        if let Some(points) = points.filter(|_| !is_same) {
            self.points = points;
        }
        let is_black = !self.points.is_empty() && self.points.iter().all(|point| *point <= BLACK);
        self.black.look(at_ns, is_black, self.config.black_s);
        self.frozen.look(at_ns, is_same && !is_black, self.config.frozen_s);
    }

    /// There is no signal to look at.
    pub fn forget(&mut self) {
        (self.silent, self.black, self.frozen) = Default::default();
        self.points.clear();
    }

    /// What is wrong now.
    #[must_use]
    pub fn raised(&self) -> Vec<SignalAlarm> {
        let all = [
            (&self.silent, SignalAlarm::Silent),
            (&self.black, SignalAlarm::Black),
            (&self.frozen, SignalAlarm::Frozen),
        ];
        all.into_iter().filter(|(lasting, _)| lasting.is_raised).map(|(_, alarm)| alarm).collect()
    }
}

fn points(luma: &[u8], stride: usize, width: usize, height: usize) -> Vec<u8> {
    let (across, down) = POINTS;
    let at = |x: usize, y: usize| {
        let (x, y) = ((2 * x + 1) * width / (2 * across), (2 * y + 1) * height / (2 * down));
        luma.get(y * stride + x).copied().unwrap_or(0)
    };
    (0..down).flat_map(|y| (0..across).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect()
}

/// Something that has to last to be an alarm, and to be away to be none.
#[derive(Debug, Default)]
struct Lasting {
    since: Option<i64>,
    away_since: Option<i64>,
    is_raised: bool,
}

impl Lasting {
    /// `limit_s` of 0 says that nobody wants to know.
    fn look(&mut self, at_ns: i64, is_so: bool, limit_s: u32) {
        if is_so {
            self.away_since = None;
            let since = *self.since.get_or_insert(at_ns);
            let is_long = at_ns.saturating_sub(since) >= i64::from(limit_s) * SECOND_NS;
            self.is_raised |= limit_s > 0 && is_long;
        } else {
            self.since = None;
            let since = *self.away_since.get_or_insert(at_ns);
            self.is_raised &= at_ns.saturating_sub(since) < OVER_NS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_NS: i64 = SECOND_NS / 10;

    fn config() -> AlarmConfig {
        AlarmConfig { silence_s: 5, silence_dbfs: -60, black_s: 3, frozen_s: 4 }
    }

    /// Feeds seconds of pictures of one brightness each, moving or not, and sound of one level.
    struct Feed {
        alarms: Alarms,
        at_ns: i64,
        moved: u8,
    }

    impl Feed {
        fn play(&mut self, seconds: f64, brightness: u8, moves: bool, level: f32) -> Vec<SignalAlarm> {
            for _ in 0..(seconds * 10.0) as usize {
                let mut luma = vec![brightness; 64 * 36];
                if moves {
                    self.moved = self.moved.wrapping_add(10);
                    luma[..64 * 4].fill(self.moved);
                }
                self.alarms.picture(self.at_ns, Some((&luma, 64, 64, 36)));
                self.alarms.sound(self.at_ns, &[level, -level]);
                self.at_ns += STEP_NS;
            }
            self.alarms.raised()
        }
    }

    fn feed(config: &AlarmConfig) -> Feed {
        Feed { alarms: Alarms::new(config), at_ns: 0, moved: 0 }
    }

    #[test]
    fn what_lasts_is_an_alarm_and_what_is_away_is_none() {
        use SignalAlarm::{Black, Frozen, Silent};
        let mut feed = feed(&config());
        assert_eq!(feed.play(20.0, 120, true, 0.1), []);
        assert_eq!(feed.play(4.9, 120, true, 0.0), [], "not long enough");
        assert_eq!(feed.play(0.3, 120, true, 0.0005), [Silent], "-66 dBFS is silence");
        assert_eq!(feed.play(0.9, 120, true, 0.1), [Silent], "a moment of sound");
        assert_eq!(feed.play(0.3, 120, true, 0.1), []);
        assert_eq!(feed.play(3.2, 16, false, 0.1), [Black]);
        // Black stands still too, which goes without saying.
        assert_eq!(feed.play(10.0, 17, false, 0.1), [Black]);
        assert_eq!(feed.play(2.0, 120, true, 0.1), []);
        assert_eq!(feed.play(4.5, 121, false, 0.1), [Frozen]);
        assert_eq!(feed.play(1.5, 121, true, 0.1), []);
        // A source at half the rate moves all the same.
        for _ in 0..30 {
            assert_eq!(feed.play(0.2, 121, true, 0.1), []);
            feed.alarms.picture(feed.at_ns, None);
            feed.at_ns += STEP_NS;
        }
        for _ in 0..55 {
            feed.alarms.picture(feed.at_ns, None);
            feed.at_ns += STEP_NS;
        }
        assert_eq!(feed.alarms.raised(), [Frozen], "the source gives nothing new");
        feed.alarms.forget();
        assert_eq!(feed.alarms.raised(), []);
    }

    #[test]
    fn what_nobody_wants_to_know_is_not_told() {
        let mut feed = feed(&AlarmConfig { silence_s: 0, black_s: 0, frozen_s: 0, ..config() });
        assert_eq!(feed.play(100.0, 16, false, 0.0), []);
        assert_eq!(feed.play(100.0, 120, false, 0.0), []);
    }
}
