//! The rules: which intents there are, and what each command makes of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stagebox_protocol::{Command, CommandId, CommandResponse, Origin, Outcome, OutputRole, Timestamp};

use super::Request;
use crate::durable;

/// Commands whose outcome is remembered, so that one delivered again is not carried out again.
const REMEMBERED: usize = 128;
/// Commands that may wait while an intent is brought to disk.
const MOST_WAITING: usize = 64;

/// One thing the box means to do, or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Intent {
    pub on: bool,
    /// Wall time of the change, milliseconds since 1970.
    pub since_unix_ms: i64,
    /// Who changed it.
    pub origin: Option<Origin>,
}

/// What is kept over a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    pub live: Intent,
    pub recording: Intent,
    /// The last commands that had an id, and what came of them; oldest first.
    pub seen: VecDeque<CommandResponse>,
}

impl durable::Record for Record {
    const TREE: &'static str = "control";
}

/// Tells askers apart.
pub type Ticket = u64;

/// The time, as the rules need it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub instant: Instant,
    pub unix_ms: i64,
    /// Whether `unix_ms` can be held against somebody else's clock.
    pub wall_is_true: bool,
}

#[derive(Debug)]
pub enum Input {
    Asked {
        ticket: Ticket,
        request: Request,
    },
    /// The record of the last [`Action::Keep`] is on disk.
    Kept,
    NotKept {
        reason: String,
    },
    /// The test with this number is over.
    Tested {
        run: u64,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Bring this to disk and answer with [`Input::Kept`] before anything else is done.
    Keep(Box<Record>),
    SetLive(bool),
    SetRecording(bool),
    Reconnect(Option<OutputRole>),
    RetryEncoder,
    /// Test what going live takes; the end comes back as [`Input::Tested`].
    Test {
        run: u64,
        upload: Duration,
    },
    /// End the test that runs.
    CancelTest,
    /// Whoever marks answers; a command that comes again is known by its id.
    Mark {
        ticket: Ticket,
        id: Option<CommandId>,
        label: Option<String>,
    },
    Reply {
        ticket: Ticket,
        outcome: Outcome,
    },
}

#[derive(Debug)]
enum Phase {
    Idle,
    /// `next` is on its way to disk; then `action` is carried out, unless that was done before, and `ticket` answered.
    Keeping {
        next: Box<Record>,
        action: Option<Action>,
        ticket: Ticket,
        outcome: Outcome,
    },
}

#[derive(Debug)]
pub struct State {
    record: Record,
    phase: Phase,
    waiting: VecDeque<(Ticket, Request)>,
    identify_until: Option<Instant>,
    /// Tests so far.
    tests: u64,
    /// The number of the one that runs.
    testing: Option<u64>,
}

impl State {
    /// Takes up what was kept; the actions carry it out again.
    pub fn resume(record: Record, out: &mut Vec<Action>) -> Self {
        if record.recording.on {
            out.push(Action::SetRecording(true));
        }
        if record.live.on {
            out.push(Action::SetLive(true));
        }
        Self {
            record,
            phase: Phase::Idle,
            waiting: VecDeque::new(),
            identify_until: None,
            tests: 0,
            testing: None,
        }
    }

    /// What is kept, and by now carried out.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Until when the box shows itself.
    pub fn identify_until(&self) -> Option<Instant> {
        self.identify_until
    }

    /// When [`State::on_deadline`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.identify_until
    }

