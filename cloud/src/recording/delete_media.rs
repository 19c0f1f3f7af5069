//! The job `delete-media`: removes a recording's media once nothing refers to them any more.
//!
//! It looks at what lies there each time it begins, so that a second run does what the first
//! one left, and nothing if that was all. The recording itself goes last: as long as it is
//! there, a removal whose job was cancelled or has failed is taken up again ([`super::resume`]).

use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::references::{Needs, unneeded};
use super::{Recording, RecordingError, Recordings};
use crate::app::App;
use crate::event::{Event, EventError, EventStatus, Events};
use crate::id::{EventId, RecordingId};
use crate::item::Items;
use crate::job::{JobHandle, Outcome, Work, WorkError};
use crate::media::{self, Media};
use crate::store::Store;

/// Files that are removed at a time.
const AT_ONCE: usize = 8;

/// Whose media to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The event that was recorded.
    pub event_id: EventId,
    /// The recording.
    pub recording_id: RecordingId,
}

/// Removes media.
pub struct DeleteMedia {
    store: Store,
    media: Media,
    events: Events,
    items: Items,
    recordings: Recordings,
}

impl Work for DeleteMedia {
    const KIND: &'static str = "delete-media";
    type Input = Removed;

    async fn run(&self, job: JobHandle, input: Removed) -> Result<Outcome, WorkError> {
        let Removed { event_id, recording_id } = input;
        if self.items.for_recording(&recording_id).await?.is_some() {
            return Ok(Outcome::new("An item plays this recording: nothing was removed"));
        }
        self.check_event(&event_id).await?;
        match self.events.remove_recording(&event_id, recording_id).await {
            Ok(()) | Err(EventError::NotFound(_)) => {}
            Err(error) => return Err(WorkError::failed(error)),
        }
        let recording = self.recordings.get(&recording_id).await?;
        let (mut files, mut kept) = (0, 0);
        if let Some(recording) = &recording {
            job.progress(None, "Looking for what nothing refers to");
            let there = self.there(&event_id).await?;
            let all = there.len();
            let unneeded = unneeded(there, &recording.document, &self.needs(&recording.document).await?);
            (files, kept) = (unneeded.len(), all - unneeded.len());
            self.remove(&job, unneeded).await?;
        }
        self.media.delete(&media::recording_path(&recording_id)).await?;
        let words = match (files, kept) {
            (0, _) => "There was nothing to remove".to_owned(),
            (files, 0) => format!("{files} files removed"),
            (files, kept) => {
                format!("{files} files removed; {kept} are kept for other recordings of the event")
            }
        };
        Ok(Outcome::new(words).with(move |batch| match &recording {
            Some(recording) => batch.delete(recording),
            None => batch,
        }))
    }
}

impl DeleteMedia {
    /// Takes the handles that it needs.
    pub fn new(app: &App) -> Self {
        Self {
            store: app.store.clone(),
            media: app.media.clone(),
            events: app.events.clone(),
            items: app.items.clone(),
            recordings: app.live.recordings().clone(),
        }
    }

    /// An event that is not over still needs all it has.
    async fn check_event(&self, id: &EventId) -> Result<(), WorkError> {
        match self.store.get::<Event>(id).await? {
            Some(event) if event.document.status != EventStatus::Ended => Err(WorkError::failed(
                "the event is not over: as long as it goes on, none of its media are removed",
            )),
            _ => Ok(()),
        }
    }

    /// What the event's other recordings need.
    async fn needs(&self, removed: &Recording) -> Result<Vec<Needs>, WorkError> {
        let mut needs = Vec::new();
        for other in self.recordings.of_event(&removed.event_id).await? {
            if other.id == removed.id || other.removed_at.is_some() {
                continue;
            }
            let manifest = self.recordings.manifest(&other.id).await.map_err(|error| match error {
                RecordingError::Manifest(_) => WorkError::hopeless(format!("{}: {error}", other.id)),
                error => WorkError::failed(error),
            })?;
            needs.push(Needs::of(&other, manifest.as_ref()));
        }
        Ok(needs)
    }

    async fn there(&self, event: &EventId) -> Result<Vec<Path>, WorkError> {
        Ok(self.media.list(&Path::from(format!("live/{event}"))).await?)
    }

    /// Removes what nobody needs; one that is gone already is as good.
    async fn remove(&self, job: &JobHandle, paths: Vec<Path>) -> Result<(), WorkError> {
        let total = paths.len() as u64;
        let removed = stream::iter(paths).map(async |path| self.media.delete(&path).await);
        let mut removed = removed.buffer_unordered(AT_ONCE);
        let mut done = 0;
        while let Some(result) = removed.next().await {
            result?;
            job.check()?;
            done += 1;
            job.counted(done, total, "files removed");
        }
        Ok(())
    }
}
