//! What a box tries by itself against a trouble that stays, one rung after the other, each at its time. Pure.
//!
//! A trouble that flickers is one that stays: the ladder is left only after a while without any. A step that costs the
//! stream or the recording is taken only where they are not, or have stopped. Each rung has a
//! budget over hours or days, which is kept over restarts, so that no box starts itself anew for ever.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stagebox_protocol::HealingStep;

/// After so many times [`Rules::after`] without trouble the ladder is left.
const WELL: u32 = 6;
/// From the last rung that was left to the first one again.
const ROUND: u32 = 60;
/// A restart or a reboot so long ago, or less, was meant for the trouble that is found at a start.
const SAME_TROUBLE_MS: i64 = 600_000;

/// What is wrong, by what can help against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Something is plugged in and no picture comes of it. The source may well be what is wrong.
    Signal,
    /// The capture device is missing, fails or does not answer.
    Device,
    /// The media process does not deliver.
    Encoding,
}

/// What is wrong, for as long as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub kind: Kind,
    /// In words.
    pub reason: String,
}

/// The time, as the ladder needs it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub instant: Instant,
    /// Wall time, milliseconds since 1970; it may be wrong.
    pub unix_ms: i64,
}

/// What a step could cost, and what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// It is live or records: the slate does both, and what ends either costs more than a picture that is away.
    pub on_air: bool,
    /// Another encoder can stand in for the one that was used last.
    pub can_give_way: bool,
}

/// A step that was taken, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub step: HealingStep,
    /// Wall time, milliseconds since 1970.
    pub at_unix_ms: i64,
}

/// What the ladder wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Bring these to disk first, then take the step.
    Take { step: HealingStep, trouble: Trouble, keep: Vec<Taken> },
    /// The trouble is over, and this step was the last one before.
    Healed { step: HealingStep },
    /// Nothing is left to try for now.
    GiveUp { reason: String },
}

/// What a box is told about helping itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long a trouble lasts before the first step, and about as long before the next ones; those that cost more
    /// wait for more.
    pub after: Duration,
    pub may_reboot: bool,
}

/// How long a trouble lasts before a step is taken, in tenths of [`Rules::after`], and how often it may be.
struct Rule {
    step: HealingStep,
    patience: u32,
    budget: usize,
    window_ms: i64,
}

const HOUR_MS: i64 = 3_600_000;
const RULES: [Rule; 5] = [
    Rule { step: HealingStep::RestartCapture, patience: 10, budget: 6, window_ms: HOUR_MS },
    Rule { step: HealingStep::ToggleEdid, patience: 10, budget: 4, window_ms: HOUR_MS },
    Rule { step: HealingStep::NextEncoder, patience: 15, budget: 3, window_ms: HOUR_MS },
    Rule { step: HealingStep::RestartAgent, patience: 60, budget: 3, window_ms: 6 * HOUR_MS },
    Rule { step: HealingStep::Reboot, patience: 120, budget: 2, window_ms: 24 * HOUR_MS },
];

/// The way up during one trouble.
#[derive(Debug)]
struct Climb {
    /// When the trouble began, or the last step was taken.
    since: Instant,
    /// Rungs below were taken, or could not be.
    next: usize,
    last: Option<HealingStep>,
    /// Since when there is no trouble.
    well_since: Option<Instant>,
    given_up: bool,
    /// How much of the time since then there was trouble.
    ill: Duration,
    /// When there was some last.
    ill_at: Option<Instant>,
}

/// The ladder, with what was taken of it.
#[derive(Debug)]
pub struct Ladder {
    rules: Rules,
    /// Oldest first.
    taken: Vec<Taken>,
    climb: Option<Climb>,
}

impl Ladder {
    /// Goes on from what was kept: after a restart that did not help, the reboot is next and not the restart again.
    #[must_use]
    pub fn resume(now: Now, rules: Rules, taken: Vec<Taken>) -> Self {
        let meant = taken.last().filter(|taken| {
            matches!(taken.step, HealingStep::RestartAgent | HealingStep::Reboot)
                && now.unix_ms.abs_diff(taken.at_unix_ms) <= SAME_TROUBLE_MS.unsigned_abs()
        });
        let climb = meant.and_then(|taken| {
            let at = RULES.iter().position(|rule| rule.step == taken.step)?;
            Some(Climb {
                since: now.instant,
                next: at + 1,
                last: Some(taken.step),
                well_since: Some(now.instant),
                given_up: false,
                ill: Duration::ZERO,
                ill_at: None,
            })
        });
        Self { rules, taken, climb }
    }

