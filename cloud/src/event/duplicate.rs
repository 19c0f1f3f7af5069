//! Another event like one that is there.

use super::{Event, EventError, EventView, Events, NewEvent};
use crate::id::UserId;

impl Events {
    /// Makes an event with all that users decided about another, but with keys of its own and for no day yet.
    pub async fn duplicate(
        &self,
        event: &Event,
        title: Option<String>,
        by: Option<UserId>,
    ) -> Result<EventView, EventError> {
        let new = NewEvent {
            account: event.account,
            title: title.unwrap_or_else(|| event.title.clone()),
            // A box pushes to the newest of its events: the one that is there shall not lose it by a copy.
            device_id: None,
        };
        let details = event.details.for_another();
        let change = |new: &mut Event| {
            new.details = details;
            Ok(())
        };
        self.create_with(new, change, by).await
    }
}
