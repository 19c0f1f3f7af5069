//! The box: the product's link and control over a disk that keeps what was written, and nothing else.

use crate::broker::Packet;
use stagebox_agent::control::state as control;
use stagebox_agent::control::{Record as Intents, Request};
use stagebox_agent::link::applying::Kept;
use stagebox_agent::link::commands::Record;
use stagebox_agent::link::delivery::Delivery;
use stagebox_agent::link::state::{Action, Guarantee, Identity, Input, Link, Message, Now, Publish};
use stagebox_agent::link::{Targets, targets::FetchError};
use stagebox_protocol::telemetry::{LiveState, RecordingState};
use stagebox_protocol::{
    BoxEvent, BoxId, BoxStatus, Command, CommandId, Origin, OutboxId, Outcome, Timestamp,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The wall clock when virtual time begins.
pub(crate) const EPOCH_MS: i64 = 1_800_000_000_000;

pub(crate) fn wall(now_ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(EPOCH_MS + now_ms as i64)
}

/// What survives a crash.
#[derive(Debug)]
pub(crate) struct Disk {
    records: BTreeMap<u64, Record>,
    kept: Kept,
    events: BTreeMap<u64, BoxEvent>,
    last: u64,
    intents: Intents,
    boots: u64,
}

/// What the box asks the world to do.
#[derive(Debug)]
pub(crate) enum Deed {
    Connect(Packet),
    Disconnect,
    Subscribe,
    Publish(Packet, Guarantee),
    Fetch,
    /// After a while on the disk: the control's intents are kept.
    Intents(Box<Intents>),
    /// After a while: carry this command out.
    Execute(Task),
    /// After a while: the command has this outcome.
    Executed(CommandId, Outcome),
}

/// A command on its way to the control.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    id: CommandId,
    command: Command,
    expires_at: Option<Timestamp>,
}

/// A command's effect, as it was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) id: CommandId,
    pub(crate) command: Command,
    pub(crate) at_ms: u64,
}

pub(crate) struct SimBox {
    pub(crate) id: BoxId,
    pub(crate) disk: Disk,
    /// Everything that ever happened to the box, as it was written into the outbox.
    pub(crate) happened: Vec<BoxEvent>,
    /// Every time a command reached the control.
    pub(crate) effects: Vec<Effect>,
    pub(crate) process: Option<Process>,
    base: Instant,
}

/// What a crash takes away.
pub(crate) struct Process {
    link: Link,
    control: control::State,
    asked: BTreeMap<u64, CommandId>,
    next_ticket: u64,
    status: BoxStatus,
}

/// One step may end the process: the dice are thrown before each.
pub(crate) type Dice<'a> = &'a mut dyn FnMut() -> bool;

/// The process was killed.
pub(crate) struct Killed;

impl SimBox {
    pub(crate) fn new(id: BoxId) -> Self {
        let disk = Disk {
            records: BTreeMap::new(),
            kept: Kept::default(),
            events: BTreeMap::new(),
            last: 0,
            intents: Intents::default(),
            boots: 0,
        };
        Self { id, disk, happened: Vec::new(), effects: Vec::new(), process: None, base: Instant::now() }
    }

    fn now(now_ms: u64) -> Now {
        Now { mono_ms: now_ms, wall: wall(now_ms), clock_synced: true }
    }

    fn outbox() -> OutboxId {
        "o1".parse().unwrap()
    }

    /// Starts the process from the disk.
    pub(crate) fn start(&mut self, now_ms: u64, dice: Dice<'_>, deeds: &mut Vec<Deed>) {
        self.disk.boots += 1;
        let oldest = self.disk.events.keys().next().copied().unwrap_or(self.disk.last + 1);
        let identity = Identity {
            device: self.id.clone(),
            boot_id: format!("b{}", self.disk.boots).parse().unwrap(),
            software: "box".into(),
        };
        let records = self.disk.records.values().cloned().collect();
        let delivery = Delivery::new(Self::outbox(), oldest, self.disk.last);
        let link = Link::new(identity, now_ms, records, self.disk.kept.clone(), delivery);
        let mut resumed = Vec::new();
        let control = control::State::resume(self.disk.intents.clone(), &mut resumed);
        let status = BoxStatus::default();
        self.process = Some(Process { link, control, asked: BTreeMap::new(), next_ticket: 0, status });
        let _ = self.begin(now_ms, resumed, dice, deeds);
    }

