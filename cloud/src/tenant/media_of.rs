//! What an account has of media, by whom it is for.

use super::RemovalError;
use crate::account::AccountRecord;
use crate::app::App;
use crate::event::{Events, ListOptions};
use crate::id::{EventId, RecordingId};
use crate::media::{self, Media, MediaError};
use crate::recording::Recordings;
use crate::store::Account;
use object_store::path::Path;
use std::collections::{BTreeMap, BTreeSet};

/// The account's events and recordings; a recording may have outlived its event.
#[derive(Debug, Default)]
pub(super) struct MediaOf {
    pub(super) events: BTreeSet<EventId>,
    pub(super) recordings: Vec<RecordingId>,
}

impl MediaOf {
    pub(super) async fn account(app: &App, account: Account) -> Result<Self, RemovalError> {
        Self::of(&app.events, app.live.recordings(), account).await
    }

    pub(super) async fn of(
        events: &Events,
        recordings: &Recordings,
        account: Account,
    ) -> Result<Self, RemovalError> {
        let (mut all, mut after) = (Self::default(), None);
        loop {
            let page = events.list(ListOptions { account: Some(account), after, limit: 200 }).await?;
            all.events.extend(page.items.iter().map(|event| event.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        loop {
            let page = recordings.list(Some(account), after, 200).await?;
            for recording in page.items {
                all.events.insert(recording.document.event_id);
                all.recordings.push(recording.document.id);
            }
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// All objects with their lengths, in the media store or on their way to it.
    pub(super) async fn objects(
        &self,
        media: &Media,
        account: &AccountRecord,
    ) -> Result<BTreeMap<Path, u64>, MediaError> {
        let mut objects = media.listed(&media::include_folder(&account.public_id)).await?;
        for event in &self.events {
            objects.extend(media.listed(&media::event_path(event)).await?);
        }
        for recording in &self.recordings {
            let path = media::recording_path(recording);
            if let Some(bytes) = media.length(&path).await? {
                objects.insert(path, bytes);
            }
        }
        Ok(objects)
    }
}
