//! How far a track has come, and where its times lie on the event's timeline.

use std::time::{Duration, Instant};

use super::USUAL_FRAME_NS;

/// A step of an encoder's clock that is no pause any more: it is set anew, and its frames follow on.
pub(super) const MAX_HOLE_NS: i64 = 1_000_000_000;
/// A track that is further from its due time than this has not stayed behind the other one's step.
const BEHIND_NS: i64 = 250_000_000;
/// The least distance of two frames of a track.
const LEAST_NS: i64 = 1_000_000;
/// What is told of a frame's length, at most: beyond it was a pause.
const MAX_FRAME_NS: i64 = 1_000_000_000;

/// A clock that gives one time for so long stands.
const STANDS_AFTER: Duration = Duration::from_secs(1);

/// Frames of one time are put further apart than this only where the clock stands.
const MAX_REPEAT_NS: i64 = 100_000_000;

/// Longer distances in a row after which they are what is usual.
const WIDENS_AFTER: u32 = 16;

/// How far a track has come, in the input's own times.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    pub(super) last_dts_ns: Option<i64>,
    /// The last distance of two frames.
    pub(super) duration_ns: i64,
    /// The shortest one of late: a longer one may be a hole.
    usual_ns: i64,
    wide: u32,
}

impl Cursor {
    /// Takes a frame that is later than the last one.
    pub(super) fn accept(&mut self, dts_ns: i64) -> bool {
        let Some(last) = self.last_dts_ns else {
            self.last_dts_ns = Some(dts_ns);
            return true;
        };
        if dts_ns <= last {
            return false;
        }
        self.duration_ns = dts_ns.saturating_sub(last).clamp(0, MAX_FRAME_NS);
        self.wide = if self.continues(dts_ns) { 0 } else { self.wide + 1 };
        if self.wide == 0 || self.wide > WIDENS_AFTER {
            self.usual_ns = self.duration_ns;
            self.wide = 0;
        }
        self.last_dts_ns = Some(dts_ns);
        true
    }

    /// Whether `dts_ns` is the very next frame, as far as the last ones tell.
    pub(super) fn continues(&self, dts_ns: i64) -> bool {
        let Some(last) = self.last_dts_ns else { return true };
        let usual_ns = if self.usual_ns > 0 { self.usual_ns } else { USUAL_FRAME_NS };
        dts_ns.saturating_sub(last) <= usual_ns + usual_ns / 2
    }

    /// Where the next frame is due.
    pub(super) fn end_ns(&self) -> Option<i64> {
        let duration_ns = if self.duration_ns > 0 { self.duration_ns } else { USUAL_FRAME_NS };
        self.last_dts_ns.map(|last| last.saturating_add(duration_ns))
    }
}

/// What is added to the times of an encoder whose clock may be set anew.
///
/// Both tracks are set anew together, though one of them notices first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steps {
    now_ns: i64,
    before_ns: i64,
}

impl Steps {
    /// A frame's decoding time as the run counts it: rising, and without the steps.
    ///
    /// A track that leaps to where the other one is has paused: no clock was set.
    pub(super) fn straighten(&mut self, cursor: &Cursor, other: &Cursor, dts_ns: i64) -> i64 {
        let Some(due) = cursor.end_ns() else { return dts_ns.saturating_add(self.now_ns) };
        let off = |by: i64| dts_ns.saturating_add(by).saturating_sub(due).saturating_abs();
        // The other track may have been a moment behind when this one stepped.
        let is_before = off(self.before_ns) < off(self.now_ns).min(BEHIND_NS);
        let by = if is_before { self.before_ns } else { self.now_ns };
        let straight = dts_ns.saturating_add(by);
        let is_near = |last: i64| straight.saturating_sub(last).saturating_abs() <= MAX_HOLE_NS;
        let is_pause = straight > due && other.last_dts_ns.is_some_and(is_near);
        if off(by) > MAX_HOLE_NS && !is_pause {
            // It is taken to be the one that is due.
            (self.before_ns, self.now_ns) = (self.now_ns, due.saturating_sub(dts_ns));
            return due;
        }
        // One that repeats a time, or falls back a little, is no copy: it is what comes next.
        cursor.last_dts_ns.map_or(straight, |last| straight.max(last.saturating_add(LEAST_NS)))
    }
}

