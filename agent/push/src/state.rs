//! When an output connects, gives up and tries again.

use std::time::Instant;

use crate::{OutputState, Patience, Target};

/// Where an output stands.
///
/// ```text
/// Idle ──live, target──▶ Connecting ──reached──▶ Asking ──accepted──▶ Live
///                          ▲    │ failed or too late │                  │ failed
///                          │    ▼                    ▼                  ▼
///                          └─────────────────── Waiting ◀───────────────┘
/// ```
///
/// From everywhere back to `Idle` when it is to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Connecting { until: Instant },
    Asking { until: Instant },
    Live { since: Instant },
    Waiting { until: Instant },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    SetLive(bool),
    SetTarget(Option<Target>),
    /// A person does not want to wait.
    ReconnectNow,
    /// The server can be talked to.
    Reached,
    /// The server takes the stream.
    Accepted,
    /// The transmission is over, and why.
    Failed(String),
    /// Time has passed.
    Tick,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Begin a transmission.
    Connect(Target),
    /// End the one there is; nobody waits for it.
    Disconnect,
}

/// The rules of one output.
#[derive(Debug)]
pub(super) struct Output {
    patience: Patience,
    state: State,
    /// Since when it has been off, sending, or trying to.
    since: Instant,
    live: bool,
    target: Option<Target>,
    /// Failures that no steady stream has ended yet.
    failures: u32,
    error: Option<String>,
    reconnects: u32,
}

impl Output {
    pub(super) fn new(now: Instant, patience: Patience) -> Self {
        Self {
            patience,
            state: State::Idle,
            since: now,
            live: false,
            target: None,
            failures: 0,
            error: None,
            reconnects: 0,
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// The state as it is shown.
    pub(super) fn shown(&self) -> OutputState {
        match self.state {
            State::Idle => OutputState::Off,
            State::Connecting { .. } | State::Asking { .. } => OutputState::Connecting,
            State::Live { .. } => OutputState::Sending,
            State::Waiting { .. } => OutputState::Waiting,
        }
    }

    /// Since when it has been off, sending, or trying to.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Why it does not send, in words.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Streams begun after the first.
    pub(super) fn reconnects(&self) -> u32 {
        self.reconnects
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { until } | State::Asking { until } | State::Waiting { until } => Some(until),
            State::Idle | State::Live { .. } => None,
        }
    }

    /// `random` spreads attempts, so that many boxes do not come back in step.
    pub(super) fn handle(&mut self, now: Instant, random: u32, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::SetLive(live) if live != self.live => {
                self.live = live;
                self.restart(now, out);
            }
            Input::SetTarget(target) if target != self.target => {
                self.target = target;
                self.restart(now, out);
            }
            Input::ReconnectNow if matches!(self.state, State::Waiting { .. }) => self.connect(now, out),
            Input::Reached if matches!(self.state, State::Connecting { .. }) => {
                self.state = State::Asking { until: now + self.patience.consent_limit };
            }
            Input::Accepted if matches!(self.state, State::Connecting { .. } | State::Asking { .. }) => {
                self.reconnects += u32::from(self.failures > 0);
                self.error = None;
                self.state = State::Live { since: now };
                self.since = now;
            }
            Input::Failed(reason) => self.failed(now, random, reason),
            Input::Tick => self.tick(now, random, out),
            _ => {}
        }
    }

    /// Drops what there is and begins anew, if there is to be anything.
    fn restart(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Idle | State::Waiting { .. }) {
            out.push(Action::Disconnect);
        }
        self.state = State::Idle;
        self.since = now;
        self.failures = 0;
        self.error = None;
        if self.live && self.target.is_some() {
            self.connect(now, out);
        }
    }

    fn connect(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let Some(target) = &self.target {
            self.state = State::Connecting { until: now + self.patience.connect_limit };
            out.push(Action::Connect(target.clone()));
        }
    }

    fn failed(&mut self, now: Instant, random: u32, reason: String) {
        match self.state {
            State::Idle | State::Waiting { .. } => return,
            State::Live { since } => {
                self.since = now;
                if now.saturating_duration_since(since) >= self.patience.steady {
                    self.failures = 0;
                }
            }
            State::Connecting { .. } | State::Asking { .. } => {}
        }
        let delay = self.patience.retry.delay(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        self.error = Some(reason);
        self.state = State::Waiting { until: now + delay };
    }

    fn tick(&mut self, now: Instant, random: u32, out: &mut Vec<Action>) {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.state {
            State::Waiting { .. } => self.connect(now, out),
            State::Connecting { .. } => {
                out.push(Action::Disconnect);
                self.failed(now, random, "the server cannot be reached: no answer in time".to_owned());
            }
            State::Asking { .. } => {
                out.push(Action::Disconnect);
                let text = "the server was reached but did not take the stream in time";
                self.failed(now, random, text.to_owned());
            }
            State::Idle | State::Live { .. } => {}
        }
    }
}
