//! What happens to an event by itself, as others note it.

use super::document::{RECEIVING, Source};
use super::{Activity, EventError, Events, Input, OnAir};
use crate::id::{EventId, RecordingId};
use crate::store::{Account, Scan};

impl Events {
    /// Notes who broadcasts to an input, or that nobody does any more.
    pub async fn set_receiving(
        &self,
        id: &EventId,
        input: Input,
        source: Option<Source>,
    ) -> Result<(), EventError> {
        self.change_activity(id, |activity| {
            let was = std::mem::replace(activity.receiving(input), source.is_some());
            let before = match &source {
                Some(source) => activity.sources.insert(input, source.clone()),
                None => activity.sources.remove(&input),
            };
            was != source.is_some() || before != source
        })
        .await
    }

    /// Says what whoever runs the event should know, or that this is over.
    pub async fn set_warning(&self, id: &EventId, warning: Option<String>) -> Result<(), EventError> {
        self.change_activity(id, |activity| {
            let changed = activity.warning != warning;
            activity.warning.clone_from(&warning);
            changed
        })
        .await
    }

    /// Says what is shown of the event.
    pub async fn set_on_air(&self, id: &EventId, on_air: Option<OnAir>) -> Result<(), EventError> {
        self.change_activity(id, |activity| std::mem::replace(&mut activity.on_air, on_air) != on_air).await
    }

    /// Has whoever runs the event look at its simulcasts anew.
    pub(crate) async fn note_simulcasts(&self, id: &EventId) -> Result<(), EventError> {
        self.change_activity(id, |activity| {
            activity.simulcasts += 1;
            true
        })
        .await
    }

    /// How many broadcasts of an account come in just now, this one not counted.
    pub async fn broadcasts(&self, account: Account, but: (&EventId, Input)) -> Result<u64, EventError> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.store().scan::<Activity>(Scan::of(RECEIVING).after(after)).await?;
            for activity in page.items.iter().map(|found| &found.document) {
                let comes =
                    |input: &Input| activity.sources.contains_key(input) && (&activity.id, *input) != but;
                let of_account =
                    Input::ALL.iter().filter(|input| activity.account == account && comes(input));
                count += of_account.count() as u64;
            }
            after = page.next;
            if after.is_none() {
                return Ok(count);
            }
        }
    }

    /// Adds a recording to the event's list.
    pub async fn add_recording(&self, id: &EventId, recording: RecordingId) -> Result<(), EventError> {
        self.change_activity(id, |activity| {
            let new = !activity.recordings.contains(&recording);
            if new {
                activity.recordings.push(recording);
            }
            new
        })
        .await
    }

    /// Takes a recording off the event's list, where it may be gone already.
    pub async fn remove_recording(&self, id: &EventId, recording: RecordingId) -> Result<(), EventError> {
        self.change_activity(id, |activity| {
            let before = activity.recordings.len();
            activity.recordings.retain(|known| *known != recording);
            activity.recordings.len() != before
        })
        .await
    }

    async fn change_activity(
        &self,
        id: &EventId,
        mut change: impl FnMut(&mut Activity) -> bool,
    ) -> Result<(), EventError> {
        self.store()
            .update::<Activity, EventError>(id, None, |activity, _, _| Ok(change(activity)))
            .await?
            .ok_or(EventError::NotFound(*id))?;
        self.publish(id).await
    }
}