    fn begin(
        &mut self,
        now_ms: u64,
        resumed: Vec<control::Action>,
        dice: Dice<'_>,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Killed> {
        let mut actions = Vec::new();
        let Some(process) = &mut self.process else { return Err(Killed) };
        process.link.start(&Self::now(now_ms), &mut actions);
        self.perform(now_ms, actions, dice, deeds)?;
        self.control_actions(now_ms, resumed, dice, deeds)
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.process.as_ref().and_then(|process| process.link.next_deadline())
    }

    /// Feeds the link; a crash between any two of its actions is one of the outcomes.
    pub(crate) fn feed(&mut self, now_ms: u64, input: Input, dice: Dice<'_>, deeds: &mut Vec<Deed>) {
        let _ = self.link(now_ms, input, dice, deeds);
    }

    fn link(
        &mut self,
        now_ms: u64,
        input: Input,
        dice: Dice<'_>,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Killed> {
        let Some(process) = &mut self.process else { return Err(Killed) };
        let mut actions = Vec::new();
        process.link.handle(&Self::now(now_ms), input, &mut actions);
        self.perform(now_ms, actions, dice, deeds)
    }

    fn perform(
        &mut self,
        now_ms: u64,
        actions: Vec<Action>,
        dice: Dice<'_>,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Killed> {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            if dice() {
                self.process = None;
                return Err(Killed);
            }
            if let Some(input) = self.act(now_ms, action, deeds) {
                let Some(process) = &mut self.process else { return Err(Killed) };
                let mut more = Vec::new();
                process.link.handle(&Self::now(now_ms), input, &mut more);
                queue.extend(more);
            }
        }
        Ok(())
    }

    fn act(&mut self, now_ms: u64, action: Action, deeds: &mut Vec<Deed>) -> Option<Input> {
        match action {
            Action::Connect { will } => deeds.push(Deed::Connect(packet(will))),
            Action::Disconnect => deeds.push(Deed::Disconnect),
            Action::Subscribe(_) => deeds.push(Deed::Subscribe),
            Action::Publish(publish) => {
                let delivery = publish.delivery;
                deeds.push(Deed::Publish(packet(publish), delivery));
            }
            Action::KeepCommand(record) => {
                self.disk.records.insert(record.order, record);
            }
            Action::ForgetCommand(order) => {
                self.disk.records.remove(&order);
            }
            Action::KeepDesired(kept) => self.disk.kept = kept,
            Action::Execute { id, command, expires_at } => {
                deeds.push(Deed::Execute(Task { id, command, expires_at }));
            }
            Action::FetchTargets => deeds.push(Deed::Fetch),
            Action::UseTargets(_) | Action::Configure(_) | Action::Show(_) => {}
            Action::Append(body) => {
                self.disk.last += 1;
                let oldest = self.disk.events.keys().next().copied().unwrap_or(self.disk.last);
                let event = BoxEvent {
                    seq: self.disk.last,
                    outbox: Self::outbox(),
                    oldest,
                    boot_id: format!("b{}", self.disk.boots).parse().unwrap(),
                    mono_ms: now_ms,
                    ts: wall(now_ms),
                    clock_synced: true,
                    body,
                };
                self.disk.events.insert(event.seq, event.clone());
                self.happened.push(event);
                return Some(Input::Appended { seq: self.disk.last, oldest });
            }
            Action::ReadOutbox { from, limit } => {
                let events = self.disk.events.range(from..).take(limit as usize);
                return Some(Input::Batch(events.map(|(_, event)| event.clone()).collect()));
            }
            Action::ReleaseOutbox { up_to } => self.disk.events.retain(|seq, _| *seq > up_to),
        }
        None
    }

    /// The command reaches the control.
    pub(crate) fn execute(&mut self, now_ms: u64, task: Task, dice: Dice<'_>, deeds: &mut Vec<Deed>) {
        let Some(process) = &mut self.process else { return };
        let Task { id, command, expires_at } = task;
        self.effects.push(Effect { id: id.clone(), command: command.clone(), at_ms: now_ms });
        let ticket = process.next_ticket;
        process.next_ticket += 1;
        process.asked.insert(ticket, id.clone());
        let request = Request { command, origin: Origin::Cloud, id: Some(id), expires_at };
        let _ = self.control(now_ms, control::Input::Asked { ticket, request }, dice, deeds);
    }

    /// The control's intents are on the disk.
    pub(crate) fn kept(&mut self, now_ms: u64, intents: Intents, dice: Dice<'_>, deeds: &mut Vec<Deed>) {
        if self.process.is_some() {
            self.disk.intents = intents;
            let _ = self.control(now_ms, control::Input::Kept, dice, deeds);
        }
    }

    fn control(
        &mut self,
        now_ms: u64,
        input: control::Input,
        dice: Dice<'_>,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Killed> {
        let Some(process) = &mut self.process else { return Err(Killed) };
        let unix_ms = wall(now_ms).unix_ms();
        let now =
            control::Now { instant: self.base + Duration::from_millis(now_ms), unix_ms, wall_is_true: true };
        let mut actions = Vec::new();
        process.control.handle(now, input, &mut actions);
        self.control_actions(now_ms, actions, dice, deeds)
    }

    fn control_actions(
        &mut self,
        now_ms: u64,
        actions: Vec<control::Action>,
        dice: Dice<'_>,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Killed> {
        for action in actions {
            if dice() {
                self.process = None;
            }
            let Some(process) = &mut self.process else { return Err(Killed) };
            match action {
                control::Action::Keep(intents) => deeds.push(Deed::Intents(intents)),
                control::Action::SetLive(on) => {
                    process.status.live.state = if on { LiveState::Live } else { LiveState::Off };
                }
                control::Action::SetRecording(on) => {
                    process.status.recording.state =
                        if on { RecordingState::Recording } else { RecordingState::Off };
                }
                control::Action::Reconnect(_)
                | control::Action::RetryEncoder
                | control::Action::Test { .. }
                | control::Action::CancelTest => {}
                control::Action::Mark { ticket, .. } => {
                    let id = process.asked.remove(&ticket);
                    deeds.extend(id.map(|id| Deed::Executed(id, Outcome::Done)));
                }
                control::Action::Reply { ticket, outcome } => {
                    if let Some(id) = process.asked.remove(&ticket) {
                        if matches!(outcome, Outcome::Rejected { .. }) {
                            self.effects.retain(|effect| effect.id != id);
                        }
                        deeds.push(Deed::Executed(id, outcome));
                    }
                }
            }
        }
        let Some(process) = &self.process else { return Err(Killed) };
        let status = Box::new(process.status.clone());
        self.link(now_ms, Input::Status(status), dice, deeds)
    }

    /// Live and recording, as the machinery was set.
    pub(crate) fn does(&self) -> Option<(bool, bool)> {
        let status = &self.process.as_ref()?.status;
        Some((status.live.state == LiveState::Live, status.recording.state == RecordingState::Recording))
    }

    pub(crate) fn intends(&self) -> (bool, bool) {
        (self.disk.intents.live.on, self.disk.intents.recording.on)
    }

    pub(crate) fn is_outbox_empty(&self) -> bool {
        self.disk.events.is_empty()
    }
}

pub(crate) fn message(packet: Packet, retained: bool, now_ms: u64) -> Input {
    let expiry_s = packet.expires_ms.map(|at| at.saturating_sub(now_ms).div_ceil(1000) as u32);
    Input::Message(Message {
        topic: packet.topic,
        payload: packet.payload.into(),
        retained,
        response_topic: packet.response_topic,
        correlation: packet.correlation.map(Into::into),
        expiry_s,
    })
}

fn packet(publish: Publish) -> Packet {
    Packet {
        topic: publish.topic,
        payload: publish.payload,
        retain: publish.retain,
        response_topic: None,
        correlation: publish.correlation.map(|bytes| bytes.to_vec()),
        expires_ms: None,
    }
}

/// What a fetch brings.
pub(crate) type Fetched = Result<Targets, FetchError>;
