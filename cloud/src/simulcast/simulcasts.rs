//! The simulcasts' handle.

use super::change::SimulcastChange;
use super::document::{BY_EVENT, Service, context};
use super::view::OutputView;
use super::{Simulcast, connector};
use crate::clock::Clock;
use crate::event::{EventError, Events};
use crate::http::ApiError;
use crate::id::{EventId, SimulcastId, UserId};
use crate::live::Rendition;
use crate::outbound::Guard;
use crate::secret::{Sealed, SecretError, Vault};
use crate::store::{Account, IndexKey, Page, Scan, Store, StoreError, Versioned};
use rustls::ClientConfig;
use stagebox_push::{OutputStatus, StreamKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Most simulcasts of an event.
const MOST: usize = 10;

/// Says why a simulcast was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SimulcastError {
    /// There is no such simulcast.
    #[error("there is no simulcast {0}")]
    NotFound(SimulcastId),
    /// A field does not fit.
    #[error("{0} {1}")]
    Field(&'static str, &'static str),
    /// The event has as many as it may.
    #[error("an event may have {MOST} simulcasts: delete one first")]
    TooMany,
    /// It is not the version that the client has seen.
    #[error("the simulcast is at version {0} now: read it again")]
    ChangedMeanwhile(u64),
    /// The event cannot be told.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The store failed.
    #[error("cannot read or write a simulcast: {0}")]
    Store(#[from] StoreError),
    /// A stream key does not open.
    #[error("cannot read a simulcast's stream key: {0}")]
    Secret(#[from] SecretError),
}

impl From<SimulcastError> for ApiError {
    fn from(error: SimulcastError) -> Self {
        match error {
            SimulcastError::NotFound(_) => Self::not_found(error.to_string()),
            SimulcastError::Field(field, words) => Self::field(field, words),
            SimulcastError::TooMany => Self::conflict(error.to_string()),
            SimulcastError::ChangedMeanwhile(_) => Self::changed_meanwhile(error.to_string()),
            SimulcastError::Event(error) => error.into(),
            SimulcastError::Store(error) => error.into(),
            SimulcastError::Secret(_) => Self::internal(&error),
        }
    }
}

/// All simulcasts; cloned freely.
#[derive(Clone)]
pub struct Simulcasts(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    events: Events,
    outbound: Guard,
    tls: Arc<ClientConfig>,
    clock: Clock,
    /// What the outputs that run in this process do.
    running: Mutex<HashMap<SimulcastId, Running>>,
}

/// A simulcast that is pushed, and what its outputs do.
struct Running {
    simulcast: Simulcast,
    outputs: Vec<watch::Receiver<OutputStatus>>,
}

impl Simulcasts {
    /// Makes the handle.
    pub fn new(store: &Store, vault: &Vault, events: &Events, outbound: &Guard, clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            vault: vault.clone(),
            events: events.clone(),
            outbound: outbound.clone(),
            tls: connector::tls(),
            clock: clock.clone(),
            running: Mutex::default(),
        }))
    }

    /// Makes a simulcast of an event.
    pub(super) async fn create(
        &self,
        account: Account,
        event_id: EventId,
        change: &SimulcastChange,
        by: Option<UserId>,
    ) -> Result<Versioned<Simulcast>, SimulcastError> {
        if self.of_event(&event_id).await?.len() >= MOST {
            return Err(SimulcastError::TooMany);
        }
        let store = &self.0.store;
        let id = SimulcastId::random();
        let number = store.next_number("simulcast").await?;
        // Held until the key is on disk.
        let sealing = self.0.vault.sealing().await?;
        let key = change.key.as_deref().unwrap_or_default();
        let batch = store.batch().by(by);
        let mut simulcast = Simulcast {
            id,
            account,
            number,
            event_id,
            name: String::new(),
            service: Service::Custom,
            url: String::new(),
            backup_url: None,
            key: sealing.seal::<Simulcast>(&context(&id), key.as_bytes()),
            key_end: end_of(key),
            rendition: Rendition::Source,
            enabled: true,
            created_at: batch.at(),
            updated_at: batch.at(),
        };
        change.apply(&mut simulcast)?;
        store.commit(batch.create(&simulcast)).await?;
        drop(sealing);
        self.0.events.note_simulcasts(&event_id).await?;
        Ok(Versioned { version: 1, document: simulcast })
    }

    /// Gives another event the same simulcasts.
    pub(crate) async fn duplicate(
        &self,
        from: &EventId,
        to: EventId,
        by: Option<UserId>,
    ) -> Result<(), SimulcastError> {
        for found in self.of_event(from).await? {
            let old = found.document;
            let id = SimulcastId::random();
            let key = self.0.vault.unseal(&context(&old.id), &old.key)?;
            let number = self.0.store.next_number("simulcast").await?;
            let sealing = self.0.vault.sealing().await?;
            let batch = self.0.store.batch().by(by);
            let (created_at, updated_at) = (batch.at(), batch.at());
            let key = sealing.seal::<Simulcast>(&context(&id), &key);
            let new = Simulcast { id, number, event_id: to, key, created_at, updated_at, ..old };
            self.0.store.commit(batch.create(&new)).await?;
        }
        Ok(())
    }

    /// Changes a simulcast; `expected` is the version that the user has seen.
    pub(super) async fn patch(
        &self,
        id: &SimulcastId,
        change: &SimulcastChange,
        expected: Option<u64>,
        by: Option<UserId>,
    ) -> Result<Versioned<Simulcast>, SimulcastError> {
        let sealing = self.0.vault.sealing().await?;
        let key = change.key.as_deref();
        let key: Option<(Sealed, String)> =
            key.map(|key| (sealing.seal::<Simulcast>(&context(id), key.as_bytes()), end_of(key)));
        let changed = self.0.store.update::<Simulcast, SimulcastError>(id, by, |simulcast, version, now| {
            if expected.is_some_and(|expected| expected != version) {
                return Err(SimulcastError::ChangedMeanwhile(version));
            }
            let before = simulcast.clone();
            change.apply(simulcast)?;
            if let Some((sealed, end)) = &key {
                (simulcast.key, simulcast.key_end) = (sealed.clone(), end.clone());
            }
            let changed = *simulcast != before;
            if changed {
                simulcast.updated_at = now;
            }
            Ok(changed)
        });
        let changed = changed.await?.ok_or(SimulcastError::NotFound(*id))?;
        drop(sealing);
        self.0.events.note_simulcasts(&changed.document.event_id).await?;
        Ok(changed)
    }

    /// Removes a simulcast; one that runs ends.
    pub(super) async fn delete(
        &self,
        simulcast: &Versioned<Simulcast>,
        by: Option<UserId>,
    ) -> Result<(), SimulcastError> {
        self.0.store.commit(self.0.store.batch().by(by).delete(simulcast)).await?;
        self.0.events.note_simulcasts(&simulcast.document.event_id).await?;
        Ok(())
    }

    /// A part of a list.
    pub(super) async fn page(&self, scan: Scan) -> Result<Page<Versioned<Simulcast>>, StoreError> {
        self.0.store.scan(scan).await
    }

    /// An event's simulcasts, the oldest first.
    pub(super) async fn of_event(&self, event: &EventId) -> Result<Vec<Versioned<Simulcast>>, StoreError> {
        let scan = Scan::of(BY_EVENT).within(IndexKey::new().text(event)).limit(MOST + 1);
        Ok(self.0.store.scan::<Simulcast>(scan).await?.items)
    }

    pub(super) fn outbound(&self) -> &Guard {
        &self.0.outbound
    }

    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.tls)
    }

    /// The key in the clear, for the output alone.
    pub(super) fn key(&self, simulcast: &Simulcast) -> Result<StreamKey, SecretError> {
        let key = self.0.vault.unseal(&context(&simulcast.id), &simulcast.key)?;
        Ok(StreamKey::new(String::from_utf8_lossy(&key).into_owned()))
    }

    /// Notes the outputs that run for a simulcast.
    pub(super) fn begun(&self, simulcast: Simulcast, outputs: Vec<watch::Receiver<OutputStatus>>) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(simulcast.id, Running { simulcast, outputs });
    }

    /// Notes that none run for it any more.
    pub(super) fn ended(&self, id: &SimulcastId) {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// What a simulcast's outputs do now, one a server.
    pub(super) fn outputs(&self, simulcast: &Simulcast) -> Vec<OutputView> {
        let running = {
            let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.get(&simulcast.id).map(|running| running.outputs.clone()).unwrap_or_default()
        };
        let (now, wall) = (self.0.clock.instant(), self.0.clock.now());
        let urls = simulcast.urls().enumerate();
        urls.map(|(at, url)| {
            let status = running.get(at).map(|status| status.borrow().clone());
            OutputView::of(url, status, now, wall)
        })
        .collect()
    }
}

impl Simulcasts {
    /// What is sent to the simulcasts of an event that this process takes in, by their ids.
    pub(crate) fn outputs_of(&self, event: &EventId) -> BTreeMap<String, Vec<OutputView>> {
        let running: Vec<Simulcast> = {
            let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
            let own = running.values().filter(|one| one.simulcast.event_id == *event);
            own.map(|one| one.simulcast.clone()).collect()
        };
        running.iter().map(|simulcast| (simulcast.id.to_string(), self.outputs(simulcast))).collect()
    }
}

/// Enough of a key to tell it from others, and too little to use it.
fn end_of(key: &str) -> String {
    if key.len() < 12 { String::new() } else { key.get(key.len() - 4..).unwrap_or_default().to_owned() }
}
