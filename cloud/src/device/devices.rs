//! The boxes' handle.

use super::document::{BY_NUMBER, Device, Presence};
use super::driver::Request;
use super::state::{Answer, Asked};
use super::{DeviceChange, DeviceError};
use crate::broker::{AdminCommand, Credential, Verifier};
use crate::clock::{Clock, Timestamp};
use crate::event::{Events, Input};
use crate::id::{BoxId, EventId, UserId, random_bytes};
use crate::store::{Account, Scan, Store, Versioned, rider};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stagebox_protocol::{Command, CommandId, CommandResponse, Reported, ResponseStatus, Telemetry};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, mpsc, oneshot};
use utoipa::ToSchema;

/// How long a box has for its answer.
pub(super) const ANSWER_MS: u64 = 8_000;

/// What a new box is made of.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Whose.
    pub account: Account,
    /// Its name.
    pub name: String,
}

/// A box with what it says of itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Device)]
pub struct DeviceView {
    /// Its id.
    pub id: BoxId,
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Whether it may connect.
    pub enabled: bool,
    /// Goes up with each change that a user makes; also the ETag.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a user last changed it.
    pub updated_at: Timestamp,
    /// Whether it has a connection.
    pub online: bool,
    /// When it last said anything, if it has since the server started.
    #[schema(required)]
    pub last_seen_at: Option<Timestamp>,
    /// The event that it pushes to.
    #[schema(required)]
    pub event_id: Option<EventId>,
    /// What its configuration is wanted to have that its own file has not; nothing until somebody says so.
    #[schema(required, value_type = Option<Object>)]
    pub config: Option<Map<String, Value>>,
    /// What it last measured, if it has since the server started.
    #[schema(required)]
    pub telemetry: Option<Telemetry>,
    /// How far it came with what is wanted of it, if it said so since the server started.
    #[schema(required)]
    pub reported: Option<Reported>,
}

/// Where a box pushes to, as it asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BoxTargets)]
pub struct Targets {
    /// Main and backup; none without an event.
    pub outputs: Vec<Target>,
    /// The event.
    #[schema(required)]
    pub event_id: Option<EventId>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BoxTarget)]
pub struct Target {
    /// Which of the two.
    role: Input,
    /// The RTMP or RTMPS URL without the key.
    url: String,
    /// The stream key: a secret.
    key: String,
}

/// What a box measured, as it comes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) account: Account,
    pub(crate) device_id: BoxId,
    pub(crate) telemetry: Value,
}

/// What boxes said since the server started.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) online: Option<bool>,
    pub(super) at: Option<Timestamp>,
    pub(super) telemetry: Option<Telemetry>,
    pub(super) reported: Option<Reported>,
}

/// All boxes; cloned freely.
#[derive(Clone)]
pub struct Devices(Arc<Inner>);

struct Inner {
    store: Store,
    events: Events,
    clock: Clock,
    changes: broadcast::Sender<Measured>,
    seen: Mutex<HashMap<BoxId, Seen>>,
    /// To the driver; absent while this process has no broker.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
}

