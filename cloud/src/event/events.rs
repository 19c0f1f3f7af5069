//! The events' handle.

use super::document::{BY_DEVICE, BY_KEY, BY_NUMBER, KEY_CONTEXT, KeptKey, RECEIVING, context};
use super::follow;
use super::{
    Activity, Details, Event, EventChange, EventError, EventStatus, EventView, Input, InputView, Inputs,
    StreamKey,
};
use crate::app::Addresses;
use crate::config::Config;
use crate::id::{BoxId, EventId, UserId};
use crate::secret::Vault;
use crate::store::{Account, Cursor, IndexKey, Page, Scan, Store, Versioned};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a new event is made of.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Whose.
    pub account: Account,
    /// Its title.
    pub title: String,
    /// The box that pushes to it.
    pub device_id: Option<BoxId>,
}

/// Which events to list.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// An account's; everybody's if absent.
    pub account: Option<Account>,
    /// Goes on after this.
    pub after: Option<Cursor>,
    /// At most this many.
    pub limit: usize,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { account: None, after: None, limit: 100 }
    }
}

/// All events; cloned freely.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    config: Arc<Config>,
    addresses: Arc<Addresses>,
    watched: Mutex<HashMap<EventId, watch::Sender<EventView>>>,
    starting: tokio::sync::Mutex<()>,
}

impl Events {
    /// Makes the handle.
    pub fn new(store: Store, vault: Vault, config: Arc<Config>, addresses: Arc<Addresses>) -> Self {
        Self(Arc::new(Inner {
            store,
            vault,
            config,
            addresses,
            watched: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
        }))
    }

