//! One run: what happens to box, cloud, broker and network, in the order of a seed.

mod trouble;

use crate::box_side::{self, Deed as BoxDeed, Fetched, SimBox, Task, message};
use crate::broker::{Broker, Client, Packet};
use crate::checks;
use crate::cloud_side::{Deed as CloudDeed, SimCloud};
use crate::network::Agenda;
use rand::Rng;
use stagebox_agent::control::Record as Intents;
use stagebox_agent::link::state::{Guarantee, Input};
use stagebox_agent::link::targets::FetchError;
use stagebox_agent::link::{Target, Targets};
use stagebox_cloud::device::Cursor;
use stagebox_cloud::device::state::{BoxState, Input as CloudInput};
use stagebox_protocol::telemetry::OutputRole;
use stagebox_protocol::{BoxEvent, CommandId, Outcome};

/// How long things go wrong, and how long they have to come right.
const BAD_MS: u64 = 60_000;
const GOOD_MS: u64 = 60_000;

/// Something that happens at its time.
#[derive(Debug, Clone)]
enum Event {
    /// At the broker, from this connection.
    Arrives {
        from: Client,
        session: u64,
        packet: Packet,
    },
    /// At a client, on this connection.
    Delivered {
        to: Client,
        session: u64,
        packet: Packet,
        retained: bool,
    },
    Connected {
        client: Client,
        session: u64,
    },
    Subscribed {
        client: Client,
        session: u64,
    },
    Lost {
        client: Client,
        session: u64,
    },
    Fetched(u64, Fetched),
    Kept(u64, Intents),
    Execute(u64, Task),
    Executed(u64, CommandId, Outcome),
    Committed(u64, BoxEvent, Cursor),
    BoxTick(u64),
    CloudTick(u64),
    StartBox,
    StartCloud,
    User,
    Mischief,
    Heal,
    End,
}

