//! The link's core: what to say to the broker, and when.
//!
//! ```text
//! Waiting ──time──▶ Connecting ──connected──▶ Subscribing ──subscribed──▶ Online
//!    ▲                  │ lost, or too slow         │                       │ lost
//!    └──────────────────┴───────────────────────────┴───────────────────────┘
//! ```

use stagebox_protocol::command::Rejection;
use stagebox_protocol::topic::HOME_ASSISTANT_STATUS;
use stagebox_protocol::{
    BootId, BoxEvent, BoxId, BoxStatus, BoxTopic, Command, CommandEnvelope, EventBody, Presence, Reported,
    Status, Telemetry, TopicKind, payload, telemetry::LiveState,
};

use super::LinkState;
use super::applying::{ApplyAction, Applying, Kept};
use super::commands::{CommandAction, Commands, Record, Reply};
use super::delivery::{Delivery, DeliveryAction};
pub use super::exchange::{Action, Guarantee, Input, Message, Now, Publish};
use super::occurrence;

/// Time between two telemetry messages.
pub const TELEMETRY_MS: u64 = 1_000;
/// The longest that connecting and subscribing may take, each.
pub const CONNECT_LIMIT_MS: u64 = 10_000;
/// Waits before connecting again; the last one goes on, and each is shortened by up to a half.
const BACKOFF_MS: [u64; 6] = [500, 1_000, 2_000, 4_000, 8_000, 15_000];

#[derive(Debug, PartialEq, Eq)]
enum Connection {
    Waiting { until_ms: u64 },
    Connecting { until_ms: u64 },
    Subscribing { until_ms: u64 },
    Online { telemetry_ms: u64 },
}

/// Who the box is, for the link.
#[derive(Debug, Clone)]
pub struct Identity {
    pub device: BoxId,
    pub boot_id: BootId,
    /// Name and version of the daemon.
    pub software: String,
}

/// The whole state of the link.
#[derive(Debug)]
pub struct Link {
    identity: Identity,
    connection: Connection,
    attempt: usize,
    /// For the spread of the waits: many boxes lose the same broker at the same moment.
    seed: u64,
    commands: Commands,
    applying: Applying,
    delivery: Delivery,
    status: BoxStatus,
    /// What `reported` says at the broker, as far as this connection knows.
    reported: Option<Reported>,
}

impl Link {
    #[must_use]
    pub fn new(identity: Identity, seed: u64, records: Vec<Record>, kept: Kept, delivery: Delivery) -> Self {
        let applying = Applying::new(identity.software.clone(), kept);
        Self {
            identity,
            connection: Connection::Waiting { until_ms: 0 },
            attempt: 0,
            seed,
            commands: Commands::restore(records),
            applying,
            delivery,
            status: BoxStatus::default(),
            reported: None,
        }
    }

    /// Takes up what was kept, and connects.
    pub fn start(&mut self, now: &Now, out: &mut Vec<Action>) {
        out.push(Action::Append(EventBody::Started { software: self.identity.software.clone() }));
        self.apply(|applying, out| applying.resume(out), out);
        self.command(|commands, out| commands.resume(now, out), out);
        self.connect(now, out);
    }

    /// Says goodbye: a clean end needs no last will.
    pub fn stop(&mut self, now: &Now, out: &mut Vec<Action>) {
        if matches!(self.connection, Connection::Online { .. }) {
            out.push(Action::Publish(self.presence(Presence::Offline, now)));
        }
        out.push(Action::Disconnect);
    }

