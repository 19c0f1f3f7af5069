//! What an HDMI input is in, and when it is looked at, switched and started: pure.
//!
//! ```text
//!              another reading, or an event            twice alike, CONFIRM_MS apart
//!   Settled ─────────────────────────────▶ Settling ─────────────────────────────────▶ Settled (no picture: stop)
//!     ▲                                     ▲    │ twice alike, with a picture
//!     │                      it goes wrong, │    ▼ stop
//!     │                    or another event └─ Setting ──▶ Starting
//!     └──────────────────────────────────────────────────────┘
//! ```
//!
//! A loss is told at its first reading, a picture only once its timings were set and capture has started.

#[cfg(test)]
mod tests;

use super::port::Reading;
use super::timings::Timings;

/// Two readings so far apart have to be alike.
const CONFIRM_MS: u64 = 60;
/// Looks at a chip need its bus: no more often than this.
const REST_MS: u64 = 20;
/// How often it is looked, where the driver tells of changes and where it does not.
const LOOK_MS: u64 = 1_000;
const POLL_MS: u64 = 250;
/// Until it is tried again what the driver refused.
const RETRY_MS: u64 = 250;
/// What does not settle is told as such after this.
const PATIENCE_MS: u64 = 250;
/// An event that comes sooner after a start is the start's own.
const CALM_MS: u64 = 500;

/// What is captured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lock {
    Timings(Timings),
    /// Pictures as the device gives them.
    Free,
}

/// What an input is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    NoCable,
    NoSignal,
    NotLocked,
    OutOfRange(Option<Timings>),
    Protected,
    Locked(Lock),
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Input {
    /// Time has passed.
    Due,
    /// The driver tells of another signal.
    SourceChanged,
    /// Something says that it is worth a look.
    Nudged,
    /// Capture has failed, or gives nothing.
    Failed,
    /// Somebody wants the source to see the cable pulled and plugged.
    Replug,
    /// A look's outcome.
    Read(Reading),
    /// What the driver made of timings.
    Set(Result<Timings, SetError>),
    /// Whether capture has started.
    Started(bool),
}

/// Why timings were not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetError {
    /// The driver does not take such timings.
    Refused,
    /// It may work later: somebody else captures, the bus failed.
    Later,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action {
    Look,
    Stop,
    Set(Timings),
    Start(Lock),
    Replug,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Settled {
        since_ms: u64,
        look_at_ms: u64,
    },
    Settling {
        since_ms: u64,
        last: Option<Reading>,
        /// Since when readings are alike.
        alike_since_ms: Option<u64>,
        look_at_ms: u64,
    },
    /// An event that comes meanwhile makes it start over.
    Setting {
        timings: Timings,
        is_stale: bool,
    },
    Starting {
        lock: Lock,
        is_stale: bool,
    },
}

/// Watches one input.
#[derive(Debug)]
pub(super) struct Watch {
    has_events: bool,
    phase: Phase,
    state: State,
    /// Capture runs, or may.
    is_streaming: bool,
    looked_at_ms: Option<u64>,
}

impl Watch {
    /// Begins with a look at once.
    pub(super) fn new(now_ms: u64, has_events: bool) -> Self {
        Self {
            has_events,
            phase: Phase::Settling { since_ms: now_ms, last: None, alike_since_ms: None, look_at_ms: now_ms },
            state: State::NotLocked,
            is_streaming: false,
            looked_at_ms: None,
        }
    }

    /// When to come back with [`Input::Due`], if nothing else happens.
    pub(super) fn due_ms(&self) -> u64 {
        match self.phase {
            Phase::Settled { look_at_ms, .. } | Phase::Settling { look_at_ms, .. } => look_at_ms,
            Phase::Setting { .. } | Phase::Starting { .. } => u64::MAX,
        }
    }

    /// What to tell of the input.
    pub(super) fn told(&self, now_ms: u64) -> State {
        match self.phase {
            Phase::Settling { since_ms, last, .. } if now_ms.saturating_sub(since_ms) >= PATIENCE_MS => {
                last.map_or(State::NotLocked, |last| without_picture(&last))
            }
            Phase::Settled { .. } | Phase::Settling { .. } => self.state,
            Phase::Setting { .. } | Phase::Starting { .. } => State::NotLocked,
        }
    }

