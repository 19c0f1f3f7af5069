//! When an output connects, gives up and tries again.

use std::time::{Duration, Instant};

use super::Target;

/// For reaching the server.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_millis(1500);
/// For its consent to the stream, once reached: several round trips on a slow line.
pub(super) const CONSENT_LIMIT: Duration = Duration::from_secs(4);
/// How long failures are answered with quick attempts.
const QUICK_FOR: Duration = Duration::from_secs(120);
const QUICK_LEAST: Duration = Duration::from_millis(250);
const QUICK_MOST: Duration = Duration::from_millis(1500);
const SLOW: Duration = Duration::from_secs(5);
/// A stream that lasted this long ends a time of trouble.
const STEADY: Duration = Duration::from_secs(10);

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
    state: State,
    live: bool,
    target: Option<Target>,
    trouble_since: Option<Instant>,
    error: Option<String>,
    reconnects: u32,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            state: State::Idle,
            live: false,
            target: None,
            trouble_since: None,
            error: None,
            reconnects: 0,
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
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
                self.state = State::Asking { until: now + CONSENT_LIMIT };
            }
            Input::Accepted if matches!(self.state, State::Connecting { .. } | State::Asking { .. }) => {
                self.reconnects += u32::from(self.trouble_since.is_some());
                self.error = None;
                self.state = State::Live { since: now };
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
        self.trouble_since = None;
        self.error = None;
        if self.live && self.target.is_some() {
            self.connect(now, out);
        }
    }

    fn connect(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let Some(target) = &self.target {
            self.state = State::Connecting { until: now + CONNECT_LIMIT };
            out.push(Action::Connect(target.clone()));
        }
    }

    fn failed(&mut self, now: Instant, random: u32, reason: String) {
        match self.state {
            State::Idle | State::Waiting { .. } => return,
            State::Live { since } if now.saturating_duration_since(since) >= STEADY => {
                self.trouble_since = Some(now);
            }
            _ => {}
        }
        let since = *self.trouble_since.get_or_insert(now);
        let delay = if now.saturating_duration_since(since) < QUICK_FOR {
            QUICK_LEAST + (QUICK_MOST - QUICK_LEAST).mul_f64(f64::from(random) / f64::from(u32::MAX))
        } else {
            SLOW
        };
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
