//! The panel's decisions: what a press means, what the display and the light show.
//!
//! ```text
//!              first frame                    silent 2 s, or line down
//!   Booting ─────────────────► Answering ───────────────────────────────► Dead
//!      │ silent for `boot_ms`      ▲                                       │
//!      └──────────────► Dead ──────┴───────────────── any frame ───────────┘
//! ```

#[cfg(test)]
pub(crate) mod tests;

use heapless::Vec;
use stagebox_protocol::panel::{
    Broadcast, FromAgent, Hello, Intent, Outcome, Preflight, PreflightState, SILENCE_MS, Status, Text,
    ToAgent, text,
};

use crate::{
    Color, Gesture, Tally,
    page::{Footer, HoldTo, Scene, View},
};

/// How long a box that just got power may take until its agent answers.
pub const BOOT_MS: u64 = 20_000;
/// An agent that took an intent says so within this time.
const OUTCOME_MS: u64 = 5_000;
/// How long a line for the person at the panel stays.
const NOTICE_MS: u64 = 3_000;
/// The panel says something at least this often.
const HEARTBEAT_MS: u64 = 1_000;
/// Lines that share the bottom of the display take turns of this length.
const TURN_MS: u64 = 4_000;

/// What happens to the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator nothing can be boxed; one lives at a time"
)]
pub enum Input {
    Gesture(Gesture),
    /// The line to the agent is open.
    Connected,
    /// The line to the agent is gone.
    Disconnected,
    Frame(FromAgent),
    /// Time went by; see [`Panel::handle`].
    Tick,
}

/// What the shell shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Send(ToAgent),
    /// What a gesture led to, for shells that wait for it.
    Settled(Outcome),
}

/// One input never asks for more.
pub type Actions = Vec<Action, 2>;

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator nothing can be boxed; there is one of it"
)]
enum Agent {
    Booting { since_ms: Option<u64> },
    Answering { heard_ms: u64, status: Option<Status> },
    Dead { since_ms: u64, was_on_air: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    id: u16,
    until_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Notice {
    line: Text<64>,
    since_ms: u64,
}

/// The front panel's state; clocks, pins and lines belong to the shell.
#[derive(Debug, Clone)]
pub struct Panel {
    agent: Agent,
    boot_ms: u64,
    connected: bool,
    pending: Option<Pending>,
    notice: Option<Notice>,
    /// The test before going live, and when the agent told of it last.
    test: Option<(u64, Preflight)>,
    identify_until_ms: u64,
    last_id: u16,
    last_sent_ms: u64,
}

impl Panel {
    /// `boot_ms`: how long the agent may be silent at first; [`BOOT_MS`] right after power-on.
    #[must_use]
    pub fn new(boot_ms: u64) -> Self {
        Self {
            agent: Agent::Booting { since_ms: None },
            boot_ms,
            connected: false,
            pending: None,
            notice: None,
            test: None,
            identify_until_ms: 0,
            last_id: 0,
            last_sent_ms: 0,
        }
    }

    /// Takes one input; shells tick every 100 ms or so.
    pub fn handle(&mut self, now_ms: u64, input: Input) -> Actions {
        let mut out = Actions::new();
        match input {
            Input::Gesture(gesture) => self.gesture(now_ms, gesture, &mut out),
            Input::Connected => {
                self.connected = true;
                let program = text(concat!("panel ", env!("CARGO_PKG_VERSION")));
                self.send(now_ms, ToAgent::Hello(Hello { program }), &mut out);
            }
            Input::Disconnected => {
                self.connected = false;
                if matches!(self.agent, Agent::Answering { .. }) {
                    self.agent_died(now_ms, now_ms, &mut out);
                }
            }
            Input::Frame(frame) => self.frame(now_ms, frame, &mut out),
            Input::Tick => {}
        }
        self.time_passes(now_ms, &mut out);
        out
    }

    /// The last status, while the agent answers.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match &self.agent {
            Agent::Answering { status, .. } => status.as_ref(),
            Agent::Booting { .. } | Agent::Dead { .. } => None,
        }
    }