    pub fn on_deadline(&mut self, now: Instant) {
        self.identify_until = self.identify_until.filter(|until| *until > now);
    }

    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Asked { ticket, request } if self.waiting.len() >= MOST_WAITING => {
                let error = format!("{} commands wait already; try again", self.waiting.len());
                let outcome = Outcome::Rejected { code: 503, error };
                tracing::warn!(command = request.command.name(), "too many commands at once");
                out.push(Action::Reply { ticket, outcome });
            }
            Input::Asked { ticket, request } => {
                // Its turn comes, but what is to stop does not wait for a disk that hangs.
                let is_due = !is_expired(now, &request)
                    && request.id.as_ref().is_none_or(|id| self.remembered(id).is_none());
                if let (true, Phase::Keeping { .. }, Some(action)) =
                    (is_due, &self.phase, stops(&request.command))
                {
                    out.push(action);
                }
                self.waiting.push_back((ticket, request));
            }
            Input::Kept => self.kept(out),
            Input::NotKept { reason } => self.not_kept(&reason, out),
            Input::Tested { run } => self.testing = self.testing.filter(|testing| *testing != run),
        }
        while matches!(self.phase, Phase::Idle) {
            let Some((ticket, request)) = self.waiting.pop_front() else { break };
            self.start(now, ticket, request, out);
        }
    }

    fn kept(&mut self, out: &mut Vec<Action>) {
        if let Phase::Keeping { next, action, ticket, outcome } =
            std::mem::replace(&mut self.phase, Phase::Idle)
        {
            self.record = *next;
            out.extend(action);
            out.push(Action::Reply { ticket, outcome });
        }
    }

    fn not_kept(&mut self, reason: &str, out: &mut Vec<Action>) {
        if let Phase::Keeping { next, action, ticket, .. } = std::mem::replace(&mut self.phase, Phase::Idle) {
            let error = if action.is_some() {
                format!("cannot keep the intent: {reason}")
            } else {
                // What has stopped has stopped; the next intent that is kept takes this one along.
                self.record = *next;
                format!("stopped, but that cannot be kept, and after a restart it would go on: {reason}")
            };
            out.push(Action::Reply { ticket, outcome: Outcome::Rejected { code: 500, error } });
        }
    }

    fn start(&mut self, now: Now, ticket: Ticket, request: Request, out: &mut Vec<Action>) {
        if let Some(before) = request.id.as_ref().and_then(|id| self.remembered(id)) {
            out.push(Action::Reply { ticket, outcome: before });
            return;
        }
        if let Some(expires_at) = request.expires_at.filter(|_| is_expired(now, &request)) {
            let error = format!("the command expired at {expires_at}");
            out.push(Action::Reply { ticket, outcome: Outcome::Rejected { code: 408, error } });
            return;
        }
        let Request { command, origin, id, .. } = request;
        match command {
            Command::StartStream => self.intend(now, What::Live, true, origin, id, ticket, out),
            Command::StopStream => self.intend(now, What::Live, false, origin, id, ticket, out),
            Command::StartRecording => self.intend(now, What::Recording, true, origin, id, ticket, out),
            Command::StopRecording => self.intend(now, What::Recording, false, origin, id, ticket, out),
            Command::Reconnect { output } => {
                out.push(Action::Reconnect(output));
                self.done(id, ticket, out);
            }
            Command::RetryEncoder => {
                out.push(Action::RetryEncoder);
                self.done(id, ticket, out);
            }
            Command::Identify { duration_ms } => {
                self.identify_until = Some(now.instant + Duration::from_millis(duration_ms.into()));
                self.done(id, ticket, out);
            }
            Command::FetchLogs { .. } | Command::FetchMoreLogs { .. } => {
                let error = "log lines are told to the cloud only".to_owned();
                out.push(Action::Reply { ticket, outcome: Outcome::Rejected { code: 409, error } });
            }
            Command::Preflight { upload_s } => self.test(upload_s, id, ticket, out),
            Command::CancelPreflight => {
                out.push(Action::CancelTest);
                self.done(id, ticket, out);
            }
            Command::Mark { label } if self.record.recording.on => {
                out.push(Action::Mark { ticket, id, label });
            }
            Command::Mark { .. } => {
                let error = "it does not record; start the recording first".to_owned();
                out.push(Action::Reply { ticket, outcome: Outcome::Rejected { code: 409, error } });
            }
        }
    }

    /// Begins a test, unless it would be in the way of a stream or of another one.
    fn test(&mut self, upload_s: u32, id: Option<CommandId>, ticket: Ticket, out: &mut Vec<Action>) {
        let in_the_way = if self.record.live.on {
            Some("the box is live, and a test would take the stream's line: stop first")
        } else if self.testing.is_some() {
            Some("a test runs already: wait for it, or cancel it")
        } else {
            None
        };
        if let Some(error) = in_the_way {
            let outcome = Outcome::Rejected { code: 409, error: error.to_owned() };
            out.push(Action::Reply { ticket, outcome });
            return;
        }
        self.tests += 1;
        self.testing = Some(self.tests);
        out.push(Action::Test { run: self.tests, upload: Duration::from_secs(upload_s.into()) });
        if let Some(id) = id {
            remember(&mut self.record.seen, Outcome::Accepted.response(id));
        }
        out.push(Action::Reply { ticket, outcome: Outcome::Accepted });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request, taken apart by the caller")]
    fn intend(
        &mut self,
        now: Now,
        what: What,
        on: bool,
        origin: Origin,
        id: Option<CommandId>,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) {
        let mut next = Box::new(self.record.clone());
        let (intent, action) = match what {
            What::Live => (&mut next.live, Action::SetLive(on)),
            What::Recording => (&mut next.recording, Action::SetRecording(on)),
        };
        if intent.on == on {
            self.done(id, ticket, out);
            return;
        }
        *intent = Intent { on, since_unix_ms: now.unix_ms, origin: Some(origin) };
        // Nothing holds up what is to stop, whatever the disk does; what is to begin is kept first.
        let action = if on {
            Some(action)
        } else {
            out.push(action);
            None
        };
        // Connecting and opening a file take their time; the intent itself is all that a command waits for.
        let outcome = if on { Outcome::Accepted } else { Outcome::Done };
        if let Some(id) = id {
            remember(&mut next.seen, outcome.response(id));
        }
        out.push(Action::Keep(next.clone()));
        self.phase = Phase::Keeping { next, action, ticket, outcome };
    }

    fn done(&mut self, id: Option<CommandId>, ticket: Ticket, out: &mut Vec<Action>) {
        if let Some(id) = id {
            remember(&mut self.record.seen, Outcome::Done.response(id));
        }
        out.push(Action::Reply { ticket, outcome: Outcome::Done });
    }

    fn remembered(&self, id: &CommandId) -> Option<Outcome> {
        let response = self.record.seen.iter().find(|response| response.id == *id)?;
        Some(match (response.code, &response.error) {
            (202, _) => Outcome::Accepted,
            (code, Some(error)) => Outcome::Rejected { code, error: error.clone() },
            (_, None) => Outcome::Done,
        })
    }
}

/// Whether it is too late for it, by a clock that is right.
fn is_expired(now: Now, request: &Request) -> bool {
    let is_over = |expires_at| Timestamp::from_unix_ms(now.unix_ms) > expires_at;
    now.wall_is_true && request.expires_at.is_some_and(is_over)
}

/// What a command stops.
fn stops(command: &Command) -> Option<Action> {
    match command {
        Command::StopStream => Some(Action::SetLive(false)),
        Command::StopRecording => Some(Action::SetRecording(false)),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Live,
    Recording,
}

fn remember(seen: &mut VecDeque<CommandResponse>, response: CommandResponse) {
    if seen.len() >= REMEMBERED {
        seen.pop_front();
    }
    seen.push_back(response);
}
