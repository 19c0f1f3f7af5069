//! Runs the boxes' states: what comes from the broker goes in, what they want is published, kept and told.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

mod forget;
mod keep;

use super::DeviceError;
use super::desired;
use super::devices::{Devices, wire_id};
use super::document::{BoxJournal, Cursor, DesiredRecord, Device};
use super::session::{News, Session};
use super::state::{Action, Answer, Asked, BoxState, Input, Message};
use crate::app::App;
use crate::broker::{AdminCommand, Broker, CONTROL, CONTROL_RESPONSE, refusals};
use crate::cluster::Duty;
use crate::id::BoxId;
use crate::store::{Account, Store, StoreError};
use keep::{journal, note_presence};
use stagebox_protocol::{BoxTopic, CommandId, Desired, TopicKind, payload};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The longest that nothing happens.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is looked whether boxes are gone.
const LOOK: Duration = Duration::from_secs(10);

/// What others want of the driver.
pub(super) enum Request {
    Ask {
        device: BoxId,
        asked: Asked,
        reply: oneshot::Sender<Answer>,
    },
    Desire {
        device: BoxId,
        desired: Desired,
    },
    /// Answered when the broker has carried it out; a box that is not known yet is taken in.
    Govern {
        device: BoxId,
        command: AdminCommand,
        reply: oneshot::Sender<()>,
    },
    /// Answered when the broker has forgotten a box that is gone.
    Forget {
        device: BoxId,
        reply: oneshot::Sender<()>,
    },
}

/// A change of who may use the broker, until the plugin has answered it.
struct Governing {
    command: AdminCommand,
    device: BoxId,
    reply: Option<oneshot::Sender<()>>,
}

struct Driver {
    devices: Devices,
    duty: Duty,
    broker: Broker,
    boxes: HashMap<BoxId, BoxState>,
    accounts: HashMap<BoxId, Account>,
    /// By the text in the topic.
    ids: HashMap<String, BoxId>,
    /// Of whom the broker keeps something, and nobody knows who they are.
    strangers: HashSet<stagebox_protocol::BoxId>,
    waiting: HashMap<CommandId, oneshot::Sender<Answer>>,
    governing: VecDeque<Governing>,
    session: Session,
    session_number: u64,
    is_up: bool,
    news: mpsc::Sender<(u64, News)>,
    journaled: mpsc::Sender<(BoxId, Result<Cursor, StoreError>)>,
    began: Instant,
}

/// Starts what runs beside requests; ends with `term`.
///
/// # Errors
/// If the store cannot be read.
pub(crate) async fn begin(
    app: &App,
    broker: Broker,
    duty: &Duty,
    term: &CancellationToken,
) -> Result<(), DeviceError> {
    let devices = app.devices.clone();
    // Before the boxes are read: what changes meanwhile is in the journal after it.
    let heads = desired::heads(devices.store()).await?;
    let (mut boxes, mut accounts) = (HashMap::new(), HashMap::new());
    for device in devices.all().await? {
        accounts.insert(device.id, device.account);
        let wanted = desired::refresh(&devices, duty, device.id).await?;
        boxes.insert(device.id, load(devices.store(), device.id, wanted).await?);
    }
    let (requests, asked) = mpsc::channel(256);
    let (news, told) = mpsc::channel(1024);
    let (journaled, written) = mpsc::channel(256);
    devices.listen(requests.clone());
    let ids = boxes.keys().map(|id| (id.to_string(), *id)).collect();
    let driver = Driver {
        session: Session::open(&broker, 0, news.clone()),
        devices: devices.clone(),
        duty: duty.clone(),
        broker,
        boxes,
        accounts,
        ids,
        strangers: HashSet::new(),
        waiting: HashMap::new(),
        governing: VecDeque::new(),
        session_number: 0,
        is_up: false,
        news,
        journaled,
        began: Instant::now(),
    };
    tokio::spawn(driver.run(asked, told, written, term.clone()));
    tokio::spawn(desired::follow(devices, duty.clone(), heads, requests, term.clone()));
    Ok(())
}

async fn load(store: &Store, id: BoxId, wanted: Option<DesiredRecord>) -> Result<BoxState, DeviceError> {
    let cursor = store.get::<BoxJournal>(id).await?.map(|journal| journal.document.cursor);
    Ok(BoxState::new(wire_id(id), cursor, wanted.map(|wanted| wanted.message())))
}

