//! The cloud: the product's state of one box over a store that keeps what was committed.

use crate::box_side::wall;
use crate::broker::Packet;
use stagebox_cloud::device::Cursor;
use stagebox_cloud::device::state::{Action, Answer, Asked, BoxState, Input};
use stagebox_protocol::{
    BoxEvent, BoxId, BoxTopic, Command, CommandId, Desired, DesiredState, TopicKind, payload,
};
use std::collections::BTreeMap;

/// How long somebody waits for a box's answer.
pub(crate) const LIMIT_MS: u64 = 8_000;

/// What the cloud asks the world to do.
#[derive(Debug)]
pub(crate) enum Deed {
    Publish(Packet),
    /// After a while in the store: the event and the cursor.
    Commit(BoxEvent, Cursor),
    Connect,
}

/// A command as its user saw it.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) id: CommandId,
    pub(crate) command: Command,
    pub(crate) at_ms: u64,
    pub(crate) answer: Option<(Answer, u64)>,
    /// The cloud was killed while it waited.
    pub(crate) is_orphan: bool,
}

pub(crate) struct SimCloud {
    pub(crate) id: BoxId,
    pub(crate) journal: Vec<BoxEvent>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) desired: Desired,
    pub(crate) given: Vec<Given>,
    pub(crate) process: Option<BoxState>,
}

impl SimCloud {
    pub(crate) fn new(id: BoxId) -> Self {
        let desired = Desired { version: 1, state: DesiredState::default() };
        Self { id, journal: Vec::new(), cursor: None, desired, given: Vec::new(), process: None }
    }

    pub(crate) fn start(&mut self, deeds: &mut Vec<Deed>) {
        self.process = Some(BoxState::new(self.id.clone(), self.cursor.clone(), Some(self.desired.clone())));
        deeds.push(Deed::Connect);
    }

    pub(crate) fn kill(&mut self) {
        self.process = None;
        for given in &mut self.given {
            given.is_orphan |= given.answer.is_none();
        }
    }

    pub(crate) fn feed(&mut self, now_ms: u64, input: Input, deeds: &mut Vec<Deed>) {
        let Some(process) = &mut self.process else { return };
        let mut actions = Vec::new();
        process.handle(now_ms, input, &mut actions);
        for action in actions {
            match action {
                Action::Publish(message) => {
                    let expires_ms =
                        message.command.as_ref().map(|command| now_ms + u64::from(command.expiry_s) * 1000);
                    let (response_topic, correlation) =
                        message.command.map(|command| (command.response_topic, command.correlation)).unzip();
                    deeds.push(Deed::Publish(Packet {
                        topic: message.topic,
                        payload: message.payload,
                        retain: message.retain,
                        response_topic,
                        correlation,
                        expires_ms,
                    }));
                }
                Action::Journal(event, cursor) => deeds.push(Deed::Commit(event, cursor)),
                Action::Answer(id, answer) => {
                    let given = self.given.iter_mut().find(|given| given.id == id).unwrap();
                    assert!(given.answer.is_none(), "{id} is answered twice");
                    given.answer = Some((answer, now_ms));
                }
                Action::Presence(_) => {}
            }
        }
    }

    /// A user gives a command.
    pub(crate) fn give(&mut self, now_ms: u64, command: Command, deeds: &mut Vec<Deed>) {
        if self.process.is_none() {
            return;
        }
        let id: CommandId = format!("c{}", self.given.len()).parse().unwrap();
        let asked = Asked {
            id: id.clone(),
            name: command.name().into(),
            args: command.args(),
            issued_at: wall(now_ms),
            limit_ms: LIMIT_MS,
        };
        self.given.push(Given { id, command, at_ms: now_ms, answer: None, is_orphan: false });
        self.feed(now_ms, Input::Ask(asked), deeds);
    }

    /// A user changes what is wanted: kept first, then told.
    pub(crate) fn want(
        &mut self,
        now_ms: u64,
        change: impl FnOnce(&mut DesiredState, u64),
        deeds: &mut Vec<Deed>,
    ) {
        self.desired.version += 1;
        change(&mut self.desired.state, self.desired.version);
        self.feed(now_ms, Input::Desire(self.desired.clone()), deeds);
    }

    /// The store has the event and the cursor.
    pub(crate) fn committed(&mut self, now_ms: u64, event: BoxEvent, cursor: Cursor, deeds: &mut Vec<Deed>) {
        self.journal.push(event);
        self.cursor = Some(cursor.clone());
        self.feed(now_ms, Input::Journaled(cursor), deeds);
    }

    pub(crate) fn message(&mut self, now_ms: u64, packet: &Packet, deeds: &mut Vec<Deed>) {
        let Ok(BoxTopic { kind, .. }) = BoxTopic::parse(&packet.topic) else { return };
        let bytes = &packet.payload;
        let input = match kind {
            TopicKind::Status => Input::Status(payload::decode(bytes).unwrap()),
            TopicKind::Reported => Input::Reported(payload::decode(bytes).unwrap()),
            TopicKind::Telemetry => Input::Telemetry(Box::new(payload::decode(bytes).unwrap())),
            TopicKind::Event(_) => Input::Event(payload::decode(bytes).unwrap()),
            TopicKind::Response(_) => Input::Response(payload::decode(bytes).unwrap()),
            TopicKind::Desired | TopicKind::Command(_) | TopicKind::Ack => return,
        };
        self.feed(now_ms, input, deeds);
    }
}

/// The journal, by outbox and number: for the checks.
pub(crate) fn numbers(journal: &[BoxEvent]) -> BTreeMap<u64, usize> {
    let mut numbers = BTreeMap::new();
    for event in journal {
        *numbers.entry(event.seq).or_default() += 1;
    }
    numbers
}