    /// The test before going live that runs, or ran a while ago; none while nobody tells of one.
    #[must_use]
    pub fn test(&self) -> Option<&Preflight> {
        self.status().and(self.test.as_ref()).map(|(_, test)| test)
    }

    fn is_testing(&self) -> bool {
        self.test().is_some_and(|test| matches!(test.state, PreflightState::Running { .. }))
    }

    #[must_use]
    pub fn tally(&self, now_ms: u64) -> Tally {
        match &self.agent {
            Agent::Dead { .. } => Tally::AgentDead,
            _ if now_ms < self.identify_until_ms => Tally::Identify,
            Agent::Answering { status: Some(status), .. } => Tally::of(status),
            Agent::Answering { .. } | Agent::Booting { .. } => Tally::Off,
        }
    }

    #[must_use]
    pub fn light(&self, now_ms: u64) -> Color {
        self.tally(now_ms).color_at(now_ms)
    }

    /// What the display shows; `hold_percent` comes from the button.
    #[must_use]
    pub fn view(&self, now_ms: u64, hold_percent: Option<u8>) -> View<'_> {
        let scene = match &self.agent {
            Agent::Answering { status: Some(status), .. } => Scene::Status(status),
            Agent::Answering { .. } | Agent::Booting { .. } => Scene::Booting,
            Agent::Dead { since_ms, was_on_air } => Scene::AgentDead {
                for_s: (now_ms.saturating_sub(*since_ms) / 1_000) as u32,
                was_on_air: *was_on_air,
            },
        };
        View {
            scene,
            footer: self.footer(now_ms, hold_percent),
            flash: now_ms < self.identify_until_ms && now_ms % 500 < 250,
            now_ms,
        }
    }

    fn footer(&self, now_ms: u64, hold_percent: Option<u8>) -> Footer<'_> {
        if let (Some(percent), Some(status)) = (hold_percent, self.status()) {
            let to = match status.broadcast {
                Broadcast::Off if self.is_testing() => HoldTo::EndTest,
                Broadcast::Off => HoldTo::Test,
                _ => HoldTo::Stop,
            };
            return Footer::Hold { percent, to };
        }
        if let Some(notice) = &self.notice {
            return Footer::Notice { line: &notice.line, since_ms: notice.since_ms };
        }
        let Some(status) = self.status() else { return Footer::Empty };
        if let Some(test) = self.test().filter(|_| self.is_testing()) {
            return Footer::Test(test);
        }
        if !status.trouble.is_empty() {
            return Footer::Trouble(&status.trouble);
        }
        let turns: [Footer<'_>; 3] =
            [Footer::Device(&status.device), Footer::Address(&status.address), Footer::Claim(&status.claim)];
        let mut shown: Vec<Footer<'_>, 4> = Vec::new();
        if let Some(test) = self.test() {
            let _ = shown.push(Footer::Test(test));
        }
        for footer in turns {
            if !footer.text().is_empty() {
                let _ = shown.push(footer);
            }
        }
        let turn = (now_ms / TURN_MS) as usize;
        shown.get(turn % shown.len().max(1)).copied().unwrap_or(Footer::Empty)
    }

    fn gesture(&mut self, now_ms: u64, gesture: Gesture, out: &mut Actions) {
        let Some(status) = self.status() else {
            return self.refuse(now_ms, "The agent does not answer", out);
        };
        let intent = match (gesture, status.broadcast) {
            (Gesture::Press, Broadcast::Off) => Intent::GoLive,
            (Gesture::Press, _) => return self.refuse(now_ms, "Hold the button to stop", out),
            (Gesture::Hold, Broadcast::Off) if self.is_testing() => Intent::CancelPreflight,
            (Gesture::Hold, Broadcast::Off) => Intent::Preflight,
            (Gesture::Hold, _) => Intent::Stop,
        };
        self.last_id = self.last_id.wrapping_add(1);
        self.pending = Some(Pending { id: self.last_id, until_ms: now_ms + OUTCOME_MS });
        self.notice = None;
        self.send(now_ms, ToAgent::Intent { id: self.last_id, intent }, out);
    }

    fn frame(&mut self, now_ms: u64, frame: FromAgent, out: &mut Actions) {
        match &mut self.agent {
            Agent::Answering { heard_ms, .. } => *heard_ms = now_ms,
            Agent::Booting { .. } | Agent::Dead { .. } => {
                self.agent = Agent::Answering { heard_ms: now_ms, status: None };
                self.notice = None;
            }
        }
        match frame {
            FromAgent::Status(new) => {
                if let Agent::Answering { status, .. } = &mut self.agent {
                    *status = Some(new);
                }
            }
            FromAgent::Identify { duration_ms } => self.identify_until_ms = now_ms + u64::from(duration_ms),
            FromAgent::Outcome { id, outcome } => {
                if self.pending.take_if(|pending| pending.id == id).is_some() {
                    match outcome {
                        Outcome::Done => push(out, Action::Settled(Outcome::Done)),
                        Outcome::Rejected { reason } => self.refuse(now_ms, &reason, out),
                    }
                }
            }
            FromAgent::Preflight(test) => self.test = Some((now_ms, test)),
            FromAgent::Hello(_) | FromAgent::Ping => {}
        }
    }

    fn time_passes(&mut self, now_ms: u64, out: &mut Actions) {
        match &mut self.agent {
            Agent::Booting { since_ms } => {
                let since_ms = *since_ms.get_or_insert(now_ms);
                if now_ms.saturating_sub(since_ms) >= self.boot_ms {
                    self.agent_died(now_ms, since_ms, out);
                }
            }
            Agent::Answering { heard_ms, .. } => {
                let heard_ms = *heard_ms;
                if now_ms.saturating_sub(heard_ms) >= u64::from(SILENCE_MS) {
                    self.agent_died(now_ms, heard_ms, out);
                }
            }
            Agent::Dead { .. } => {}
        }
        if self.pending.take_if(|pending| now_ms >= pending.until_ms).is_some() {
            self.refuse(now_ms, "The agent did not take it", out);
        }
        // The agent tells of a test beside each status, for as long as it is worth a word.
        self.test.take_if(|(heard_ms, _)| now_ms.saturating_sub(*heard_ms) >= u64::from(SILENCE_MS));
        self.notice.take_if(|notice| now_ms.saturating_sub(notice.since_ms) >= NOTICE_MS);
        if self.connected && now_ms.saturating_sub(self.last_sent_ms) >= HEARTBEAT_MS {
            self.send(now_ms, ToAgent::Ping, out);
        }
    }

    fn agent_died(&mut self, now_ms: u64, since_ms: u64, out: &mut Actions) {
        let was_on_air = self.status().is_some_and(|status| status.broadcast != Broadcast::Off);
        self.agent = Agent::Dead { since_ms, was_on_air };
        self.identify_until_ms = 0;
        if self.pending.take().is_some() {
            self.refuse(now_ms, "The agent went away", out);
        }
    }

    fn refuse(&mut self, now_ms: u64, reason: &str, out: &mut Actions) {
        let line = text(reason);
        push(out, Action::Settled(Outcome::Rejected { reason: line.clone() }));
        self.notice = Some(Notice { line, since_ms: now_ms });
    }

    fn send(&mut self, now_ms: u64, frame: ToAgent, out: &mut Actions) {
        if self.connected {
            self.last_sent_ms = now_ms;
            push(out, Action::Send(frame));
        }
    }
}

/// A gesture's outcome and a heartbeat are the most that one input leads to;
/// a heartbeat without room goes out with the next tick.
fn push(out: &mut Actions, action: Action) {
    let _full = out.push(action);
}