    pub(super) fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Due => self.due(now_ms, out),
            Input::Nudged => self.look_soon(now_ms),
            Input::SourceChanged => self.changed(now_ms),
            Input::Failed => self.lose(now_ms),
            Input::Replug => {
                self.stop(out);
                out.push(Action::Replug);
                self.lose(now_ms);
            }
            Input::Read(reading) => self.read(now_ms, reading, out),
            Input::Set(outcome) => self.set(now_ms, outcome, out),
            Input::Started(is_started) => self.started(now_ms, is_started, out),
        }
    }

    fn due(&mut self, now_ms: u64, out: &mut Vec<Action>) {
        let every_ms = if self.has_events { LOOK_MS } else { POLL_MS };
        if let Phase::Settled { look_at_ms, .. } | Phase::Settling { look_at_ms, .. } = &mut self.phase
            && *look_at_ms <= now_ms
        {
            *look_at_ms = now_ms + every_ms;
            self.looked_at_ms = Some(now_ms);
            out.push(Action::Look);
        }
    }

    fn look_soon(&mut self, now_ms: u64) {
        let soon_ms = self.looked_at_ms.map_or(now_ms, |at_ms| now_ms.max(at_ms + REST_MS));
        if let Phase::Settled { look_at_ms, .. } | Phase::Settling { look_at_ms, .. } = &mut self.phase {
            *look_at_ms = soon_ms.min(*look_at_ms);
        }
    }

    fn changed(&mut self, now_ms: u64) {
        match &mut self.phase {
            Phase::Settled { since_ms, .. } if now_ms.saturating_sub(*since_ms) < CALM_MS => {}
            Phase::Settled { .. } => self.unsettle(now_ms, now_ms),
            Phase::Settling { alike_since_ms, .. } => *alike_since_ms = None,
            Phase::Setting { is_stale, .. } | Phase::Starting { is_stale, .. } => *is_stale = true,
        }
        self.look_soon(now_ms);
    }

    /// Whatever is read now has to be confirmed, and is then switched to anew.
    fn unsettle(&mut self, now_ms: u64, look_at_ms: u64) {
        self.phase = Phase::Settling { since_ms: now_ms, last: None, alike_since_ms: None, look_at_ms };
    }

    /// The picture is gone, whatever the chip says.
    fn lose(&mut self, now_ms: u64) {
        if matches!(self.state, State::Locked(_)) {
            self.state = State::NotLocked;
        }
        self.unsettle(now_ms, now_ms + RETRY_MS);
    }

    fn read(&mut self, now_ms: u64, reading: Reading, out: &mut Vec<Action>) {
        let is_other = !fits(&self.state, &reading);
        if let Phase::Settled { .. } = self.phase
            && is_other
        {
            self.unsettle(now_ms, now_ms);
        }
        let Phase::Settling { last, alike_since_ms, look_at_ms, .. } = &mut self.phase else { return };
        let is_alike = last.is_some_and(|last| last.is_alike(&reading));
        let since_ms = alike_since_ms.filter(|_| is_alike).unwrap_or(now_ms);
        *alike_since_ms = Some(since_ms);
        // The first of those that are alike is kept: what creeps is not alike for ever.
        if !is_alike {
            *last = Some(reading);
        }
        if matches!(self.state, State::Locked(_)) && is_other {
            self.state = without_picture(&reading);
        }
        if now_ms.saturating_sub(since_ms) < CONFIRM_MS {
            *look_at_ms = since_ms + CONFIRM_MS;
        } else {
            self.adopt(now_ms, reading, out);
        }
    }

    /// Goes where two readings agree.
    fn adopt(&mut self, now_ms: u64, reading: Reading, out: &mut Vec<Action>) {
        self.stop(out);
        self.state = without_picture(&reading);
        match reading {
            Reading::Timings(timings) => {
                self.phase = Phase::Setting { timings, is_stale: false };
                out.push(Action::Set(timings));
            }
            Reading::Free => self.start(Lock::Free, out),
            _ => self.settle(now_ms),
        }
    }

    fn set(&mut self, now_ms: u64, outcome: Result<Timings, SetError>, out: &mut Vec<Action>) {
        let Phase::Setting { timings, is_stale } = self.phase else { return };
        match outcome {
            _ if is_stale => self.unsettle(now_ms, now_ms),
            Ok(set) if set.is_alike(&timings) => self.start(Lock::Timings(set), out),
            Err(SetError::Refused) => {
                self.state = State::OutOfRange(Some(timings));
                self.settle(now_ms);
            }
            Ok(_) | Err(SetError::Later) => self.unsettle(now_ms, now_ms + RETRY_MS),
        }
    }

    fn start(&mut self, lock: Lock, out: &mut Vec<Action>) {
        self.is_streaming = true;
        self.phase = Phase::Starting { lock, is_stale: false };
        out.push(Action::Start(lock));
    }

    fn started(&mut self, now_ms: u64, is_started: bool, out: &mut Vec<Action>) {
        let Phase::Starting { lock, is_stale } = self.phase else { return };
        if is_started && !is_stale {
            self.state = State::Locked(lock);
            self.settle(now_ms);
        } else {
            self.stop(out);
            self.unsettle(now_ms, if is_stale { now_ms } else { now_ms + RETRY_MS });
        }
    }

    fn settle(&mut self, now_ms: u64) {
        let every_ms = if self.has_events { LOOK_MS } else { POLL_MS };
        self.phase = Phase::Settled { since_ms: now_ms, look_at_ms: now_ms + every_ms };
    }

    fn stop(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.is_streaming) {
            out.push(Action::Stop);
        }
    }
}

/// What a reading is before its picture is captured.
fn without_picture(reading: &Reading) -> State {
    match reading {
        Reading::NoCable => State::NoCable,
        Reading::NoSignal => State::NoSignal,
        Reading::NotLocked | Reading::Timings(_) | Reading::Free => State::NotLocked,
        Reading::OutOfRange(measured) => State::OutOfRange(*measured),
        Reading::Protected => State::Protected,
    }
}

/// Whether a reading says what is known already.
fn fits(state: &State, reading: &Reading) -> bool {
    match (state, reading) {
        // What the driver has refused once, it goes on refusing.
        (State::Locked(Lock::Timings(set)) | State::OutOfRange(Some(set)), Reading::Timings(read)) => {
            set.is_alike(read)
        }
        (State::Locked(Lock::Free), Reading::Free) => true,
        (State::Locked(_) | State::NotLocked, Reading::Timings(_) | Reading::Free) => false,
        (State::OutOfRange(Some(one)), Reading::OutOfRange(Some(other))) => one.is_alike(other),
        _ => *state == without_picture(reading),
    }
}