    /// Takes what is wrong at the moment; to be called about once a second.
    pub fn look(&mut self, now: Now, of: Circumstances, trouble: Option<&Trouble>) -> Option<Action> {
        match trouble {
            None => self.well(now.instant),
            Some(trouble) => self.climb(now, of, trouble),
        }
    }

    fn well(&mut self, now: Instant) -> Option<Action> {
        let climb = self.climb.as_mut()?;
        climb.ill_at = None;
        let since = *climb.well_since.get_or_insert(now);
        if now.saturating_duration_since(since) < self.rules.after * WELL {
            return None;
        }
        let last = climb.last;
        self.climb = None;
        last.map(|step| Action::Healed { step })
    }

    fn climb(&mut self, now: Now, of: Circumstances, trouble: &Trouble) -> Option<Action> {
        let begin = Climb {
            since: now.instant,
            next: 0,
            last: None,
            well_since: None,
            given_up: false,
            ill: Duration::ZERO,
            ill_at: None,
        };
        let climb = self.climb.get_or_insert(begin);
        climb.well_since = None;
        if let Some(before) = climb.ill_at.replace(now.instant) {
            climb.ill += now.instant.saturating_duration_since(before);
        }
        let (next, waited) = (climb.next, now.instant.saturating_duration_since(climb.since));
        let rung =
            RULES[next..].iter().position(|rule| self.may(now, of, trouble.kind, rule)).map(|at| next + at);
        // Borrowed anew: what may be done was asked in between.
        let climb = self.climb.as_mut()?;
        let Some(rung) = rung else {
            if trouble.kind != Kind::Signal && waited >= self.rules.after * ROUND {
                (climb.next, climb.since, climb.ill) = (0, now.instant, Duration::ZERO);
            }
            // What was done last may still help.
            if climb.given_up || waited < self.rules.after * WELL {
                return None;
            }
            climb.given_up = true;
            return Some(Action::GiveUp { reason: trouble.reason.clone() });
        };
        let step = RULES[rung].step;
        let patience = self.rules.after * RULES[rung].patience / 10;
        // Hiccups far from one another are no trouble that stays.
        if waited < patience || climb.ill < patience / 3 {
            return None;
        }
        (climb.next, climb.since, climb.last) = (rung + 1, now.instant, Some(step));
        climb.ill = Duration::ZERO;
        self.taken.push(Taken { step, at_unix_ms: now.unix_ms });
        // Of each rung, as many are remembered as its budget asks for.
        let of_step = self.taken.iter().filter(|taken| taken.step == step).count();
        if of_step > RULES[rung].budget
            && let Some(oldest) = self.taken.iter().position(|taken| taken.step == step)
        {
            self.taken.remove(oldest);
        }
        Some(Action::Take { step, trouble: trouble.clone(), keep: self.taken.clone() })
    }

    /// Whether a rung can help, and has not been taken too often.
    fn may(&self, now: Now, of: Circumstances, kind: Kind, rule: &Rule) -> bool {
        // Where the media process delivers, stream and recording go on with the slate.
        let costs_nothing = kind == Kind::Encoding || kind == Kind::Device && !of.on_air;
        let helps = match rule.step {
            HealingStep::RestartCapture | HealingStep::ToggleEdid => kind != Kind::Encoding,
            HealingStep::NextEncoder => kind == Kind::Encoding && of.can_give_way,
            HealingStep::RestartAgent => costs_nothing,
            HealingStep::Reboot => costs_nothing && self.rules.may_reboot,
            HealingStep::Unknown => false,
        };
        // A step that lies ahead was taken by a clock that was wrong, then or now: it counts.
        let is_recent =
            |taken: &&Taken| taken.step == rule.step && now.unix_ms - taken.at_unix_ms < rule.window_ms;
        helps && self.taken.iter().filter(is_recent).count() < rule.budget
    }
}
