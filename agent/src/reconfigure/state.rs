//! What is done about a configuration that is wanted. Pure.
//!
//! ```text
//!             good, moves no picture
//!   Settled ◀─────────────────────────┐
//!      ▲    wanted ──────────────────▶┼── bad ──▶ Refused
//!      │                              │              ▲
//!      │ it delivers for a while      ├── on air ──▶ Waits ──┐ off air, or wanted now
//!      ├──────── Trying ◀─────────────┘              │       │
//!      │           │  ▲                              │       │
//!      │           │  └──────────────────────────────────────┘
//!      │           └── it does not work: back to what held ──┘
//!      └──────── Starting: what the box began with; it does not work: back to the file alone
//! ```

use std::time::Instant;

use stagebox_protocol::{ConfigProblem, EventBody, ReportedConfig};

use super::Wanted;
use super::trial::Trial;
use super::words::{TRIED, TURN, WAITS, in_the_encoder, refusal};
use crate::config::{Change, Config, LastGood, Protect, Refused, Start, VideoConfig, in_words, shown};

/// What the validator made of a configuration that is wanted.
pub type Checked = Result<Box<Config>, Vec<ConfigProblem>>;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A configuration is wanted; what the validator made of it.
    Wanted(Wanted, Checked),
    /// Whether the box streams or records, or means to, or is tested for that.
    OnAir(bool),
    /// A media process was started for the so manieth setup.
    Starts { setup: u64 },
    /// It delivers, after so many failures in all.
    Delivers { setup: u64, restarts: u32 },
    /// It failed, so many times in all.
    Fails { setup: u64, restarts: u32, error: String, configuration: bool },
    /// What was to be kept is on disk, or why not.
    Kept(Result<(), String>),
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start the media process anew, for the so manieth setup.
    Media {
        setup: u64,
        config: Box<Config>,
    },
    /// Everything but the media process works with this now.
    Use(Box<Config>),
    /// For the next start.
    Keep(LastGood),
    Tell(EventBody),
}

/// A good configuration that does not hold yet.
#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    version: u64,
    change: Change,
    config: Box<Config>,
}

#[derive(Debug)]
enum Phase {
    Settled,
    Waits(Candidate),
    /// The media process works with it, or will not.
    Trying {
        candidate: Candidate,
        trial: Trial,
        /// The file's own, where nobody knows yet whether what held works.
        alone: Option<Box<Config>>,
    },
    /// The media process works with what the box began with, or will not: then the file's own holds.
    Starting {
        alone: Box<Config>,
        trial: Trial,
    },
}

#[derive(Debug)]
pub struct State {
    /// What the box works with.
    held: Box<Config>,
    last_good: LastGood,
    /// What was refused last, until something else holds.
    refused: Option<Refused>,
    phase: Phase,
    /// What came while another was tried.
    next: Option<Box<(Wanted, Checked)>>,
    is_on_air: bool,
    setup: u64,
    notes: Vec<String>,
    /// Why the configuration that holds would not outlive a restart.
    not_kept: Option<String>,
}

