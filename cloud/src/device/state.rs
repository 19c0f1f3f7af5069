//! One box as the cloud sees it: what is sent to it, what is journalled of it, who waits for its answers.
//!
//! - Commands go out one at a time and again until the box answers or they expire; the box does each id once.
//! - Events go to the journal one at a time and in order; `ack` follows the journal, never leads it.
//! - `desired` is published anew whenever the broker may have forgotten it.

use super::document::Cursor;
pub use super::exchange::{Action, Answer, Asked, CommandProperties, Input, Message};
use stagebox_protocol::{
    Ack, BoxEvent, BoxId, CommandEnvelope, CommandResponse, Desired, Presence, Reported, Telemetry,
    Timestamp, TopicKind, payload,
};
use std::collections::VecDeque;

/// The last level of the topic on which boxes answer the cloud.
pub const REQUESTER: &str = "cloud";
/// A command that was not answered is sent again after so long.
pub const RESEND_MS: u64 = 1_500;
/// After a failed write the next attempt waits so long.
pub const WRITE_PAUSE_MS: u64 = 1_000;
/// A box of which the broker says nothing for so long is away.
pub const PRESENCE_MS: u64 = 5_000;
/// Events that wait for the one before them; more are left to the box, which sends them again.
const MOST_EVENTS: usize = 128;
/// Commands that wait for one box.
const MOST_COMMANDS: usize = 32;

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    until_ms: u64,
    /// When it is sent again; `None` before it was sent for the first time.
    resend_ms: Option<u64>,
}

/// The journal's side of the box's events.
#[derive(Debug)]
enum Writing {
    Idle,
    /// This event is being written.
    Busy(BoxEvent),
    /// The store failed; the next attempt has a time.
    Paused {
        until_ms: u64,
    },
}

/// What is known of the box's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nobody has said yet; if nobody does until then, the box is away.
    Unknown { until_ms: Option<u64> },
    /// As the box or its will said last.
    Said(Presence),
}

/// One box.
#[derive(Debug)]
pub struct BoxState {
    device: BoxId,
    broker_up: bool,
    presence: Known,
    reported: Option<Reported>,
    telemetry: Option<Box<Telemetry>>,
    desired: Option<Desired>,
    cursor: Option<Cursor>,
    events: VecDeque<BoxEvent>,
    writing: Writing,
    commands: VecDeque<Waiting>,
}

impl BoxState {
    /// A box with what the store knows of it.
    #[must_use]
    pub fn new(device: BoxId, cursor: Option<Cursor>, desired: Option<Desired>) -> Self {
        Self {
            device,
            broker_up: false,
            presence: Known::Unknown { until_ms: None },
            reported: None,
            telemetry: None,
            desired,
            cursor,
            events: VecDeque::new(),
            writing: Writing::Idle,
            commands: VecDeque::new(),
        }
    }