pub(crate) struct World {
    seed: u64,
    agenda: Agenda<Event>,
    broker: Broker,
    device: SimBox,
    cloud: SimCloud,
    /// Counts connections of both clients; the present ones.
    sessions: u64,
    box_session: Option<u64>,
    cloud_session: Option<u64>,
    /// Counts starts: what a killed process was waiting for is for nobody.
    box_run: u64,
    cloud_run: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let id: stagebox_protocol::BoxId = "box_1".parse().unwrap();
        Self {
            seed,
            agenda: Agenda::new(seed),
            broker: Broker::default(),
            device: SimBox::new(id.clone()),
            cloud: SimCloud::new(id),
            sessions: 0,
            box_session: None,
            cloud_session: None,
            box_run: 0,
            cloud_run: 0,
        }
    }

    /// Plays the run to its end; returns how many commands had an effect, and how many events were journalled.
    pub(crate) fn run(mut self) -> (usize, usize) {
        self.agenda.after(0..500, Event::StartBox);
        self.agenda.after(0..500, Event::StartCloud);
        self.agenda.at(2_000, Event::User);
        self.agenda.at(2_000, Event::Mischief);
        self.agenda.at(BAD_MS, Event::Heal);
        self.agenda.at(BAD_MS + GOOD_MS, Event::End);
        while let Some(event) = self.agenda.next() {
            if matches!(event, Event::End) {
                checks::in_the_end(self.seed, &self.device, &self.cloud, &self.broker);
                return (self.device.effects.len(), self.cloud.journal.len());
            }
            self.happen(event);
        }
        panic!("seed {}: nothing happens any more", self.seed);
    }

    fn happen(&mut self, event: Event) {
        let now_ms = self.agenda.now_ms();
        match event {
            Event::Arrives { from, session, packet } => {
                if self.broker.is_connected(from, session) {
                    self.spread(&packet);
                }
            }
            Event::Delivered { to, session, packet, retained } => {
                if self.session(to) != Some(session) || packet.expires_ms.is_some_and(|at| at <= now_ms) {
                    return;
                }
                match to {
                    Client::Box => self.feed_box(message(packet, retained, now_ms)),
                    Client::Cloud => self.with_cloud(|cloud, deeds| cloud.message(now_ms, &packet, deeds)),
                }
            }
            Event::Connected { client, session } if self.session(client) == Some(session) => match client {
                Client::Box => self.feed_box(Input::Connected),
                Client::Cloud => self.agenda.after(1..50, Event::Subscribed { client, session }),
            },
            Event::Subscribed { client, session } if self.session(client) == Some(session) => {
                self.subscribed(client, session);
            }
            Event::Lost { client, session } if self.session(client) == Some(session) => self.lost(client),
            Event::Fetched(run, result) if run == self.box_run => self.feed_box(Input::Fetched(result)),
            Event::Executed(run, id, outcome) if run == self.box_run => {
                self.feed_box(Input::Executed(id, outcome));
            }
            Event::Kept(run, intents) if run == self.box_run => {
                self.with_box(|device, dice, deeds| device.kept(now_ms, intents, dice, deeds));
            }
            Event::Execute(run, task) if run == self.box_run => {
                self.with_box(|device, dice, deeds| device.execute(now_ms, task, dice, deeds));
            }
            Event::BoxTick(run) if run == self.box_run => {
                if self.device.next_deadline().is_some_and(|at| at <= now_ms) {
                    self.feed_box(Input::Tick);
                }
            }
            Event::Committed(run, event, cursor) if run == self.cloud_run => {
                self.with_cloud(|cloud, deeds| cloud.committed(now_ms, event, cursor, deeds));
            }
            Event::CloudTick(run) if run == self.cloud_run => {
                let deadline = self.cloud.process.as_ref().and_then(BoxState::next_deadline);
                if deadline.is_some_and(|at| at <= now_ms) {
                    self.with_cloud(|cloud, deeds| cloud.feed(now_ms, CloudInput::Tick, deeds));
                }
            }
            Event::Connected { .. }
            | Event::Subscribed { .. }
            | Event::Lost { .. }
            | Event::Fetched(..)
            | Event::Executed(..)
            | Event::Kept(..)
            | Event::Execute(..)
            | Event::BoxTick(_)
            | Event::Committed(..)
            | Event::CloudTick(_)
            | Event::End => {}
            Event::StartBox => {
                self.box_run += 1;
                self.with_box(|device, dice, deeds| device.start(now_ms, dice, deeds));
                if self.device.process.is_none() {
                    self.box_died();
                }
            }
            Event::StartCloud => {
                self.cloud_run += 1;
                self.with_cloud(SimCloud::start);
            }
            Event::User => self.user(now_ms),
            Event::Mischief => self.mischief(),
            Event::Heal => self.heal(),
        }
    }

    fn session(&self, client: Client) -> Option<u64> {
        match client {
            Client::Box => self.box_session,
            Client::Cloud => self.cloud_session,
        }
    }

    /// A connection is there; the broker may already have another one, or none any more.
    fn subscribed(&mut self, client: Client, session: u64) {
        let now_ms = self.agenda.now_ms();
        let retained = self.broker.subscribe(client, session);
        for packet in retained {
            self.agenda.send(Event::Delivered { to: client, session, packet, retained: true });
        }
        match client {
            Client::Box => self.feed_box(Input::Subscribed),
            Client::Cloud => self.with_cloud(|cloud, deeds| cloud.feed(now_ms, CloudInput::BrokerUp, deeds)),
        }
    }

    fn lost(&mut self, client: Client) {
        let now_ms = self.agenda.now_ms();
        if let Some(will) = self.broker.drop_client(client) {
            self.spread(&will);
        }
        match client {
            Client::Box => {
                self.box_session = None;
                self.feed_box(Input::Lost("lost".into()));
            }
            Client::Cloud => {
                self.cloud_session = None;
                self.with_cloud(|cloud, deeds| {
                    cloud.feed(now_ms, CloudInput::BrokerDown, deeds);
                    deeds.push(CloudDeed::Connect);
                });
            }
        }
    }

    /// The broker passes a message on.
    fn spread(&mut self, packet: &Packet) {
        for (to, session) in self.broker.publish(packet) {
            let delivered = Event::Delivered { to, session, packet: packet.clone(), retained: false };
            self.agenda.send(delivered);
        }
    }

    fn feed_box(&mut self, input: Input) {
        let now_ms = self.agenda.now_ms();
        self.with_box(|device, dice, deeds| device.feed(now_ms, input, dice, deeds));
    }

    fn with_box(&mut self, act: impl FnOnce(&mut SimBox, box_side::Dice<'_>, &mut Vec<BoxDeed>)) {
        let mut deeds = Vec::new();
        let was_there = self.device.process.is_some();
        let agenda = &mut self.agenda;
        let mut dice = || agenda.is_bad && agenda.dice.random_bool(0.001);
        act(&mut self.device, &mut dice, &mut deeds);
        for deed in deeds {
            self.box_deed(deed);
        }
        if self.device.process.is_none() {
            if was_there {
                self.box_died();
            }
        } else if let Some(at) = self.device.next_deadline() {
            self.agenda.at(at, Event::BoxTick(self.box_run));
        }
    }

    fn box_died(&mut self) {
        self.box_run += 1;
        self.box_session = None;
        if let Some(will) = self.broker.drop_client(Client::Box) {
            self.spread(&will);
        }
        self.agenda.after(100..4_000, Event::StartBox);
    }

    fn box_deed(&mut self, deed: BoxDeed) {
        let run = self.box_run;
        match deed {
            BoxDeed::Connect(will) => self.box_session = self.connect(Client::Box, Some(will)),
            BoxDeed::Disconnect => {
                self.box_session = None;
                if let Some(will) = self.broker.drop_client(Client::Box) {
                    self.spread(&will);
                }
            }
            BoxDeed::Subscribe => {
                if let Some(session) = self.box_session {
                    self.agenda.after(1..100, Event::Subscribed { client: Client::Box, session });
                }
            }
            BoxDeed::Publish(packet, guarantee) => {
                if let Some(session) = self.box_session {
                    let event = Event::Arrives { from: Client::Box, session, packet };
                    // Telemetry is not worth the time.
                    if guarantee == Guarantee::AtLeastOnce {
                        self.agenda.send(event);
                    }
                }
            }
            BoxDeed::Fetch => {
                let result = if self.agenda.is_bad && self.agenda.chance(0.3) {
                    Err(FetchError::Unreachable("the network".into()))
                } else {
                    Ok(self.targets())
                };
                self.agenda.after(1..2_000, Event::Fetched(run, result));
            }
            BoxDeed::Intents(intents) => self.agenda.after(1..30, Event::Kept(run, *intents)),
            BoxDeed::Execute(task) => self.agenda.after(0..5, Event::Execute(run, task)),
            BoxDeed::Executed(id, outcome) => self.agenda.after(0..5, Event::Executed(run, id, outcome)),
        }
    }

    /// What the cloud's HTTP says now.
    fn targets(&self) -> Targets {
        let state = &self.cloud.desired.state;
        let outputs = state.event_id.iter().map(|event| Target {
            role: OutputRole::Main,
            url: "rtmp://cloud/live".into(),
            key: format!("key of {event}").into(),
        });
        Targets { outputs: outputs.collect(), event_id: state.event_id.clone() }
    }

    fn with_cloud(&mut self, act: impl FnOnce(&mut SimCloud, &mut Vec<CloudDeed>)) {
        let mut deeds = Vec::new();
        act(&mut self.cloud, &mut deeds);
        let run = self.cloud_run;
        for deed in deeds {
            match deed {
                CloudDeed::Publish(packet) => {
                    if let Some(session) = self.cloud_session {
                        self.agenda.send(Event::Arrives { from: Client::Cloud, session, packet });
                    }
                }
                CloudDeed::Commit(event, cursor) => {
                    self.agenda.after(1..30, Event::Committed(run, event, cursor));
                }
                CloudDeed::Connect => self.cloud_session = self.connect(Client::Cloud, None),
            }
        }
        if let Some(at) = self.cloud.process.as_ref().and_then(BoxState::next_deadline) {
            self.agenda.at(at, Event::CloudTick(run));
        }
    }

    /// Connects, or finds after a while that it did not.
    fn connect(&mut self, client: Client, will: Option<Packet>) -> Option<u64> {
        self.sessions += 1;
        let session = self.sessions;
        if self.agenda.is_bad && self.agenda.chance(0.2) {
            self.agenda.after(10..3_000, Event::Lost { client, session });
        } else {
            if let Some(will) = self.broker.connect(client, session, will) {
                self.spread(&will);
            }
            self.agenda.after(1..100, Event::Connected { client, session });
        }
        Some(session)
    }
}