impl Driver {
    async fn run(
        mut self,
        mut asked: mpsc::Receiver<Request>,
        mut told: mpsc::Receiver<(u64, News)>,
        mut written: mpsc::Receiver<(BoxId, Result<Cursor, StoreError>)>,
        term: CancellationToken,
    ) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let deadline = self.boxes.values().filter_map(BoxState::next_deadline).min();
            let until = deadline.map_or(Instant::now() + IDLE, |ms| self.began + Duration::from_millis(ms));
            tokio::select! {
                () = term.cancelled() => return,
                Some((number, news)) = told.recv() => {
                    if number == self.session_number {
                        self.news(news);
                    }
                }
                Some(request) = asked.recv() => self.request(request).await,
                Some((id, result)) = written.recv() => self.written(id, result),
                _ = look.tick() => self.forget_the_gone().await,
                () = tokio::time::sleep_until(until) => self.feed_all(&Input::Tick),
            }
        }
    }

    fn news(&mut self, news: News) {
        match news {
            News::Up => {
                tracing::info!("connected to the broker");
                self.is_up = true;
                self.feed_all(&Input::BrokerUp);
                self.govern_again();
            }
            News::Down(reason) => {
                if self.is_up {
                    tracing::warn!(reason, "lost the broker");
                }
                self.is_up = false;
                self.feed_all(&Input::BrokerDown);
                self.session_number += 1;
                self.session = Session::open(&self.broker, self.session_number, self.news.clone());
            }
            News::Message { topic, payload, .. } if topic == CONTROL_RESPONSE => self.governed(&payload),
            News::Message { topic, payload, retained } => self.message(&topic, &payload, retained),
        }
    }

    /// Takes a box's message; one that cannot be read is logged and left.
    fn message(&mut self, topic: &str, payload: &[u8], retained: bool) {
        let Ok(BoxTopic { device, kind }) = BoxTopic::parse(topic) else { return };
        let Some(id) = self.ids.get(device.as_str()).copied() else {
            if retained {
                self.strangers.insert(device);
            }
            return;
        };
        let input = match kind {
            TopicKind::Status => payload::decode(payload).map(Input::Status),
            TopicKind::Reported => payload::decode(payload).map(Input::Reported),
            TopicKind::Telemetry => payload::decode(payload).map(Input::Telemetry),
            TopicKind::Event(_) if !retained => payload::decode(payload).map(Input::Event),
            TopicKind::Response(_) if !retained => payload::decode(payload).map(Input::Response),
            _ => return,
        };
        match input {
            Ok(input) => {
                if let (Input::Telemetry(telemetry), Some(account)) = (&input, self.accounts.get(&id)) {
                    self.devices.tell_telemetry(*account, id, telemetry);
                }
                self.feed(id, input, !retained);
            }
            Err(error) => tracing::warn!(topic, %error, "a box's message is not readable"),
        }
    }

    async fn request(&mut self, request: Request) {
        match request {
            Request::Ask { device, asked, reply } => {
                if !self.boxes.contains_key(&device) {
                    // It was made a moment ago and is on its way here.
                    let _ = reply.send(Answer::Offline);
                    return;
                }
                self.waiting.insert(asked.id.clone(), reply);
                self.feed(device, Input::Ask(asked), false);
            }
            Request::Desire { device, desired } => {
                self.take_in(device).await;
                self.feed(device, Input::Desire(desired), false);
            }
            Request::Govern { device, command, reply } => {
                self.take_in(device).await;
                self.governing.push_back(Governing { command: command.clone(), device, reply: Some(reply) });
                if self.is_up {
                    self.publish(control(&command));
                }
            }
            Request::Forget { device, reply } => self.forget(device, Some(reply)).await,
        }
    }

    /// Makes room for a box that is new.
    async fn take_in(&mut self, id: BoxId) {
        if self.boxes.contains_key(&id) {
            return;
        }
        let wanted = match desired::refresh(&self.devices, &self.duty, id).await {
            Ok(wanted) => wanted,
            Err(error) => {
                tracing::error!(device = %id, %error, "what is wanted of a new box cannot be kept yet");
                None
            }
        };
        // A box that is gone again is told nothing.
        let Ok(Some(device)) = self.devices.store().get::<Device>(id).await else { return };
        self.accounts.insert(id, device.document.account);
        let mut state = BoxState::new(wire_id(id), None, wanted.map(|wanted| wanted.message()));
        let mut actions = Vec::new();
        if self.is_up {
            state.handle(self.now_ms(), Input::BrokerUp, &mut actions);
        }
        self.ids.insert(id.to_string(), id);
        self.boxes.insert(id, state);
        self.perform(id, actions);
    }

    fn written(&mut self, id: BoxId, result: Result<Cursor, StoreError>) {
        match result {
            Ok(cursor) => self.feed(id, Input::Journaled(cursor), false),
            Err(error) => {
                tracing::error!(device = %id, %error, "a box's event is not in the journal yet");
                self.feed(id, Input::JournalFailed, false);
            }
        }
    }

    fn feed_all(&mut self, input: &Input) {
        let ids: Vec<BoxId> = self.boxes.keys().copied().collect();
        for id in ids {
            self.feed(id, input.clone(), false);
        }
    }

    fn feed(&mut self, id: BoxId, input: Input, is_sign_of_life: bool) {
        let now_ms = self.now_ms();
        let Some(state) = self.boxes.get_mut(&id) else { return };
        let was_seen = is_sign_of_life
            || matches!(input, Input::Status(_) | Input::ShutOut | Input::Reported(_) | Input::BrokerUp);
        let mut actions = Vec::new();
        state.handle(now_ms, input, &mut actions);
        if was_seen || !actions.is_empty() {
            let (online, telemetry, reported) =
                (state.is_online(), state.telemetry().cloned(), state.reported().cloned());
            self.devices.saw(id, is_sign_of_life, |seen| {
                seen.online = online;
                seen.telemetry = telemetry;
                seen.reported = reported;
            });
        }
        self.perform(id, actions);
    }

    fn perform(&mut self, id: BoxId, actions: Vec<Action>) {
        let Some(account) = self.accounts.get(&id).copied() else { return };
        for action in actions {
            match action {
                Action::Publish(message) => self.publish(message),
                Action::Journal(event, cursor) => {
                    let (store, journaled) = (self.devices.store().clone(), self.journaled.clone());
                    let duty = self.duty.clone();
                    tokio::spawn(async move {
                        let result =
                            journal(&store, &duty, account, id, event, &cursor).await.map(|()| cursor);
                        // The driver ends only with the server.
                        let _ = journaled.send((id, result)).await;
                    });
                }
                Action::Answer(command, answer) => {
                    if let Some(reply) = self.waiting.remove(&command) {
                        // Whoever asked may have gone.
                        let _ = reply.send(answer);
                    }
                }
                Action::Presence(online) => {
                    let (store, duty) = (self.devices.store().clone(), self.duty.clone());
                    tokio::spawn(async move {
                        if let Err(error) = note_presence(&store, &duty, account, id, online).await {
                            tracing::warn!(device = %id, %error, "cannot note that a box came or went");
                        }
                    });
                }
            }
        }
    }

    fn publish(&mut self, message: Message) {
        if !self.session.publish(message) {
            tracing::error!("too many messages wait for the broker; the connection is made anew");
            self.session_number += 1;
            self.session = Session::open(&self.broker, self.session_number, self.news.clone());
        }
    }

    /// The plugin's answers come in the order of the commands.
    fn governed(&mut self, answer: &[u8]) {
        let Some(Governing { command, device, reply }) = self.governing.pop_front() else { return };
        let refused = refusals(answer);
        if !refused.is_empty() {
            tracing::warn!(%device, ?refused, "the broker did not change who may use it");
        }
        if command.shuts_out() {
            self.feed(device, Input::ShutOut, false);
        }
        if let Some(reply) = reply {
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
    }

    /// Commands that were not answered may not have been heard; those that were are refused as done.
    fn govern_again(&mut self) {
        let messages: Vec<Message> =
            self.governing.iter().map(|governing| control(&governing.command)).collect();
        for message in messages {
            self.publish(message);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn control(command: &AdminCommand) -> Message {
    Message { topic: CONTROL.into(), payload: command.payload(), retain: false, command: None }
}
