//! Runs the link: connects, stores and sends what the core says.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::collections::VecDeque;
use std::time::Duration;

use stagebox_protocol::{BootId, BoxId, DesiredState, EventBody, OutboxId, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::outbox::MOST_EVENTS;
use super::session::{Login, Session};
use super::state::{Action, Identity, Input, Link, Now};
use super::targets::{Fetcher, Targets};
use super::{BrokerAddress, LinkError, LinkState, Memory, Obey, Outbox};
use crate::clock::Clock;
use crate::config::CloudConfig;
use crate::durable::{Durable, DurableError};
use crate::trust::Trust;

/// How long the link waits after its store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// How long a clean end may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What the link is told at its start.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    pub cloud: CloudConfig,
    /// Which clouds are believed over `https:` and `mqtts:`.
    pub trust: Trust,
    /// Name and version of the daemon.
    pub software: String,
}

/// The running link; it ends when this is dropped, and says goodbye on [`LinkHandle::stop`].
#[derive(Debug)]
pub struct LinkHandle {
    targets: watch::Receiver<Option<Targets>>,
    desired: watch::Receiver<Option<DesiredState>>,
    state: watch::Receiver<LinkState>,
    events: mpsc::Sender<EventBody>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl LinkHandle {
    /// Where the cloud wants the box to push; `None` until it said so for the first time.
    #[must_use]
    pub fn targets(&self) -> watch::Receiver<Option<Targets>> {
        self.targets.clone()
    }

    /// What the cloud wants the box to be, once that is kept; `None` until it said so for the first time.
    #[must_use]
    pub fn desired(&self) -> watch::Receiver<Option<DesiredState>> {
        self.desired.clone()
    }

    /// How the link is.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// Tells the cloud of something that the box's status does not show.
    pub async fn record(&self, body: EventBody) {
        // The link ends only with the daemon.
        let _ = self.events.send(body).await;
    }

    /// Tells the cloud of all that comes, as [`LinkHandle::record`] does.
    pub fn record_all(&self, mut told: mpsc::UnboundedReceiver<EventBody>) {
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(body) = told.recv().await {
                if events.send(body).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Says goodbye to the broker, within half a second.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }
}

impl Drop for LinkHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Driver<B> {
    link: Link,
    identity: Identity,
    clock: Clock,
    login: Login,
    fetcher: Fetcher,
    outbox: Outbox,
    memory: Memory,
    control: B,
    session: Option<Session>,
    session_number: u64,
    inputs: mpsc::Sender<(u64, Input)>,
    targets: watch::Sender<Option<Targets>>,
    desired: watch::Sender<Option<DesiredState>>,
    state: watch::Sender<LinkState>,
    /// The last reason that was logged: the same one is not said at each attempt.
    said: Option<String>,
}

/// Inputs of the driver's own tasks belong to no session.
const ANY_SESSION: u64 = 0;

/// Starts the link.
///
/// # Errors
/// If the configuration or what was kept is wrong; a broker or cloud that is away is no error.
pub fn spawn<B: Obey>(
    config: LinkConfig,
    durable: &Durable,
    clock: Clock,
    control: B,
) -> Result<LinkHandle, LinkError> {
    let device: BoxId = config.cloud.id.parse()?;
    let address = BrokerAddress::parse(&config.cloud.mqtt_url)?;
    let fetcher =
        Fetcher::new(&config.cloud.url, device.as_str(), config.cloud.secret.clone(), &config.trust)?;
    let tls =
        address.tls.then(|| config.trust.client_config()).transpose().map_err(LinkError::Authorities)?;
    let memory = Memory::open(durable)?;
    let (records, kept) = memory.read()?;
    let outbox = Outbox::open(durable, &OutboxId::from_random(&random()?), MOST_EVENTS)?;
    let (oldest, last) = outbox.range();
    let boot_id: BootId =
        clock.boot_id().parse().or_else(|_| random().map(|bytes| BootId::from_random(&bytes)))?;
    let identity = Identity { device: device.clone(), boot_id, software: config.software };
    let (desired, desired_seen) = watch::channel(kept.desired.as_ref().map(|desired| desired.state.clone()));
    let seed = u64::from_le_bytes(random()?);
    let delivery = Delivery::new(outbox.id().clone(), oldest, last);
    let link = Link::new(identity.clone(), seed, records, kept, delivery);
    let (inputs, received) = mpsc::channel(256);
    let (targets, targets_seen) = watch::channel(None);
    let (state, state_seen) = watch::channel(LinkState::Connecting);
    let (events, events_received) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let login = Login { address, id: device.to_string(), secret: config.cloud.secret, tls };
    let driver = Driver {
        link,
        identity,
        clock,
        login,
        fetcher,
        outbox,
        memory,
        control,
        session: None,
        session_number: ANY_SESSION,
        inputs,
        targets,
        desired,
        state,
        said: None,
    };
    let task = tokio::spawn(driver.run(received, events_received, stop.clone()));
    Ok(LinkHandle { targets: targets_seen, desired: desired_seen, state: state_seen, events, stop, task })
}

fn random<const N: usize>() -> Result<[u8; N], LinkError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| LinkError::Kept { what: "random numbers", reason: error.to_string() })?;
    Ok(bytes)
}

