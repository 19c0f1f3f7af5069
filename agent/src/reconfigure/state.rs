//! What is done about a configuration that is wanted. Pure.
//!
//! ```text
//!             good, moves no picture
//!   Settled ◀─────────────────────────┐
//!      ▲    wanted ──────────────────▶┼── bad ──▶ Refused
//!      │                              │              ▲
//!      │ it delivers                  ├── on air ──▶ Waits ──┐ off air, or wanted now
//!      └──────── Trying ◀─────────────┘              │       │
//!                  │  ▲                              │       │
//!                  │  └──────────────────────────────────────┘
//!                  └── it does not work: back to what held ──┘
//! ```

use stagebox_protocol::{ConfigProblem, EventBody, ReportedConfig};

use super::Wanted;
use crate::config::{Change, Config, LastGood, Protect, Refused, Start, VideoConfig, in_words, shown};

/// The media process may fail so often with a configuration that is new before that is given up.
pub const TRIES: u32 = 3;

/// What the validator made of a configuration that is wanted.
pub type Checked = Result<Box<Config>, Vec<ConfigProblem>>;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A configuration is wanted; what the validator made of it.
    Wanted(Wanted, Checked),
    /// Whether the box streams or records, or means to.
    OnAir(bool),
    /// The media process that was started for the so manieth setup works.
    Works { setup: u64 },
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
        /// Failures after which it is given up; counted from the first that is heard of.
        until: Option<u32>,
    },
    /// The first media process of this run works with what was changed from afar, or will not: then the file holds.
    Starting {
        alone: Box<Config>,
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
            Some(alone) if is_other_media(&held, alone) => Phase::Starting { alone: Box::new(alone.clone()) },
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

    pub fn handle(&mut self, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Wanted(wanted, checked) => self.wanted(wanted, checked, out),
            Input::OnAir(is_on_air) => {
                self.is_on_air = is_on_air;
                if !is_on_air && matches!(self.phase, Phase::Waits(_)) {
                    self.go_on(out);
                }
            }
            Input::Works { setup } if setup == self.setup => self.works(out),
            Input::Fails { setup, restarts, error, configuration } if setup == self.setup => {
                self.fails(restarts, &error, configuration, out);
            }
            Input::Works { .. } | Input::Fails { .. } => {}
            Input::Kept(result) => self.not_kept = result.err(),
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
        let (version, applied, waits) = match &self.phase {
            Phase::Waits(candidate) => {
                let words = "until neither stream nor recording runs: it begins the picture anew";
                (candidate.version, false, Some(words.to_owned()))
            }
            Phase::Trying { candidate, .. } => {
                (candidate.version, false, Some("until the encoder works with it".to_owned()))
            }
            Phase::Settled | Phase::Starting { .. } => match refused {
                Some(refused) => (refused.version, false, None),
                None => (self.last_good.version, true, None),
            },
        };
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
        let is_known = match &self.phase {
            Phase::Trying { candidate, .. } => candidate.version == wanted.version,
            Phase::Waits(candidate) => candidate.version == wanted.version && !wanted.now,
            Phase::Settled | Phase::Starting { .. } => match &self.refused {
                Some(refused) => refused.version == wanted.version,
                None => self.last_good.version == wanted.version,
            },
        };
        if is_known {
            return;
        }
        if self.has_way_back() {
            self.next = Some(Box::new((wanted, checked)));
            return;
        }
        let Wanted { version, change, now } = wanted;
        match checked {
            Err(errors) => {
                self.phase = Phase::Settled;
                out.push(refusal(version, &errors));
                self.refused = Some(Refused { version, errors });
            }
            Ok(config) => {
                let candidate = Candidate { version, change, config };
                if !is_other_media(&self.held, &candidate.config) {
                    self.hold(candidate, out);
                } else if self.is_on_air && !now {
                    self.phase = Phase::Waits(candidate);
                } else {
                    self.attempt(candidate, out);
                }
            }
        }
    }

    fn go_on(&mut self, out: &mut Vec<Action>) {
        if let Phase::Waits(candidate) = std::mem::replace(&mut self.phase, Phase::Settled) {
            self.attempt(candidate, out);
        }
    }

    fn attempt(&mut self, candidate: Candidate, out: &mut Vec<Action>) {
        self.setup += 1;
        out.push(Action::Media { setup: self.setup, config: candidate.config.clone() });
        self.phase = Phase::Trying { candidate, until: None };
    }

    fn works(&mut self, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Trying { candidate, .. } => self.hold(candidate, out),
            Phase::Starting { .. } => self.take_next(out),
            other => self.phase = other,
        }
    }

    fn fails(&mut self, restarts: u32, error: &str, configuration: bool, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Trying { candidate, until } => {
                let until = until.unwrap_or(restarts.saturating_add(TRIES - 1));
                if !configuration && restarts < until {
                    self.phase = Phase::Trying { candidate, until: Some(until) };
                    return;
                }
                self.setup += 1;
                out.push(Action::Media { setup: self.setup, config: self.held.clone() });
                let errors = vec![in_the_encoder(error)];
                out.push(refusal(candidate.version, &errors));
                self.given_up(candidate.version, errors, out);
                self.take_next(out);
            }
            // Only what no further attempt mends: a device may come late at a start.
            Phase::Starting { alone } if configuration => {
                self.setup += 1;
                out.push(Action::Media { setup: self.setup, config: alone.clone() });
                out.push(Action::Use(alone.clone()));
                self.held = alone;
                let errors = vec![in_the_encoder(error)];
                let reason = format!(
                    "what was changed from afar does not work ({}): the file alone holds",
                    in_words(&errors)
                );
                self.notes.push(reason.clone());
                out.push(Action::Tell(EventBody::ConfigNotUsed { reason }));
                let version = std::mem::take(&mut self.last_good.version);
                self.last_good.change = Change::new();
                self.given_up(version, errors, out);
                self.take_next(out);
            }
            other => self.phase = other,
        }
    }

    fn hold(&mut self, candidate: Candidate, out: &mut Vec<Action>) {
        let Candidate { version, change, config } = candidate;
        self.phase = Phase::Settled;
        self.notes.clear();
        out.push(Action::Use(config.clone()));
        self.held = config;
        (self.last_good.version, self.last_good.change, self.last_good.refused) = (version, change, None);
        self.refused = None;
        out.push(Action::Keep(self.last_good.clone()));
        self.take_next(out);
    }

    /// It was tried: the next start does not try it again.
    fn given_up(&mut self, version: u64, errors: Vec<ConfigProblem>, out: &mut Vec<Action>) {
        self.phase = Phase::Settled;
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

fn refusal(version: u64, errors: &[ConfigProblem]) -> Action {
    let why = in_words(errors);
    let reason = format!("version {version} is refused ({why}): the box goes on with what it had");
    Action::Tell(EventBody::ConfigNotUsed { reason })
}

/// What the media process said, by the key that it names in front.
fn in_the_encoder(error: &str) -> ConfigProblem {
    let named = error.split_once(": ").filter(|(field, _)| {
        let is_key = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        field.split_once('.').is_some_and(|(section, key)| is_key(section) && is_key(key))
    });
    let (field, problem) = named.unwrap_or(("video", error));
    ConfigProblem {
        field: field.to_owned(),
        problem: problem.to_owned(),
        fix: "give what this box can capture and encode; what it worked with before holds".to_owned(),
    }
}
