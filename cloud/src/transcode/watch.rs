//! Watches one worker: has it stalled, and does it keep up with the source?
//!
//! ```text
//!           Ready             output
//!  Starting ─────▶ Silent ──────────▶ Working ──▶ too slow: behind by 2 s and not catching up
//!      │ 10 s         │ 3 s              │ 3 s without output, 2 s without taking input
//!      └──────────────┴──────────────────┴─────▶ stalled
//! ```

use std::time::{Duration, Instant};

const NS_PER_MS: i64 = 1_000_000;

/// Loading plugins and trying encoders may take this long.
const START_LIMIT: Duration = Duration::from_secs(10);
/// So much time, and so much media given, may pass without any output.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);
const SILENCE_LIMIT_NS: i64 = 3_000 * NS_PER_MS;
/// Its input may stay full for this long.
const INPUT_LIMIT: Duration = Duration::from_secs(2);
/// A worker may be behind the source by this much.
const LAG_LIMIT_NS: i64 = 2_000 * NS_PER_MS;
/// One that is behind by more has to catch up within such a stretch …
const CATCH_UP: Duration = Duration::from_secs(2);
/// … by at least this much.
const CATCH_UP_LEAST_NS: i64 = 100 * NS_PER_MS;
/// One that was silent for longer may have stalled, which is another matter than being slow.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be done about a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    /// It has to be killed; the words say why.
    Stalled(&'static str),
    /// The machine cannot make all its renditions in real time.
    TooSlow {
        lag_ms: i64,
    },
}

#[derive(Debug, Clone, Copy)]
enum State {
    Starting {
        since: Instant,
    },
    /// Ready, but nothing new has come yet: it decodes what was delivered before.
    Silent {
        since: Instant,
        limit: Duration,
    },
    Working {
        heard: Instant,
        /// How far it had been given frames then.
        given_ns: i64,
    },
}

/// Since when a worker is behind, and how far it was then.
#[derive(Debug, Clone, Copy)]
struct Behind {
    since: Instant,
    lag_ns: i64,
}

/// One worker as it is seen from outside. Times of media are presentation times of the run.
#[derive(Debug)]
pub(super) struct Watch {
    state: State,
    /// The newest frame of the source.
    newest_ns: Option<i64>,
    /// The first frame that the worker was given.
    first_ns: Option<i64>,
    /// Up to where the worker has been given frames.
    given_ns: Option<i64>,
    /// Up to where the rendition that is farthest behind has come.
    out_ns: Option<i64>,
    /// Since when the worker takes no more bytes.
    full_since: Option<Instant>,
    behind: Option<Behind>,
    held_up: bool,
}

impl Watch {
    /// A worker was started; `newest_ns` and `out_ns` are from before it.
    pub(super) fn new(now: Instant, newest_ns: Option<i64>, out_ns: Option<i64>) -> Self {
        let state = State::Starting { since: now };
        Self {
            state,
            newest_ns,
            first_ns: None,
            given_ns: None,
            out_ns,
            full_since: None,
            behind: None,
            held_up: false,
        }
    }

    /// The source has come this far.
    pub(super) fn source(&mut self, pts_ns: i64) {
        self.newest_ns = self.newest_ns.max(Some(pts_ns));
    }

    /// A frame was written, or waits to be.
    pub(super) fn given(&mut self, pts_ns: i64) {
        self.first_ns.get_or_insert(pts_ns);
        self.given_ns = self.given_ns.max(Some(pts_ns));
    }

    /// Whether bytes wait that the worker does not take at this moment.
    pub(super) fn input(&mut self, now: Instant, is_full: bool) {
        self.full_since = is_full.then(|| self.full_since.unwrap_or(now));
    }

    /// The worker took some bytes.
    pub(super) fn took(&mut self) {
        self.full_since = None;
    }

    /// It can be given frames; it decodes `again_ns` of media that was delivered before.
    pub(super) fn ready(&mut self, now: Instant, again_ns: i64) {
        let again = Duration::from_nanos(u64::try_from(again_ns).unwrap_or(0));
        self.full_since = None;
        // A machine that decodes no faster than this cannot encode in real time either.
        self.state = State::Silent { since: now, limit: SILENCE_LIMIT + again / 2 };
    }

