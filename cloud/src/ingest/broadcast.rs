//! Broadcasts for this server's events: the stream key names event and input.

use stagebox_media::Packet;

use super::{Broadcast, Gone, Publisher, Publishing, Refused};
use crate::app::App;
use crate::live::{self, LiveError, SourceInfo};

impl Publishing for App {
    type Publisher = live::Publisher;

    async fn publish(&self, broadcast: &Broadcast) -> Result<live::Publisher, Refused> {
        let found = self.events.input_for_key(&broadcast.key).await.map_err(|error| {
            tracing::error!(peer = %broadcast.source, %error, "cannot look a stream key up");
            Refused::Unavailable
        })?;
        let (event, input) = found.ok_or(Refused::UnknownKey)?;
        let client = format!("{} at {}", broadcast.encoder, broadcast.source);
        self.live.publish(&event, input, SourceInfo { client }).await.map_err(|error| match error {
            LiveError::NotFound(_) => Refused::UnknownKey,
            LiveError::Busy(_) => Refused::AlreadyPublishing,
            LiveError::Ended => Refused::Ended,
            LiveError::Elsewhere(error) => Refused::Elsewhere(error.to_string()),
            LiveError::TakenOver => Refused::Elsewhere(error.to_string()),
            _ => {
                tracing::error!(%event, %input, %error, "cannot take a broadcast");
                Refused::Unavailable
            }
        })
    }
}

impl Publisher for live::Publisher {
    async fn send(&mut self, packet: Packet) -> Result<(), Gone> {
        Self::send(self, packet).await.map_err(|error| Gone(error.to_string()))
    }

    async fn leave(self) {
        drop(self);
    }
}
