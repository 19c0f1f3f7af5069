//! The recordings' handle.

use super::document::{BY_EVENT, BY_NUMBER, RUNNING};
use super::{Manifest, Pause, Recording, RecordingKind};
use crate::clock::Timestamp;
use crate::cluster::Hold;
use crate::event::{EventError, EventStatus, Events};
use crate::http::ApiError;
use crate::id::{EventId, RecordingId, UserId};
use crate::item::{ItemView, Items, NewItem};
use crate::media::{self, Media, MediaError, Worth};
use crate::store::{Account, Cursor, IndexKey, Page, Scan, Store, StoreError, Versioned};
use object_store::path::Path;

/// How often an item is tried to be made when others are quicker.
const TRIES: usize = 8;

/// Says why a recording was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// There is no such recording.
    #[error("there is no recording {0}")]
    NotFound(RecordingId),
    /// It is not the version that the client has seen.
    #[error("the recording is at version {0} now: read it again")]
    ChangedMeanwhile(u64),
    /// The store failed.
    #[error("cannot read or write a recording: {0}")]
    Store(#[from] StoreError),
    /// The event does not take it.
    #[error("cannot add a recording to its event: {0}")]
    Event(#[from] EventError),
    /// The media store failed.
    #[error("cannot read or write a recording's list of segments: {0}")]
    Media(#[from] MediaError),
    /// Its event has not ended.
    #[error("the event has not ended: an item can be made of its recordings once it has")]
    GoesOn,
    /// There is nothing in it.
    #[error("nothing was recorded")]
    Empty,
    /// What the media store has is no list of segments.
    #[error("a recording's list of segments cannot be understood: {0}")]
    Manifest(#[from] serde_json::Error),
}

impl From<RecordingError> for ApiError {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::NotFound(_) => Self::not_found(error.to_string()),
            RecordingError::ChangedMeanwhile(_) => Self::changed_meanwhile(error.to_string()),
            RecordingError::GoesOn | RecordingError::Empty => Self::conflict(error.to_string()),
            RecordingError::Store(error) => error.into(),
            RecordingError::Event(error) => error.into(),
            RecordingError::Media(error) => error.into(),
            RecordingError::Manifest(_) => Self::internal(&error),
        }
    }
}

/// All recordings; cloned freely.
#[derive(Clone)]
pub struct Recordings {
    store: Store,
    events: Events,
    items: Items,
    media: Media,
}

impl Recordings {
    /// Makes the handle.
    pub fn new(store: Store, events: Events, items: Items, media: Media) -> Self {
        Self { store, events, items, media }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    pub(super) fn items(&self) -> &Items {
        &self.items
    }

    /// Reads a recording.
    pub async fn get(&self, id: &RecordingId) -> Result<Option<Versioned<Recording>>, StoreError> {
        self.store.get(id).await
    }

    /// Lists an account's recordings, or everybody's, the newest first.
    pub async fn list(
        &self,
        account: Option<Account>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned<Recording>>, StoreError> {
        let within = account.map(IndexKey::of).unwrap_or_default();
        self.page(Scan::of(BY_NUMBER).within(within).falling().after(after).limit(limit)).await
    }

    /// A part of a list.
    pub(super) async fn page(&self, scan: Scan) -> Result<Page<Versioned<Recording>>, StoreError> {
        self.store.scan(scan).await
    }

    /// Lists an event's recordings, the oldest first.
    pub async fn of_event(&self, event: &EventId) -> Result<Vec<Recording>, StoreError> {
        let mut recordings = Vec::new();
        let mut after = None;
        loop {
            let scan = Scan::of(BY_EVENT).within(IndexKey::new().text(event)).after(after);
            let page = self.store.scan::<Recording>(scan).await?;
            recordings.extend(page.items.into_iter().map(|found| found.document));
            after = page.next;
            if after.is_none() {
                return Ok(recordings);
            }
        }
    }

    /// The event's recording that goes on.
    pub(crate) async fn running(&self, event: &EventId) -> Result<Option<Recording>, StoreError> {
        let found = self.store.find::<Recording>(RUNNING, IndexKey::new().text(event)).await?;
        Ok(found.map(|found| found.document))
    }

    /// Begins a recording with the event's segment `from_segment`.
    pub(crate) async fn begin(
        &self,
        event_id: EventId,
        from_segment: u64,
        kind: RecordingKind,
        hold: &Hold,
    ) -> Result<Recording, RecordingError> {
        let event = self.events.get(&event_id).await?.ok_or(EventError::NotFound(event_id))?;
        let number = self.store.next_number("recording").await?;
        let batch = self.store.batch();
        let recording = Recording {
            id: RecordingId::random(),
            account: event.account,
            number,
            event_id,
            kind,
            shown_from: None,
            started_at: batch.at(),
            ended_at: None,
            from_segment,
            to_segment: None,
            duration_ms: None,
            name: None,
            gaps: Vec::new(),
            removed_at: None,
            removal: None,
        };
        hold.commit(batch.create(&recording)).await?;
        self.events.add_recording(&event_id, recording.id).await?;
        Ok(recording)
    }

    /// Calls a recording something, or nothing; `expected` is the version that the user has seen.
    pub async fn rename(
        &self,
        id: &RecordingId,
        name: Option<&str>,
        expected: Option<u64>,
        by: Option<UserId>,
    ) -> Result<Versioned<Recording>, RecordingError> {
        let changed = self.store.update::<Recording, RecordingError>(id, by, |recording, version, _| {
            if expected.is_some_and(|expected| expected != version) {
                return Err(RecordingError::ChangedMeanwhile(version));
            }
            let changed = recording.name.as_deref() != name;
            recording.name = name.map(str::to_owned);
            Ok(changed)
        });
        changed.await?.ok_or(RecordingError::NotFound(*id))
    }

    /// Notes from which segment on viewers may see what is being recorded, if they may; as it is then.
    pub(crate) async fn show(
        &self,
        recording: &Recording,
        from: Option<u64>,
        hold: &Hold,
    ) -> Result<Recording, RecordingError> {
        let shown = self
            .change_held(&recording.id, hold, |old, _| Some(Recording { shown_from: from, ..old.clone() }));
        Ok(shown.await?.unwrap_or_else(|| recording.clone()))
    }

    /// Ends a recording before the event's segment `to_segment`.
    pub(crate) async fn end(
        &self,
        id: &RecordingId,
        to_segment: u64,
        hold: &Hold,
    ) -> Result<(), RecordingError> {
        let ended = self.change_held(id, hold, |old, now| {
            let ended = Recording { ended_at: Some(now), to_segment: Some(to_segment), ..old.clone() };
            old.ended_at.is_none().then_some(ended)
        });
        ended.await?;
        Ok(())
    }

    /// Changes a recording as its event's owner; somebody who names it meanwhile does no harm. As it is then.
    async fn change_held(
        &self,
        id: &RecordingId,
        hold: &Hold,
        change: impl Fn(&Recording, Timestamp) -> Option<Recording>,
    ) -> Result<Option<Recording>, RecordingError> {
        for tried in 1.. {
            let Some(old) = self.get(id).await? else { return Ok(None) };
            let batch = self.store.batch();
            let Some(new) = change(&old.document, batch.at()).filter(|new| *new != old.document) else {
                return Ok(Some(old.document));
            };
            match hold.commit(batch.update(&old, &new)).await {
                Ok(_) => return Ok(Some(new)),
                Err(StoreError::Conflict { .. }) if tried < TRIES && !hold.is_lost() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Has a recording leave out what comes from the segment `msn` on, or take it in again; as it is then.
    pub(crate) async fn pause(
        &self,
        recording: &Recording,
        pause: Option<Pause>,
        msn: u64,
        hold: &Hold,
    ) -> Result<Recording, RecordingError> {
        let paused = self.change_held(&recording.id, hold, |old, now| old.paused(pause, msn, now));
        Ok(paused.await?.unwrap_or_else(|| recording.clone()))
    }

    /// Makes an item of a recording, of the very same segments; a second call changes nothing. Without a title none is
    /// made, until somebody does.
    ///
    /// The list of its segments is kept beside them first, so that the item can be played from its beginning.
    pub(crate) async fn make_item(
        &self,
        id: &RecordingId,
        title: Option<&str>,
        manifest: &Manifest,
        hold: &Hold,
    ) -> Result<(), RecordingError> {
        if self.unremoved(id).await?.is_none() {
            return Ok(());
        }
        let json = serde_json::to_vec(manifest)?;
        // A process that slept past its lease must not replace what the next owner has listed.
        hold.confirm().await?;
        self.media.put(&media::recording_path(id), json.into(), Worth::Recorded).await?;
        for _ in 1..TRIES {
            match self.try_make_item(id, title, manifest, hold).await {
                // The recording was changed meanwhile; where the event is another process's, so is the item.
                Err(RecordingError::Store(StoreError::Conflict { .. } | StoreError::Taken { .. }))
                    if !hold.is_lost() => {}
                tried => return tried,
            }
        }
        self.try_make_item(id, title, manifest, hold).await
    }

    /// Writes the item and what the recording is told of it in one batch, which only the event's owner can.
    pub(super) async fn try_make_item(
        &self,
        id: &RecordingId,
        title: Option<&str>,
        manifest: &Manifest,
        hold: &Hold,
    ) -> Result<(), RecordingError> {
        let Some(old) = self.unremoved(id).await? else { return Ok(()) };
        let new = Recording { duration_ms: Some(manifest.duration_ms()), ..old.document.clone() };
        let mut batch = self.store.batch();
        if new != old.document {
            batch = batch.update(&old, &new);
        }
        if let Some(title) = title
            && self.items.for_recording(id).await?.is_none()
        {
            let item = self.items.draft(drawn(&new, title, manifest), batch.at()).await?;
            batch = batch.create(&item);
        }
        hold.commit(batch).await?;
        Ok(())
    }

    /// Makes an item of a recording of an ended event, as a user asks for it; whether it is a new one.
    pub(crate) async fn convert(
        &self,
        id: &RecordingId,
        title: Option<&str>,
        by: Option<UserId>,
    ) -> Result<(ItemView, bool), RecordingError> {
        for tried in 1.. {
            if let Some(item) = self.items.for_recording(id).await? {
                return Ok((item, false));
            }
            let found = self.unremoved(id).await?.ok_or(RecordingError::NotFound(*id))?;
            let recording = &found.document;
            let Some(manifest) = self.manifest(id).await? else {
                return Err(if recording.duration_ms.is_none() && self.is_over(recording).await? {
                    RecordingError::Empty
                } else {
                    RecordingError::GoesOn
                });
            };
            let title = match title.or(recording.name.as_deref()) {
                Some(title) => title.to_owned(),
                None => self
                    .events
                    .get(&recording.event_id)
                    .await?
                    .map_or_else(String::new, |event| event.title.clone()),
            };
            let batch = self.store.batch().by(by);
            let item = self.items.draft(drawn(recording, &title, &manifest), batch.at()).await?;
            let kept = Recording { duration_ms: Some(manifest.duration_ms()), ..recording.clone() };
            // Written too where nothing of it changes: what is being removed has no item.
            match self.store.commit(batch.update(&found, &kept).create(&item)).await {
                Ok(_) => {}
                Err(StoreError::Conflict { .. } | StoreError::Taken { .. }) if tried < TRIES => continue,
                Err(error) => return Err(error.into()),
            }
            let made = self.items.get(&item.id).await?;
            return made.map(|made| (made, true)).ok_or(RecordingError::NotFound(*id));
        }
        Err(RecordingError::NotFound(*id))
    }

    async fn is_over(&self, recording: &Recording) -> Result<bool, RecordingError> {
        let event = self.events.get(&recording.event_id).await?;
        Ok(event.is_none_or(|event| event.status == EventStatus::Ended))
    }

    /// The recording, unless a user has removed what was made of it.
    async fn unremoved(&self, id: &RecordingId) -> Result<Option<Versioned<Recording>>, StoreError> {
        Ok(self.get(id).await?.filter(|known| known.document.removed_at.is_none()))
    }

    /// Removes what belongs to no recording; what is gone already is as good.
    pub(crate) async fn forget_media(&self, path: &Path) -> Result<(), RecordingError> {
        Ok(self.media.delete(path).await?)
    }

    /// Reads the list of a recording's segments; `None` if nothing was recorded.
    pub(crate) async fn manifest(&self, id: &RecordingId) -> Result<Option<Manifest>, RecordingError> {
        let found = self.media.get_anew(&media::recording_path(id)).await?;
        Ok(found.map(|json| serde_json::from_slice(&json)).transpose()?)
    }
}

/// The item that a recording is to have.
fn drawn(recording: &Recording, title: &str, manifest: &Manifest) -> NewItem {
    let size = manifest.lead().and_then(|track| track.description.resolution);
    NewItem {
        account: recording.account,
        event_id: recording.event_id,
        recording_id: recording.id,
        title: title.to_owned(),
        duration_ms: manifest.duration_ms(),
        width: size.map(|(width, _)| width),
        height: size.map(|(_, height)| height),
    }
}