impl Devices {
    /// Makes the handle.
    pub fn new(store: &Store, events: &Events, clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            events: events.clone(),
            clock: clock.clone(),
            changes: broadcast::channel(256).0,
            seen: Mutex::default(),
            requests: Mutex::default(),
        }))
    }

    /// Telemetry of all accounts' boxes as it comes, for pages.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Measured> {
        self.0.changes.subscribe()
    }

    /// Makes a box; the secret is told once and kept as a hash.
    pub async fn create(
        &self,
        new: NewDevice,
        by: Option<UserId>,
    ) -> Result<(DeviceView, String), DeviceError> {
        let number = self.0.store.next_number("device").await?;
        let batch = self.0.store.batch().by(by);
        let secret = hex::encode(random_bytes::<32>());
        let device = Device {
            id: BoxId::random(),
            account: new.account,
            number,
            name: new.name,
            enabled: true,
            created_at: batch.at(),
            updated_at: batch.at(),
            config: None,
            secret: Verifier::new(&secret, random_bytes()),
        };
        let presence = Presence::of_new(&device, batch.at());
        self.0.store.commit(batch.create(&device).create(&presence)).await?;
        self.govern(device.id, AdminCommand::add_box(&wire_id(device.id), &secret)).await;
        Ok((self.view(Versioned { version: 1, document: device }).await?, secret))
    }

    /// Reads a box.
    pub async fn get(&self, id: &BoxId) -> Result<Option<DeviceView>, DeviceError> {
        match self.0.store.get::<Device>(id).await? {
            Some(device) => self.view(device).await.map(Some),
            None => Ok(None),
        }
    }

    /// Changes a box; one that is disabled loses its session at once.
    pub async fn patch(
        &self,
        id: &BoxId,
        change: &DeviceChange,
        expected: Option<u64>,
        by: Option<UserId>,
    ) -> Result<DeviceView, DeviceError> {
        let changed = self
            .0
            .store
            .update::<Device, DeviceError>(id, by, |device, version, now| {
                if expected.is_some_and(|expected| expected != version) {
                    return Err(DeviceError::ChangedMeanwhile(version));
                }
                Ok(change.apply(device, now))
            })
            .await?
            .ok_or(DeviceError::NotFound(*id))?;
        if let Some(enabled) = change.enabled {
            self.govern(*id, AdminCommand::set_enabled(&wire_id(*id), enabled)).await;
        }
        self.view(changed).await
    }

    /// The box that shows this id and secret, if they are right and it is enabled.
    pub async fn authenticate(&self, id: &str, secret: &str) -> Result<Option<BoxId>, DeviceError> {
        let Ok(id) = id.parse::<BoxId>() else { return Ok(None) };
        let device = self.0.store.get::<Device>(id).await?;
        let good =
            device.is_some_and(|device| device.document.secret.matches(secret) && device.document.enabled);
        Ok(good.then_some(id))
    }

    /// Whose a box is.
    pub(super) async fn account(&self, id: &BoxId) -> Result<Account, DeviceError> {
        let device = self.0.store.get::<Device>(id).await?.ok_or(DeviceError::NotFound(*id))?;
        Ok(device.document.account)
    }

    /// Where a box pushes to: the inputs of the event that is assigned to it.
    pub async fn targets(&self, id: &BoxId) -> Result<Targets, DeviceError> {
        Ok(self.assignment(id).await?.0)
    }

    /// Where a box pushes to, and what its event is called.
    pub(super) async fn assignment(&self, id: &BoxId) -> Result<(Targets, Option<String>), DeviceError> {
        let Some(event) = self.0.events.for_device(id).await? else {
            return Ok((Targets { outputs: Vec::new(), event_id: None }, None));
        };
        let target = |role: Input| {
            let input = event.input(role);
            Target { role, url: input.url.clone(), key: input.key.reveal().to_owned() }
        };
        let targets = Targets { outputs: Input::ALL.map(target).to_vec(), event_id: Some(event.id) };
        Ok((targets, Some(event.title)))
    }

    /// Has a box carry out a command, and waits for its answer.
    pub async fn command(&self, id: &BoxId, command: &Command) -> Result<CommandResponse, DeviceError> {
        if self.0.store.get::<Device>(id).await?.is_none() {
            return Err(DeviceError::NotFound(*id));
        }
        let asked = Asked {
            id: CommandId::from_random(&random_bytes()),
            name: command.name().to_owned(),
            args: command.args(),
            issued_at: stagebox_protocol::Timestamp::from_unix_ms(self.0.clock.now().unix_ms()),
            limit_ms: ANSWER_MS,
        };
        let (reply, answer) = oneshot::channel();
        let requests = self.requests().ok_or(DeviceError::NoBroker)?;
        // From here on nobody knows whether the box has done it: it is not asked a second time for the same request.
        rider::depart(&self.0.store).await?;
        requests.send(Request::Ask { device: *id, asked, reply }).await.map_err(|_| DeviceError::NoBroker)?;
        match answer.await.map_err(|_| DeviceError::NoBroker)? {
            Answer::Response(response) if response.status == ResponseStatus::Rejected => {
                let error = response.error.unwrap_or_else(|| "it gave no reason".into());
                Err(DeviceError::Refused { code: response.code, error })
            }
            Answer::Response(response) => Ok(response),
            Answer::Offline => Err(DeviceError::Offline(*id)),
            Answer::Busy => Err(DeviceError::Busy(*id)),
            Answer::TimedOut => Err(DeviceError::TimedOut { device: *id, limit_s: ANSWER_MS / 1000 }),
        }
    }

    /// The broker's users, one a box.
    pub async fn credentials(&self) -> Result<Vec<Credential>, DeviceError> {
        let devices = self.all().await?;
        Ok(devices
            .into_iter()
            .map(|device| Credential::of_box(wire_id(device.id), device.secret, device.enabled))
            .collect())
    }

    /// Whether this process has the broker.
    pub(super) fn has_broker(&self) -> bool {
        self.requests().is_some()
    }

    pub(super) fn listen(&self, requests: mpsc::Sender<Request>) {
        *self.0.requests.lock().unwrap_or_else(PoisonError::into_inner) = Some(requests);
    }

    /// This process has the broker no more, and nothing of what boxes say.
    pub(crate) fn leave(&self) {
        *self.0.requests.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.seen().clear();
    }

    fn requests(&self) -> Option<mpsc::Sender<Request>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Every box there is.
    pub(super) async fn all(&self) -> Result<Vec<Device>, DeviceError> {
        let mut devices = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.store.scan::<Device>(Scan::of(BY_NUMBER).after(after).limit(200)).await?;
            devices.extend(page.items.into_iter().map(|device| device.document));
            after = page.next;
            if after.is_none() {
                return Ok(devices);
            }
        }
    }

    /// Notes what is known of a box, and whether it said so just now.
    pub(super) fn saw(&self, id: BoxId, now: bool, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen();
        let seen = seen.entry(id).or_default();
        if now {
            seen.at = Some(self.0.clock.now());
        }
        change(seen);
    }

    pub(super) fn tell_telemetry(&self, account: Account, device_id: BoxId, telemetry: &Telemetry) {
        let telemetry = serde_json::to_value(telemetry).unwrap_or(Value::Null);
        self.tell(Measured { account, device_id, telemetry });
    }

    /// Passes on what [`Devices::subscribe`] gives.
    pub(super) fn tell(&self, told: Measured) {
        // Nobody listens when no page is open.
        let _ = self.0.changes.send(told);
    }

    /// Changes who may use the running broker; it learns of the rest at its next start.
    async fn govern(&self, id: BoxId, command: AdminCommand) {
        let Some(requests) = self.requests() else { return };
        let (reply, done) = oneshot::channel();
        if requests.send(Request::Govern { device: id, command, reply }).await.is_ok() {
            // Dropped without an answer only when the server ends.
            let _ = done.await;
        }
    }

    /// Has the broker forget boxes that are gone, where this process has it; another process finds out by itself.
    pub(crate) async fn forget(&self, gone: &[BoxId]) {
        for device in gone {
            let Some(requests) = self.requests() else { return };
            let (reply, done) = oneshot::channel();
            if requests.send(Request::Forget { device: *device, reply }).await.is_ok() {
                // Dropped without an answer only when the server ends, or the box is there after all.
                let _ = done.await;
            }
        }
    }

    pub(super) fn forget_seen(&self, device: BoxId) {
        self.seen().remove(&device);
    }

    pub(super) async fn view(&self, device: Versioned<Device>) -> Result<DeviceView, DeviceError> {
        let Versioned { version, document } = device;
        let seen = self.seen().get(&document.id).cloned().unwrap_or_default();
        // What a broker keeps of a box that was shut out may say that it is there.
        let online = document.enabled && seen.online == Some(true);
        let last_seen_at = match seen.at {
            Some(at) => Some(at),
            None => {
                let kept = self.0.store.get::<Presence>(document.id).await?.map(|presence| presence.document);
                kept.filter(|presence| presence.came).map(|presence| presence.changed_at)
            }
        };
        let event = self.0.events.for_device(&document.id).await?;
        Ok(DeviceView {
            id: document.id,
            number: document.number,
            name: document.name,
            enabled: document.enabled,
            version,
            created_at: document.created_at,
            updated_at: document.updated_at,
            online,
            last_seen_at,
            event_id: event.map(|event| event.id),
            config: document.config.map(|config| config.change),
            telemetry: seen.telemetry.filter(|_| online),
            reported: seen.reported,
        })
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<BoxId, Seen>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A box's id as it stands in topics.
pub(super) fn wire_id(id: BoxId) -> stagebox_protocol::BoxId {
    id.to_string()
        .parse()
        .expect("an id of this kind is `box_` and 20 letters or digits, which the contract takes")
}