    pub fn handle(&mut self, now: &Now, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Connected => {
                self.connection = Connection::Subscribing { until_ms: now.mono_ms + CONNECT_LIMIT_MS };
                out.push(Action::Subscribe(self.identity.device.subscriptions().to_vec()));
            }
            Input::Subscribed => self.online(now, out),
            Input::Lost(reason) => self.lost(now, reason, out),
            Input::Message(message) => self.message(now, message, out),
            Input::Executed(id, outcome) => {
                self.command(|commands, out| commands.executed(now, &id, &outcome, out), out);
            }
            Input::Fetched(result) => {
                self.apply(|applying, out| applying.fetched(now.mono_ms, result, out), out);
            }
            Input::Status(status) => self.status(*status, out),
            Input::Configured(config) => self.applying.configured(*config),
            Input::Appended { seq, oldest } => {
                self.deliver(|delivery, out| delivery.appended(seq, oldest, out), out);
            }
            Input::Batch(events) => self.batch(now, events, out),
            Input::Tick => {}
        }
        self.tick(now, out);
        self.report(out);
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let connection = match self.connection {
            Connection::Waiting { until_ms }
            | Connection::Connecting { until_ms }
            | Connection::Subscribing { until_ms } => until_ms,
            Connection::Online { telemetry_ms } => telemetry_ms,
        };
        [Some(connection), self.applying.next_deadline(), self.delivery.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn tick(&mut self, now: &Now, out: &mut Vec<Action>) {
        match self.connection {
            Connection::Waiting { until_ms } if now.mono_ms >= until_ms => self.connect(now, out),
            Connection::Connecting { until_ms } if now.mono_ms >= until_ms => {
                self.lost(now, "the broker did not answer in time".into(), out);
            }
            Connection::Subscribing { until_ms } if now.mono_ms >= until_ms => {
                self.lost(now, "the broker did not answer the subscriptions in time".into(), out);
            }
            Connection::Online { telemetry_ms } if now.mono_ms >= telemetry_ms => {
                // A driver that was held up does not send what it missed.
                let next = (telemetry_ms + TELEMETRY_MS).max(now.mono_ms + TELEMETRY_MS / 2);
                self.connection = Connection::Online { telemetry_ms: next };
                out.push(Action::Publish(self.telemetry(now)));
            }
            _ => {}
        }
        self.apply(|applying, out| applying.tick(now.mono_ms, out), out);
        self.deliver(|delivery, out| delivery.tick(now.mono_ms, out), out);
    }

    fn connect(&mut self, now: &Now, out: &mut Vec<Action>) {
        self.connection = Connection::Connecting { until_ms: now.mono_ms + CONNECT_LIMIT_MS };
        out.push(Action::Show(LinkState::Connecting));
        out.push(Action::Connect { will: self.presence(Presence::Offline, now) });
    }

    fn online(&mut self, now: &Now, out: &mut Vec<Action>) {
        self.attempt = 0;
        self.connection = Connection::Online { telemetry_ms: now.mono_ms };
        self.reported = None;
        out.push(Action::Show(LinkState::Online));
        out.push(Action::Publish(self.presence(Presence::Online, now)));
        self.apply(Applying::refresh, out);
        self.deliver(Delivery::up, out);
    }

    fn lost(&mut self, now: &Now, reason: String, out: &mut Vec<Action>) {
        if matches!(self.connection, Connection::Waiting { .. }) {
            return;
        }
        let wait = BACKOFF_MS[self.attempt.min(BACKOFF_MS.len() - 1)];
        self.attempt += 1;
        // Numerical Recipes' generator: it only has to differ from box to box.
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let spread = (self.seed >> 16) % (wait / 2 + 1);
        self.connection = Connection::Waiting { until_ms: now.mono_ms + wait - spread };
        self.delivery.down();
        out.push(Action::Disconnect);
        out.push(Action::Show(LinkState::Away(reason)));
    }

    fn message(&mut self, now: &Now, message: Message, out: &mut Vec<Action>) {
        if message.topic == HOME_ASSISTANT_STATUS {
            return;
        }
        let Ok(BoxTopic { device, kind }) = BoxTopic::parse(&message.topic) else { return };
        if device != self.identity.device {
            return;
        }
        match kind {
            TopicKind::Desired => self.apply(|applying, out| applying.take(&message.payload, out), out),
            TopicKind::Ack => {
                if let Ok(ack) = payload::decode(&message.payload) {
                    self.deliver(|delivery, out| delivery.acknowledged(now.mono_ms, &ack, out), out);
                }
            }
            TopicKind::Command(name) => {
                if let Err((code, error)) = self.take_command(now, &name, message, out) {
                    out.push(Action::Append(EventBody::CommandRefused { command: name, code, error }));
                }
            }
            // The box's own topics, which it does not subscribe to.
            TopicKind::Status
            | TopicKind::Reported
            | TopicKind::Response(_)
            | TopicKind::Event(_)
            | TopicKind::Telemetry => {}
        }
    }

    /// Takes a command, or says why it cannot be answered where it asked to be.
    fn take_command(
        &mut self,
        now: &Now,
        name: &str,
        message: Message,
        out: &mut Vec<Action>,
    ) -> Result<(), (u16, String)> {
        if message.retained {
            return Err((400, "a command must not be retained".into()));
        }
        let reply = match message.response_topic {
            Some(topic) if !self.identity.device.answers_on(&topic) => {
                let shown: String = topic.chars().take(80).collect();
                return Err((403, format!("the Response Topic `{shown}` is not below this box's response/")));
            }
            Some(topic) => Some(Reply { topic, correlation: message.correlation }),
            None => None,
        };
        let envelope: CommandEnvelope =
            payload::decode(&message.payload).map_err(|error| (400, error.to_string()))?;
        if reply.is_none()
            && let Err(rejection) = Command::parse(name, &envelope.args)
        {
            // Nobody else would learn of it.
            return Err((Rejection::code(&rejection), rejection.to_string()));
        }
        self.command(|commands, out| commands.take(now, name, &envelope, message.expiry_s, reply, out), out);
        Ok(())
    }

    fn status(&mut self, status: BoxStatus, out: &mut Vec<Action>) {
        out.extend(occurrence::between(&self.status, &status).into_iter().map(Action::Append));
        let goes_live = self.status.live.state == LiveState::Off && status.live.state != LiveState::Off;
        self.status = status;
        if goes_live {
            self.apply(Applying::refresh, out);
        }
    }

    fn batch(&mut self, now: &Now, events: Vec<BoxEvent>, out: &mut Vec<Action>) {
        if !matches!(self.connection, Connection::Online { .. }) {
            return;
        }
        let last = events.last().map(|event| event.seq);
        let oldest = self.delivery.oldest();
        for mut event in events.into_iter().filter(|event| event.seq >= oldest) {
            event.oldest = oldest;
            let topic = self.identity.device.topic(TopicKind::Event(event.body.kind().to_owned()));
            out.push(Action::Publish(lasting(topic, payload::encode(&event), false)));
        }
        self.deliver(|delivery, out| delivery.sent(now.mono_ms, last, out), out);
    }

    /// Publishes `reported` if it is no longer what the broker has.
    fn report(&mut self, out: &mut Vec<Action>) {
        if !matches!(self.connection, Connection::Online { .. }) {
            return;
        }
        let Some(reported) = self.applying.reported(&self.status) else { return };
        if self.reported.as_ref() != Some(&reported) {
            let topic = self.identity.device.topic(TopicKind::Reported);
            out.push(Action::Publish(lasting(topic, payload::encode(&reported), true)));
            self.reported = Some(reported);
        }
    }

    fn presence(&self, state: Presence, now: &Now) -> Publish {
        let status = Status { state, boot_id: self.identity.boot_id.clone(), ts: now.wall };
        lasting(self.identity.device.topic(TopicKind::Status), payload::encode(&status), true)
    }

    fn telemetry(&self, now: &Now) -> Publish {
        let telemetry = Telemetry {
            boot_id: self.identity.boot_id.clone(),
            mono_ms: now.mono_ms,
            ts: now.wall,
            clock_synced: now.clock_synced,
            status: self.status.clone(),
        };
        Publish {
            topic: self.identity.device.topic(TopicKind::Telemetry),
            payload: payload::encode(&telemetry),
            retain: false,
            delivery: Guarantee::AtMostOnce,
            correlation: None,
        }
    }

    fn command(
        &mut self,
        change: impl FnOnce(&mut Commands, &mut Vec<CommandAction>),
        out: &mut Vec<Action>,
    ) {
        let mut actions = Vec::new();
        change(&mut self.commands, &mut actions);
        let online = matches!(self.connection, Connection::Online { .. } | Connection::Subscribing { .. });
        out.extend(actions.into_iter().filter_map(|action| match action {
            CommandAction::Keep(record) => Some(Action::KeepCommand(record)),
            CommandAction::Forget(order) => Some(Action::ForgetCommand(order)),
            CommandAction::Execute { id, command, expires_at } => {
                Some(Action::Execute { id, command, expires_at })
            }
            // Whoever asks again later gets it from memory.
            CommandAction::Answer(reply, response) => online.then(|| {
                let mut publish = lasting(reply.topic, payload::encode(&response), false);
                publish.correlation = reply.correlation;
                Action::Publish(publish)
            }),
        }));
    }

    fn apply(&mut self, change: impl FnOnce(&mut Applying, &mut Vec<ApplyAction>), out: &mut Vec<Action>) {
        let mut actions = Vec::new();
        change(&mut self.applying, &mut actions);
        out.extend(actions.into_iter().map(|action| match action {
            ApplyAction::Keep(kept) => Action::KeepDesired(*kept),
            ApplyAction::Fetch => Action::FetchTargets,
            ApplyAction::Use(targets) => Action::UseTargets(targets),
            ApplyAction::Configure(wanted) => Action::Configure(wanted),
        }));
    }

    fn deliver(
        &mut self,
        change: impl FnOnce(&mut Delivery, &mut Vec<DeliveryAction>),
        out: &mut Vec<Action>,
    ) {
        let mut actions = Vec::new();
        change(&mut self.delivery, &mut actions);
        out.extend(actions.into_iter().map(|action| match action {
            DeliveryAction::Read { from, limit } => Action::ReadOutbox { from, limit },
            DeliveryAction::Release { up_to } => Action::ReleaseOutbox { up_to },
        }));
    }
}

fn lasting(topic: String, payload: Vec<u8>, retain: bool) -> Publish {
    Publish { topic, payload, retain, delivery: Guarantee::AtLeastOnce, correlation: None }
}