impl State {
    /// Begins with what the box starts with.
    #[must_use]
    pub fn new(start: &Start, out: &mut Vec<Action>) -> Self {
        let held = Box::new(start.config.clone());
        let phase = match &start.alone {
            Some(alone) if is_other_media(&held, alone) => {
                Phase::Starting { alone: Box::new(alone.clone()), trial: Trial::default() }
            }
            _ => Phase::Settled,
        };
        out.push(Action::Keep(start.last_good.clone()));
        let events = start.notes.iter().map(|note| EventBody::ConfigNotUsed { reason: note.clone() });
        out.extend(events.map(Action::Tell));
        Self {
            held,
            last_good: start.last_good.clone(),
            refused: start.refused.clone(),
            phase,
            next: None,
            is_on_air: false,
            setup: 0,
            notes: start.notes.clone(),
            not_kept: None,
        }
    }

    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Wanted(wanted, checked) => self.wanted(wanted, checked, out),
            Input::OnAir(is_on_air) => {
                self.is_on_air = is_on_air;
                if !is_on_air {
                    self.go_on(out);
                }
            }
            Input::Starts { setup } if setup == self.setup => {
                self.trial().into_iter().for_each(Trial::starts);
            }
            Input::Delivers { setup, restarts } if setup == self.setup => {
                self.trial().into_iter().for_each(|trial| trial.delivers(now, restarts));
                self.on_deadline(now, out);
            }
            Input::Fails { setup, restarts, error, configuration } if setup == self.setup => {
                self.fails(restarts, &error, configuration, out);
            }
            Input::Starts { .. } | Input::Delivers { .. } | Input::Fails { .. } => {}
            Input::Kept(result) => self.not_kept = result.err(),
        }
    }

    /// Until when nothing has to happen for the media process to work.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Trying { trial, .. } | Phase::Starting { trial, .. } => trial.deadline(),
            Phase::Settled | Phase::Waits(_) => None,
        }
    }

    /// Nothing has happened until now.
    pub fn on_deadline(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.works(out);
        }
    }

    fn trial(&mut self) -> Option<&mut Trial> {
        match &mut self.phase {
            Phase::Trying { trial, .. } | Phase::Starting { trial, .. } => Some(trial),
            Phase::Settled | Phase::Waits(_) => None,
        }
    }

    /// From which setup on a media process that cannot work is the end: before it there is one to go back to.
    #[must_use]
    pub fn last_word(&self) -> u64 {
        if self.has_way_back() { u64::MAX } else { self.setup }
    }

    fn has_way_back(&self) -> bool {
        matches!(self.phase, Phase::Trying { .. } | Phase::Starting { .. })
    }

    /// What is reported of it.
    #[must_use]
    pub fn report(&self) -> ReportedConfig {
        let mut notes = self.notes.clone();
        notes.extend(self.not_kept.iter().map(|reason| {
            format!("the configuration holds until the box is started again: it cannot be kept ({reason})")
        }));
        let refused = self.refused.as_ref();
        let (version, waits) = match (&self.next, &self.phase) {
            (Some(next), _) => (next.0.version, Some(TURN)),
            (None, Phase::Waits(candidate)) => (candidate.version, Some(WAITS)),
            (None, Phase::Trying { candidate, .. }) => (candidate.version, Some(TRIED)),
            (None, Phase::Starting { .. }) if refused.is_none() => (self.last_good.version, Some(TRIED)),
            (None, Phase::Settled | Phase::Starting { .. }) => {
                (refused.map_or(self.last_good.version, |refused| refused.version), None)
            }
        };
        let waits = waits.map(str::to_owned);
        let applied = waits.is_none() && refused.is_none();
        let errors = refused.filter(|refused| refused.version == version && waits.is_none());
        ReportedConfig {
            version,
            applied,
            waits,
            errors: errors.map(|refused| refused.errors.clone()).unwrap_or_default(),
            notes,
            running: shown(&self.held),
        }
    }

    fn wanted(&mut self, wanted: Wanted, checked: Checked, out: &mut Vec<Action>) {
        if self.is_known(&wanted) {
            return;
        }
        let may_disturb = wanted.now || !self.is_on_air;
        let has_its_turn = match &self.phase {
            Phase::Settled | Phase::Waits(_) => true,
            Phase::Trying { .. } => false,
            // Where there is no picture, nobody is disturbed by another attempt.
            Phase::Starting { trial, .. } => may_disturb || trial.is_in_trouble(),
        };
        if !has_its_turn {
            self.next = Some(Box::new((wanted, checked)));
            return;
        }
        self.next = None;
        let Wanted { version, change, .. } = wanted;
        let is_starting = matches!(self.phase, Phase::Starting { .. });
        match checked {
            Err(errors) => {
                if !is_starting {
                    self.phase = Phase::Settled;
                }
                out.push(refusal(version, &errors));
                self.refused = Some(Refused { version, errors });
            }
            Ok(config) => {
                let candidate = Candidate { version, change, config };
                if !is_other_media(&self.held, &candidate.config) {
                    if !is_starting {
                        self.phase = Phase::Settled;
                    }
                    self.hold(candidate, out);
                } else if may_disturb || is_starting {
                    self.attempt(candidate, out);
                } else {
                    self.phase = Phase::Waits(candidate);
                }
            }
        }
    }

    fn is_known(&self, wanted: &Wanted) -> bool {
        let is_same = |version: u64| version == wanted.version;
        match (&self.next, &self.phase) {
            (Some(next), _) => is_same(next.0.version) && (next.0.now || !wanted.now),
            (None, Phase::Trying { candidate, .. }) => is_same(candidate.version),
            (None, Phase::Waits(candidate)) => is_same(candidate.version) && !wanted.now,
            (None, Phase::Settled | Phase::Starting { .. }) => {
                is_same(self.refused.as_ref().map_or(self.last_good.version, |refused| refused.version))
            }
        }
    }

    /// Nobody is disturbed any more.
    fn go_on(&mut self, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Waits(candidate) => self.attempt(candidate, out),
            starting @ Phase::Starting { .. } => {
                self.phase = starting;
                self.take_next(out);
            }
            other => self.phase = other,
        }
    }

    fn attempt(&mut self, candidate: Candidate, out: &mut Vec<Action>) {
        self.setup += 1;
        out.push(Action::Media { setup: self.setup, config: candidate.config.clone() });
        let alone = match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Starting { alone, .. } => Some(alone),
            _ => None,
        };
        self.phase = Phase::Trying { candidate, trial: Trial::default(), alone };
    }

    fn works(&mut self, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Trying { candidate, .. } => self.hold(candidate, out),
            Phase::Starting { .. } => {}
            other => self.phase = other,
        }
        self.take_next(out);
    }

    fn fails(&mut self, restarts: u32, error: &str, configuration: bool, out: &mut Vec<Action>) {
        let Some(trial) = self.trial() else { return };
        // What another configuration alone mends is not tried again.
        let is_over = trial.fails(restarts) || configuration;
        if !is_over {
            // One that waits for the end of a trial has its turn if the trial is of what the box began with.
            if matches!(self.phase, Phase::Starting { .. }) {
                self.take_next(out);
            }
            return;
        }
        let errors = vec![in_the_encoder(error)];
        self.setup += 1;
        match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Trying { candidate, alone, .. } => {
                out.push(Action::Media { setup: self.setup, config: self.held.clone() });
                if let Some(alone) = alone {
                    self.phase = Phase::Starting { alone, trial: Trial::default() };
                }
                out.push(refusal(candidate.version, &errors));
                self.given_up(candidate.version, errors, out);
            }
            Phase::Starting { alone, .. } => {
                out.push(Action::Media { setup: self.setup, config: alone.clone() });
                out.push(Action::Use(alone.clone()));
                self.held = alone;
                let reason = format!(
                    "what was changed from afar does not work ({}): the file alone holds",
                    in_words(&errors)
                );
                self.notes.push(reason.clone());
                out.push(Action::Tell(EventBody::ConfigNotUsed { reason }));
                let version = std::mem::take(&mut self.last_good.version);
                self.last_good.change = Change::new();
                self.given_up(version, errors, out);
            }
            Phase::Settled | Phase::Waits(_) => {}
        }
        self.take_next(out);
    }

    fn hold(&mut self, candidate: Candidate, out: &mut Vec<Action>) {
        let Candidate { version, change, config } = candidate;
        self.notes.clear();
        out.push(Action::Use(config.clone()));
        self.held = config;
        (self.last_good.version, self.last_good.change, self.last_good.refused) = (version, change, None);
        self.refused = None;
        out.push(Action::Keep(self.last_good.clone()));
    }

    /// It was tried: the next start does not try it again.
    fn given_up(&mut self, version: u64, errors: Vec<ConfigProblem>, out: &mut Vec<Action>) {
        self.refused = Some(Refused { version, errors });
        self.last_good.refused.clone_from(&self.refused);
        out.push(Action::Keep(self.last_good.clone()));
    }

    fn take_next(&mut self, out: &mut Vec<Action>) {
        if let Some(next) = self.next.take() {
            let (wanted, checked) = *next;
            self.wanted(wanted, checked, out);
        }
    }
}

/// Whether the media process has to be started anew for it.
#[must_use]
pub fn is_other_media(one: &Config, other: &Config) -> bool {
    // How the bitrate follows the line is not for the encoder to know.
    let video = |config: &Config| VideoConfig {
        protect: Protect::default(),
        floor_kbps: None,
        ..config.video.clone()
    };
    one.source != other.source
        || video(one) != video(other)
        || one.audio != other.audio
        || one.alarms != other.alarms
        || one.record.bitrate_kbps != other.record.bitrate_kbps
}