    /// Takes what happened; `now_ms` is monotonic.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::BrokerUp => {
                self.broker_up = true;
                // The broker tells at once, unless it lost what it kept.
                self.presence = Known::Unknown { until_ms: Some(now_ms + PRESENCE_MS) };
                self.publish_desired(out);
                self.send_soon(now_ms);
            }
            Input::BrokerDown => self.broker_up = false,
            Input::Status(status) => self.status(now_ms, status.state, out),
            Input::ShutOut => self.status(now_ms, Presence::Offline, out),
            Input::Reported(reported) => self.reported = Some(reported),
            Input::Telemetry(telemetry) => self.telemetry = Some(telemetry),
            Input::Event(event) => self.event(event, out),
            Input::Response(response) => self.response(response, out),
            Input::Ask(asked) => self.ask(now_ms, asked, out),
            Input::Desire(desired) => {
                if self.desired.as_ref().is_none_or(|known| known.version < desired.version) {
                    self.desired = Some(desired);
                    self.publish_desired(out);
                }
            }
            Input::Journaled(cursor) => {
                self.cursor = Some(cursor);
                self.writing = Writing::Idle;
                self.acknowledge(out);
                self.write_next(out);
            }
            Input::JournalFailed => {
                if let Writing::Busy(event) = std::mem::replace(&mut self.writing, Writing::Idle) {
                    self.events.push_front(event);
                }
                self.writing = Writing::Paused { until_ms: now_ms + WRITE_PAUSE_MS };
            }
            Input::Tick => {}
        }
        self.tick(now_ms, out);
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let write = match self.writing {
            Writing::Paused { until_ms } => Some(until_ms),
            Writing::Idle | Writing::Busy(_) => None,
        };
        let expiry = self.commands.iter().map(|waiting| waiting.until_ms).min();
        let send = self.commands.front().filter(|_| self.broker_up).map(|first| first.resend_ms.unwrap_or(0));
        let presence = match self.presence {
            Known::Unknown { until_ms } => until_ms,
            Known::Said(_) => None,
        };
        [write, expiry, send, presence].into_iter().flatten().min()
    }

    /// Whether the box is there; `None` if nobody has said so yet.
    #[must_use]
    pub fn is_online(&self) -> Option<bool> {
        match self.presence {
            Known::Unknown { .. } => None,
            Known::Said(presence) => Some(presence == Presence::Online),
        }
    }

    /// What the box last reported.
    #[must_use]
    pub fn reported(&self) -> Option<&Reported> {
        self.reported.as_ref()
    }

    /// What the box last measured.
    #[must_use]
    pub fn telemetry(&self) -> Option<&Telemetry> {
        self.telemetry.as_deref()
    }

    fn tick(&mut self, now_ms: u64, out: &mut Vec<Action>) {
        if let Writing::Paused { until_ms } = self.writing
            && now_ms >= until_ms
        {
            self.writing = Writing::Idle;
            self.write_next(out);
        }
        if let Known::Unknown { until_ms: Some(until_ms) } = self.presence
            && now_ms >= until_ms
        {
            self.presence = Known::Said(Presence::Offline);
            out.push(Action::Presence(false));
        }
        self.commands.retain(|waiting| {
            let expired = now_ms >= waiting.until_ms;
            if expired {
                out.push(Action::Answer(waiting.asked.id.clone(), Answer::TimedOut));
            }
            !expired
        });
        self.send_first(now_ms, out);
    }

    fn status(&mut self, now_ms: u64, said: Presence, out: &mut Vec<Action>) {
        if self.presence != Known::Said(said) {
            self.presence = Known::Said(said);
            out.push(Action::Presence(said == Presence::Online));
        }
        if said == Presence::Online {
            self.send_soon(now_ms);
        }
    }

    fn ask(&mut self, now_ms: u64, asked: Asked, out: &mut Vec<Action>) {
        if self.presence == Known::Said(Presence::Offline) {
            out.push(Action::Answer(asked.id, Answer::Offline));
        } else if self.commands.len() >= MOST_COMMANDS {
            out.push(Action::Answer(asked.id, Answer::Busy));
        } else {
            let until_ms = now_ms + asked.limit_ms;
            self.commands.push_back(Waiting { asked, until_ms, resend_ms: None });
        }
    }

    fn response(&mut self, response: CommandResponse, out: &mut Vec<Action>) {
        // Only the first one was sent: an answer to any other is late or repeated.
        if self.commands.front().is_some_and(|first| first.asked.id == response.id)
            && let Some(first) = self.commands.pop_front()
        {
            out.push(Action::Answer(first.asked.id, Answer::Response(response)));
        }
    }

    /// What was lost with a connection is not waited for.
    fn send_soon(&mut self, now_ms: u64) {
        if let Some(first) = self.commands.front_mut()
            && first.resend_ms.is_some()
        {
            first.resend_ms = Some(now_ms);
        }
    }

    /// Sends the first command, for the first time or again: one at a time, so that none overtakes another.
    fn send_first(&mut self, now_ms: u64, out: &mut Vec<Action>) {
        let Some(first) = self.commands.front_mut().filter(|_| self.broker_up) else { return };
        if first.resend_ms.is_some_and(|resend_ms| now_ms < resend_ms) {
            return;
        }
        first.resend_ms = Some(now_ms + RESEND_MS);
        let asked = &first.asked;
        let limit_ms = i64::try_from(asked.limit_ms).unwrap_or(i64::MAX);
        let envelope = CommandEnvelope {
            id: asked.id.clone(),
            issued_at: asked.issued_at,
            expires_at: Some(Timestamp::from_unix_ms(asked.issued_at.unix_ms().saturating_add(limit_ms))),
            args: asked.args.clone(),
        };
        let left_ms = first.until_ms.saturating_sub(now_ms);
        out.push(Action::Publish(Message {
            topic: self.device.topic(TopicKind::Command(asked.name.clone())),
            payload: payload::encode(&envelope),
            retain: false,
            command: Some(CommandProperties {
                response_topic: self.device.topic(TopicKind::Response(REQUESTER.into())),
                correlation: asked.id.as_str().as_bytes().to_vec(),
                expiry_s: u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX),
            }),
        }));
    }

    fn publish_desired(&self, out: &mut Vec<Action>) {
        if let Some(desired) = self.desired.as_ref().filter(|_| self.broker_up) {
            let topic = self.device.topic(TopicKind::Desired);
            let payload = payload::encode(desired);
            out.push(Action::Publish(Message { topic, payload, retain: true, command: None }));
        }
    }

    fn event(&mut self, event: BoxEvent, out: &mut Vec<Action>) {
        if let Some(cursor) = &self.cursor {
            if cursor.retired.contains(&event.outbox) {
                return;
            }
            if cursor.outbox == event.outbox && event.seq <= cursor.seq {
                // The box has not heard of it: perhaps the acknowledgement was lost.
                self.acknowledge(out);
                return;
            }
        }
        let same = |other: &BoxEvent| other.seq == event.seq && other.outbox == event.outbox;
        if let Some(known) = self.events.iter_mut().find(|other| same(other)) {
            // The same event, sent again after the box gave up others before it.
            known.oldest = known.oldest.max(event.oldest);
        } else if self.events.len() < MOST_EVENTS
            && !matches!(&self.writing, Writing::Busy(other) if same(other))
        {
            self.events.push_back(event);
        }
        self.write_next(out);
    }

    /// Writes the event that comes next, if it is there.
    fn write_next(&mut self, out: &mut Vec<Action>) {
        if !matches!(self.writing, Writing::Idle) {
            return;
        }
        if let Some(cursor) = self.cursor.clone() {
            let over = |event: &BoxEvent| event.outbox == cursor.outbox && event.seq <= cursor.seq;
            self.events.retain(|event| !over(event) && !cursor.retired.contains(&event.outbox));
        }
        // What came before `oldest` is nowhere any more.
        let next = |event: &BoxEvent| match &self.cursor {
            Some(cursor) if cursor.outbox == event.outbox => {
                event.seq == event.oldest.max(cursor.seq.saturating_add(1))
            }
            _ => event.seq == event.oldest,
        };
        let Some(index) = self.events.iter().position(next) else { return };
        if let Some(event) = self.events.remove(index) {
            let cursor = Cursor::after(self.cursor.as_ref(), &event);
            out.push(Action::Journal(event.clone(), cursor));
            self.writing = Writing::Busy(event);
        }
    }

    fn acknowledge(&self, out: &mut Vec<Action>) {
        if let Some(cursor) = self.cursor.as_ref().filter(|_| self.broker_up) {
            let ack = Ack { seq: cursor.seq, outbox: cursor.outbox.clone() };
            let topic = self.device.topic(TopicKind::Ack);
            out.push(Action::Publish(Message {
                topic,
                payload: payload::encode(&ack),
                retain: false,
                command: None,
            }));
        }
    }
}