    /// The events that say that a broadcast comes in.
    pub async fn receiving(&self) -> Result<Vec<EventId>, EventError> {
        let mut receiving = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.store.scan::<Activity>(Scan::of(RECEIVING).after(after)).await?;
            receiving.extend(page.items.into_iter().map(|found| found.document.id));
            after = page.next;
            if after.is_none() {
                return Ok(receiving);
            }
        }
    }

    /// Notes that no broadcast of an event comes in any more.
    pub async fn quiet(&self, id: &EventId) -> Result<(), EventError> {
        for input in Input::ALL {
            self.set_receiving(id, input, None).await?;
        }
        self.set_on_air(id, None).await
    }

    /// Tells watchers what other processes change, until the shutdown.
    pub fn follow(&self, shutdown: CancellationToken) {
        tokio::spawn(follow::run(self.clone(), shutdown));
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The events that somebody watches.
    pub(super) fn watched(&self) -> Vec<EventId> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Makes an event with new stream keys.
    pub async fn create(&self, new: NewEvent, by: Option<UserId>) -> Result<EventView, EventError> {
        self.create_with(new, |_| Ok(()), by).await
    }

    /// Makes an event with new stream keys, changed before it is there at all.
    pub(super) async fn create_with(
        &self,
        new: NewEvent,
        change: impl FnOnce(&mut Event) -> Result<(), EventError>,
        by: Option<UserId>,
    ) -> Result<EventView, EventError> {
        let store = &self.0.store;
        let number = store.next_number("event").await?;
        let id = EventId::random();
        // Held until the keys are on disk.
        let sealing = self.0.vault.sealing().await?;
        let fresh = |input| KeptKey::new(&sealing, &id, input, StreamKey::random().reveal().as_bytes());
        let batch = store.batch().by(by);
        let now = batch.at();
        let account = new.account;
        self.check_device(account, new.device_id).await?;
        let mut event = Event {
            id,
            account,
            number,
            title: new.title,
            status: EventStatus::Waiting,
            created_at: now,
            updated_at: now,
            device_id: new.device_id,
            started_at: None,
            details: Details::default(),
            main: fresh(Input::Main),
            backup: fresh(Input::Backup),
            old_keys: Vec::new(),
        };
        change(&mut event)?;
        let activity = Activity {
            id,
            account,
            number,
            sources: BTreeMap::new(),
            main: false,
            backup: false,
            recordings: Vec::new(),
            warning: None,
            on_air: None,
            simulcasts: 0,
        };
        store.commit(batch.create(&event).create(&activity)).await?;
        drop(sealing);
        self.get(&id).await?.ok_or(EventError::NotFound(id))
    }

    /// Reads an event.
    pub async fn get(&self, id: &EventId) -> Result<Option<EventView>, EventError> {
        let Some(event) = self.0.store.get::<Event>(id).await? else { return Ok(None) };
        self.view(event).await.map(Some)
    }

    /// Lists events, the newest first.
    pub async fn list(&self, options: ListOptions) -> Result<Page<EventView>, EventError> {
        let within = options.account.map(IndexKey::of).unwrap_or_default();
        self.page(Scan::of(BY_NUMBER).within(within).falling().after(options.after).limit(options.limit))
            .await
    }

    /// A part of a list.
    pub(super) async fn page(&self, scan: Scan) -> Result<Page<EventView>, EventError> {
        let page = self.0.store.scan::<Event>(scan).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for event in page.items {
            match self.view(event).await {
                // Gone since the list was read: its write was never promised, and the disk failed.
                Err(EventError::NotFound(_)) => {}
                view => items.push(view?),
            }
        }
        Ok(Page { items, next: page.next })
    }

    /// The event that a box pushes to: the newest assigned one that is not over.
    pub async fn for_device(&self, device: &BoxId) -> Result<Option<EventView>, EventError> {
        let scan = Scan::of(BY_DEVICE).within(IndexKey::new().text(device)).falling();
        let page = self.0.store.scan::<Event>(scan).await?;
        let event = page.items.into_iter().find(|event| event.document.status != EventStatus::Ended);
        match event {
            Some(event) => self.view(event).await.map(Some),
            None => Ok(None),
        }
    }

    /// Finds the event and input that a stream key belongs to, whatever the event's status.
    pub async fn input_for_key(&self, key: &str) -> Result<Option<(EventId, Input)>, EventError> {
        if !StreamKey::is_plausible(key) {
            return Ok(None);
        }
        // Twice: an event whose keys are sealed anew just now may have been under the other one.
        let fingerprints = self.0.vault.fingerprints(KEY_CONTEXT, key.as_bytes());
        let tries = if fingerprints.len() > 1 { 2 } else { 1 };
        for _ in 0..tries {
            for fingerprint in fingerprints.iter().map(hex::encode) {
                let index = IndexKey::new().text(&fingerprint);
                let Some(event) = self.0.store.find::<Event>(BY_KEY, index).await? else { continue };
                let input = event.document.input_of(&fingerprint, self.0.store.now());
                return Ok(input.map(|input| (event.document.id, input)));
            }
        }
        Ok(None)
    }

    /// Changes what a user decides; `expected` is the version that the user has seen.
    pub async fn patch(
        &self,
        id: &EventId,
        patch: EventChange,
        expected: Option<u64>,
        by: Option<UserId>,
    ) -> Result<EventView, EventError> {
        if let Some(Some(device)) = patch.device_id {
            let event = self.0.store.get::<Event>(id).await?.ok_or(EventError::NotFound(*id))?;
            self.check_device(event.document.account, Some(device)).await?;
        }
        self.change(id, expected, by, |event| {
            let before = event.clone();
            patch.apply(event)?;
            Ok(*event != before)
        })
        .await
    }

    /// Takes an event to another status, by the rules of [`EventStatus`].
    pub async fn set_status(
        &self,
        id: &EventId,
        status: EventStatus,
        expected: Option<u64>,
        by: Option<UserId>,
    ) -> Result<EventView, EventError> {
        // One at a time, so that two events that are started together are counted both.
        let _turn = self.0.starting.lock().await;
        if status == EventStatus::Started {
            self.check_limit(id).await?;
        }
        let now = self.0.store.now();
        self.change(id, expected, by, |event| {
            event.status = event.status.go(status)?;
            if status == EventStatus::Started {
                event.started_at.get_or_insert(now);
            }
            Ok(true)
        })
        .await
    }

    /// Ends an event whatever it is, as its account goes.
    pub(crate) async fn close(&self, id: &EventId) -> Result<(), EventError> {
        let closed = self.change(id, None, None, |event| {
            let was_open = event.status != EventStatus::Ended;
            event.status = EventStatus::Ended;
            Ok(was_open)
        });
        match closed.await {
            Ok(_) | Err(EventError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Follows an event: the receiver holds its present state and wakes at each change.
    pub async fn watch(&self, id: &EventId) -> Result<Option<watch::Receiver<EventView>>, EventError> {
        let Some(view) = self.get(id).await? else { return Ok(None) };
        let receiver = {
            let mut watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.retain(|other, sender| other == id || sender.receiver_count() > 0);
            let sender = watched.entry(*id).or_insert_with(|| watch::channel(view).0);
            sender.subscribe()
        };
        // A change between the reading and the subscribing must not be lost.
        self.publish(id).await?;
        Ok(Some(receiver))
    }

    pub(super) async fn change(
        &self,
        id: &EventId,
        expected: Option<u64>,
        by: Option<UserId>,
        mut change: impl FnMut(&mut Event) -> Result<bool, EventError>,
    ) -> Result<EventView, EventError> {
        let changed = self
            .0
            .store
            .update::<Event, EventError>(id, by, |event, version, now| {
                if expected.is_some_and(|expected| expected != version) {
                    return Err(EventError::ChangedMeanwhile(version));
                }
                let changed = change(event)?;
                if changed {
                    event.updated_at = now;
                }
                Ok(changed)
            })
            .await?
            .ok_or(EventError::NotFound(*id))?;
        self.publish(id).await?;
        self.view(changed).await
    }

    /// Tells watchers what stands in the store now, unless they know something newer.
    pub(super) async fn publish(&self, id: &EventId) -> Result<(), EventError> {
        let is_watched = {
            let watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.contains_key(id)
        };
        if !is_watched {
            return Ok(());
        }
        let Some(view) = self.get(id).await? else { return Ok(()) };
        let watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watched.get(id) {
            sender.send_if_modified(|known| {
                let age = |view: &EventView| (view.version, view.activity_version);
                let (old, new) = (age(known), age(&view));
                let newer = new != old && new.0 >= old.0 && new.1 >= old.1;
                if newer {
                    *known = view;
                }
                newer
            });
        }
        Ok(())
    }

    pub(super) async fn view(&self, event: Versioned<Event>) -> Result<EventView, EventError> {
        let Versioned { version, document } = event;
        let id = document.id;
        let activity = self.0.store.look_at::<Activity>(document.account, id).await?;
        let activity = activity.ok_or(EventError::NotFound(id))?;
        let url = self.0.addresses.rtmp_url(&self.0.config);
        let now = self.0.store.now();
        let input = |input: Input, receiving: bool| -> Result<InputView, EventError> {
            let open = |kept: &KeptKey| -> Result<StreamKey, EventError> {
                let key = self.0.vault.unseal(&context(&id, input), &kept.sealed)?;
                Ok(StreamKey::from_stored(String::from_utf8_lossy(&key).into_owned()))
            };
            let old = document.old_keys.iter().filter(|old| old.input == input && old.until > now);
            let old_keys =
                old.map(|old| Ok((open(&old.key)?, old.until))).collect::<Result<_, EventError>>()?;
            let source = activity.document.sources.get(&input).filter(|_| receiving).cloned();
            Ok(InputView { key: open(document.key(input))?, old_keys, receiving, url: url.clone(), source })
        };
        let inputs = Inputs {
            main: input(Input::Main, activity.document.main)?,
            backup: input(Input::Backup, activity.document.backup)?,
        };
        Ok(EventView {
            account: document.account,
            id,
            number: document.number,
            title: document.title,
            status: document.status,
            version,
            activity_version: activity.version,
            created_at: document.created_at,
            updated_at: document.updated_at,
            device_id: document.device_id,
            started_at: document.started_at,
            details: document.details,
            inputs,
            recordings: activity.document.recordings.clone(),
            warning: activity.document.warning.clone(),
            on_air: activity.document.on_air,
            simulcasts: activity.document.simulcasts,
        })
    }
}