impl Steps {
    /// The decoding time of a frame that has the time of the one before: so long after it, as it came.
    pub(super) fn follow(&mut self, cursor: &Cursor, dts_ns: i64, after: After) -> i64 {
        let (after_ns, most_ns) = match after {
            After::Moment(ns) => (ns, MAX_REPEAT_NS),
            After::Standstill(ns) => (ns, MAX_HOLE_NS),
        };
        let after_ns = after_ns.clamp(LEAST_NS, most_ns);
        let due = cursor.last_dts_ns.map_or(dts_ns, |last| last.saturating_add(after_ns));
        if matches!(after, After::Standstill(_)) {
            (self.before_ns, self.now_ns) = (self.now_ns, due.saturating_sub(dts_ns));
        }
        due
    }
}

/// How long a frame came after the one before, whose time it has, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Moment(i64),
    /// The clock stands: it will go on from where it is.
    Standstill(i64),
}

/// Tells whether a track's clock stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stand {
    /// The newest time, and when it was that first.
    at: Option<(i64, Instant)>,
    came: Option<Instant>,
}

impl Stand {
    /// Takes a frame's time; says when it came if its time says nothing.
    pub(super) fn look(&mut self, now: Instant, dts_ns: i64) -> Option<After> {
        let came = self.came.replace(now).unwrap_or(now);
        let Some((_, since)) = self.at.filter(|(at_ns, _)| *at_ns == dts_ns) else {
            self.at = Some((dts_ns, now));
            return None;
        };
        let after = now.saturating_duration_since(came).as_nanos();
        let after_ns = i64::try_from(after).unwrap_or(i64::MAX);
        let stands = now.saturating_duration_since(since) >= STANDS_AFTER;
        Some(if stands { After::Standstill(after_ns) } else { After::Moment(after_ns) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn straight(times_ms: &[i64]) -> Vec<i64> {
        let (mut cursor, mut steps) = (Cursor::default(), Steps::default());
        let all = times_ms.iter().map(|ms| {
            let dts_ns = steps.straighten(&cursor, &Cursor::default(), ms * MS);
            assert!(cursor.accept(dts_ns));
            dts_ns / MS
        });
        all.collect()
    }

    #[test]
    fn an_even_clock_stays_as_it_is() {
        assert_eq!(straight(&[7, 47, 87, 127]), [7, 47, 87, 127]);
        assert_eq!(straight(&[0, 40, 500, 540]), [0, 40, 500, 540], "a short pause is one");
    }

    #[test]
    fn steps_forward_and_back_are_taken_out() {
        assert_eq!(straight(&[0, 40, 9_000, 9_040]), [0, 40, 80, 120]);
        assert_eq!(straight(&[5_000, 5_040, 0, 40]), [5_000, 5_040, 5_080, 5_120]);
    }

    #[test]
    fn times_that_repeat_or_fall_rise_a_little() {
        assert_eq!(straight(&[0, 40, 40, 80]), [0, 40, 41, 80]);
        assert_eq!(straight(&[0, 40, 20, 80]), [0, 40, 41, 80]);
    }

    #[test]
    fn both_tracks_step_together() {
        let (mut video, mut audio, mut steps) = (Cursor::default(), Cursor::default(), Steps::default());
        for ms in [0, 40, 80] {
            let at = steps.straighten(&video, &audio, ms * MS);
            assert!(video.accept(at));
            let at = steps.straighten(&audio, &video, ms * MS);
            assert!(audio.accept(at));
        }
        // The picture is past the step, the sound is not yet, and then is.
        let at = steps.straighten(&video, &audio, 60_120 * MS);
        assert!(video.accept(at));
        assert_eq!(at, 120 * MS);
        let late = steps.straighten(&audio, &video, 120 * MS);
        assert!(audio.accept(late));
        assert_eq!(late, 120 * MS);
        assert_eq!(steps.straighten(&audio, &video, 60_160 * MS), 160 * MS);
    }
    #[test]
    fn a_pause_of_one_track_stays_beside_the_other() {
        let (mut video, mut audio, mut steps) = (Cursor::default(), Cursor::default(), Steps::default());
        for ms in (0..3_000).step_by(20) {
            let at = steps.straighten(&audio, &video, ms * MS);
            assert!(audio.accept(at));
            assert_eq!(at, ms * MS);
            // No picture for a second and a half, while the sound goes on.
            if ms % 40 == 0 && !(40..1_500).contains(&ms) {
                let at = steps.straighten(&video, &audio, ms * MS);
                assert!(video.accept(at));
                assert_eq!(at, ms * MS);
            }
        }
    }
}
