//! Broadcasts for this server's events: the stream key names event and input.

use stagebox_media::Packet;

use super::{Broadcast, Gone, Publisher, Publishing, Refused};
use crate::account::AccountRecord;
use crate::app::App;
use crate::event::{Event, StreamKey};
use crate::id::EventId;
use crate::live::{self, LiveError, SourceInfo};
use crate::store::{Account, StoreError};

impl Publishing for App {
    type Publisher = live::Publisher;

    async fn publish(&self, broadcast: &Broadcast) -> Result<live::Publisher, Refused> {
        let found = self.events.input_for_key(&broadcast.key).await.map_err(|error| {
            tracing::error!(peer = %broadcast.source, %error, "cannot look a stream key up");
            Refused::Unavailable
        })?;
        let (event, input) = found.ok_or(Refused::UnknownKey)?;
        if self.is_suspended(&event).await? {
            return Err(Refused::Suspended);
        }
        let source = SourceInfo {
            address: broadcast.source.to_string(),
            encoder: broadcast.encoder.clone(),
            key: Some(StreamKey::from_stored(broadcast.key.clone())),
        };
        self.live.publish(&event, input, source).await.map_err(|error| match error {
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

impl App {
    async fn is_suspended(&self, event: &EventId) -> Result<bool, Refused> {
        let look = async {
            let found = self.store.get::<Event>(event).await?;
            let account = found.map_or(Account::FIRST, |found| found.document.account);
            let account = self.store.get::<AccountRecord>(account).await?;
            Ok::<_, StoreError>(account.is_some_and(|account| account.document.suspended))
        };
        look.await.map_err(|error| {
            tracing::error!(%event, %error, "cannot look an account up");
            Refused::Unavailable
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