impl<B: Obey> Driver<B> {
    async fn run(
        mut self,
        mut received: mpsc::Receiver<(u64, Input)>,
        mut events: mpsc::Receiver<EventBody>,
        stop: CancellationToken,
    ) {
        let mut status = self.control.status();
        let now = self.now();
        let mut actions = Vec::new();
        self.link.start(&now, &mut actions);
        self.perform(actions).await;
        let first = status.borrow_and_update().clone();
        self.feed(Input::Status(Box::new(first))).await;
        let mut has_status = true;
        let mut configured = self.control.configured();
        configured.iter_mut().for_each(watch::Receiver::mark_changed);
        loop {
            let wait =
                self.link.next_deadline().map_or(u64::MAX, |at| at.saturating_sub(self.clock.mono_ms()));
            tokio::select! {
                () = stop.cancelled() => return self.goodbye().await,
                Some((number, input)) = received.recv() => {
                    if number == ANY_SESSION || number == self.session_number {
                        self.feed(input).await;
                    }
                }
                Some(body) = events.recv() => self.perform(vec![Action::Append(body)]).await,
                changed = status.changed(), if has_status => {
                    has_status = changed.is_ok();
                    let status = status.borrow_and_update().clone();
                    self.feed(Input::Status(Box::new(status))).await;
                }
                config = next(&mut configured) => self.feed(Input::Configured(Box::new(config))).await,
                () = tokio::time::sleep(Duration::from_millis(wait.min(60_000))) => self.feed(Input::Tick).await,
            }
        }
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.clock.mono_ms(),
            wall: Timestamp::from_unix_ms(self.clock.unix_ms()),
            clock_synced: self.clock.synced(),
        }
    }

    async fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        let now = self.now();
        self.link.handle(&now, input, &mut actions);
        self.perform(actions).await;
    }

    /// Performs actions in their order; what comes of them at once is handled before anything else.
    async fn perform(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match self.act(action).await {
                Ok(None) => {}
                Ok(Some(input)) => {
                    let mut more = Vec::new();
                    let now = self.now();
                    self.link.handle(&now, input, &mut more);
                    queue.extend(more);
                }
                Err(error) => {
                    // What was not kept must not be done.
                    queue.clear();
                    queue.extend(self.start_over(&error).await);
                }
            }
        }
    }

    /// Begins anew from what is in the store, after a pause: the core knows what the store does not.
    async fn start_over(&mut self, error: &DurableError) -> Vec<Action> {
        tracing::error!(%error, "the link cannot use its store and starts over");
        self.session = None;
        self.session_number += 1;
        self.state.send_replace(LinkState::Away(error.to_string()));
        tokio::time::sleep(STORE_PAUSE).await;
        let mut actions = Vec::new();
        match self.memory.read() {
            Ok((records, kept)) => {
                let (oldest, last) = self.outbox.range();
                let delivery = Delivery::new(self.outbox.id().clone(), oldest, last);
                let now = self.now();
                self.link = Link::new(self.identity.clone(), now.mono_ms, records, kept, delivery);
                self.link.start(&now, &mut actions);
                let status = self.control.status().borrow().clone();
                self.link.handle(&now, Input::Status(Box::new(status)), &mut actions);
                if let Some(told) = self.control.configured() {
                    let config = Box::new(told.borrow().clone());
                    self.link.handle(&now, Input::Configured(config), &mut actions);
                }
            }
            Err(error) => tracing::error!(%error, "the link stays down until the daemon is started again"),
        }
        actions
    }

    async fn act(&mut self, action: Action) -> Result<Option<Input>, DurableError> {
        match action {
            Action::Connect { will } => {
                self.session_number += 1;
                self.session =
                    Some(Session::open(&self.login, will, self.inputs.clone(), self.session_number));
            }
            Action::Disconnect => self.session = None,
            Action::Subscribe(filters) => {
                return Ok(overloaded(
                    self.session.as_ref().is_none_or(|session| session.subscribe(filters)),
                ));
            }
            Action::Publish(publish) => {
                return Ok(overloaded(self.session.as_ref().is_none_or(|session| session.publish(publish))));
            }
            Action::KeepCommand(record) => self.memory.keep_command(&record).await?,
            Action::ForgetCommand(order) => self.memory.forget_command(order)?,
            Action::KeepDesired(kept) => {
                self.memory.keep_desired(&kept).await?;
                self.desired.send_replace(kept.desired.map(|desired| desired.state));
            }
            Action::Execute { id, command, expires_at } => {
                let (control, inputs) = (self.control.clone(), self.inputs.clone());
                tokio::spawn(async move {
                    tracing::info!(%id, ?command, "command from the cloud");
                    let outcome = control.execute(id.clone(), command, expires_at).await;
                    let _ = inputs.send((ANY_SESSION, Input::Executed(id, outcome))).await;
                });
            }
            Action::FetchTargets => {
                let (fetcher, inputs) = (self.fetcher.clone(), self.inputs.clone());
                tokio::spawn(async move {
                    let result = fetcher.fetch().await;
                    if let Err(error) = &result {
                        tracing::warn!(%error, "no new stream targets");
                    }
                    let _ = inputs.send((ANY_SESSION, Input::Fetched(result))).await;
                });
            }
            Action::Configure(wanted) => self.control.configure(wanted),
            Action::UseTargets(targets) => {
                self.targets.send_replace(Some(targets));
            }
            Action::Append(body) => {
                let now = self.now();
                self.outbox.append(&now, &self.identity.boot_id, body).await?;
                let (oldest, seq) = self.outbox.range();
                return Ok(Some(Input::Appended { seq, oldest }));
            }
            Action::ReadOutbox { from, limit } => {
                return Ok(Some(Input::Batch(self.outbox.read(
                    &self.now(),
                    &self.identity.boot_id,
                    from,
                    limit,
                )?)));
            }
            Action::ReleaseOutbox { up_to } => self.outbox.release(up_to)?,
            Action::Show(state) => self.show(state),
        }
        Ok(None)
    }

    fn show(&mut self, state: LinkState) {
        match &state {
            LinkState::Online => {
                tracing::info!(broker = %self.login.address, "connected to the broker");
                self.said = None;
            }
            LinkState::Away(reason) if self.said.as_ref() != Some(reason) => {
                tracing::warn!(broker = %self.login.address, reason, "no broker; the box works on without it");
                self.said = Some(reason.clone());
            }
            LinkState::Away(_) | LinkState::Connecting => {}
        }
        self.state.send_replace(state);
    }

    async fn goodbye(mut self) {
        let mut actions = Vec::new();
        let now = self.now();
        self.link.stop(&now, &mut actions);
        for action in actions {
            if let (Action::Publish(publish), Some(session)) = (action, &self.session) {
                session.publish(publish);
            }
        }
        if let Some(session) = self.session.take() {
            session.close(GOODBYE).await;
        }
    }
}

/// The next that is told; never one where nobody tells any more.
async fn next<T: Clone>(told: &mut Option<watch::Receiver<T>>) -> T {
    if let Some(told) = told
        && told.changed().await.is_ok()
    {
        return told.borrow_and_update().clone();
    }
    std::future::pending().await
}

fn overloaded(taken: bool) -> Option<Input> {
    (!taken).then(|| Input::Lost("the connection to the broker takes no more messages".into()))
}