    /// A new frame came out; `out_ns` is how far the last of the renditions is.
    pub(super) fn out(&mut self, now: Instant, out_ns: Option<i64>) {
        self.out_ns = out_ns;
        self.state = State::Working { heard: now, given_ns: self.given_ns.unwrap_or(i64::MIN) };
    }

    /// What came out cannot be passed on at this moment, or can be again: not the worker's fault.
    pub(super) fn hold_up(&mut self, now: Instant, held_up: bool) {
        if self.held_up && !held_up {
            self.behind = None;
            self.full_since = None;
            match &mut self.state {
                State::Starting { since } | State::Silent { since, .. } => *since = now,
                State::Working { heard, .. } => *heard = now,
            }
        }
        self.held_up = held_up;
    }

    /// Frames were skipped so that it catches up.
    pub(super) fn forgive(&mut self) {
        self.behind = None;
    }

    pub(super) fn check(&mut self, now: Instant) -> Verdict {
        if self.held_up {
            return Verdict::Well;
        }
        let is_over = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        match self.state {
            State::Starting { since } if is_over(since, START_LIMIT) => {
                return Verdict::Stalled("it did not start in time");
            }
            State::Starting { .. } => return Verdict::Well,
            State::Silent { since, limit } if self.is_owed(self.out_ns) && is_over(since, limit) => {
                return Verdict::Stalled("nothing comes out of it");
            }
            State::Working { heard, given_ns }
                if self.is_owed(Some(given_ns)) && is_over(heard, SILENCE_LIMIT) =>
            {
                return Verdict::Stalled("nothing comes out of it any more");
            }
            State::Silent { .. } | State::Working { .. } => {}
        }
        if self.full_since.is_some_and(|since| is_over(since, INPUT_LIMIT)) {
            return Verdict::Stalled("it does not take what it is given");
        }
        self.check_lag(now)
    }

    /// When [`Self::check`] may say something else though nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.held_up {
            return None;
        }
        let state = match self.state {
            State::Starting { since } => return Some(since + START_LIMIT),
            State::Silent { since, limit } => self.is_owed(self.out_ns).then(|| since + limit),
            State::Working { heard, given_ns } => self.is_owed(Some(given_ns)).then(|| heard + SILENCE_LIMIT),
        };
        let full = self.full_since.map(|since| since + INPUT_LIMIT);
        let behind = self.behind.map(|behind| behind.since + CATCH_UP);
        [state, full, behind].into_iter().flatten().min()
    }

    /// Whether the worker has been given so much since `since_ns` that something should have come out.
    fn is_owed(&self, since_ns: Option<i64>) -> bool {
        let (Some(given_ns), Some(since_ns)) = (self.given_ns, since_ns.or(self.first_ns)) else {
            return false;
        };
        given_ns.saturating_sub(since_ns) >= SILENCE_LIMIT_NS
    }

    fn check_lag(&mut self, now: Instant) -> Verdict {
        let (State::Working { heard, .. }, Some(newest_ns), Some(out_ns)) =
            (self.state, self.newest_ns, self.out_ns)
        else {
            return Verdict::Well;
        };
        let lag_ns = newest_ns.saturating_sub(out_ns);
        if lag_ns <= LAG_LIMIT_NS {
            self.behind = None;
            return Verdict::Well;
        }
        let behind = *self.behind.get_or_insert(Behind { since: now, lag_ns });
        if now.saturating_duration_since(behind.since) < CATCH_UP {
            return Verdict::Well;
        }
        let is_at_it = now.saturating_duration_since(heard) < PAUSE;
        if is_at_it && lag_ns.saturating_add(CATCH_UP_LEAST_NS) > behind.lag_ns {
            self.behind = None;
            return Verdict::TooSlow { lag_ms: lag_ns / NS_PER_MS };
        }
        self.behind = Some(Behind { since: now, lag_ns });
        Verdict::Well
    }
}

#[cfg(test)]
mod tests;
