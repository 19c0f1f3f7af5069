//! Broadcasts for this server's events: the stream key names event and input.

use stagebox_media::Packet;

use super::{Broadcast, Gone, Publisher, Publishing, Refused};
use crate::app::App;
use crate::event::{EventStatus, Input};
use crate::id::EventId;

/// A broadcast of an event.
pub struct EventPublisher {
    app: App,
    event: EventId,
    input: Input,
}

impl Publishing for App {
    type Publisher = EventPublisher;

    async fn publish(&self, broadcast: &Broadcast) -> Result<EventPublisher, Refused> {
        let unavailable = |error| {
            tracing::error!(peer = %broadcast.source, %error, "cannot look a stream key up");
            Refused::Unavailable
        };
        let found = self.events.input_for_key(&broadcast.key).await.map_err(unavailable)?;
        let (event, input) = found.ok_or(Refused::UnknownKey)?;
        let view = self.events.get(&event).await.map_err(unavailable)?.ok_or(Refused::UnknownKey)?;
        if view.status == EventStatus::Ended {
            return Err(Refused::Ended);
        }
        self.events.set_receiving(&event, input, true).await.map_err(unavailable)?;
        tracing::info!(%event, %input, peer = %broadcast.source, "an event receives its broadcast");
        Ok(EventPublisher { app: self.clone(), event, input })
    }
}

impl Publisher for EventPublisher {
    async fn send(&mut self, _packet: Packet) -> Result<(), Gone> {
        Ok(())
    }

    async fn leave(self) {
        let Self { app, event, input } = self;
        if let Err(error) = app.events.set_receiving(&event, input, false).await {
            tracing::error!(%event, %input, %error, "cannot note that a broadcast is gone");
        }
    }
}
