//! Broadcasts for this server's events: the stream key names event and input.

use stagebox_media::Packet;
use stagebox_media::rtmp::LeftOut;

use super::{Broadcast, Gone, Publisher, Publishing, Refused};
use crate::account::AccountRecord;
use crate::app::App;
use crate::event::{Event, Input, StreamKey};
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
        let account = self.account_of(&event).await?;
        if account.as_ref().is_some_and(|account| account.suspended) {
            return Err(Refused::Suspended);
        }
        let limits = account.map(|account| (account.number, account.limits));
        if let Some((account, most)) =
            limits.and_then(|(account, limits)| Some((account, limits.broadcasts_at_once?)))
        {
            self.check_broadcasts(account, &event, input, most).await?;
        }
        let source = SourceInfo {
            address: broadcast.source.to_string(),
            encoder: broadcast.encoder.clone(),
            key: Some(StreamKey::from_stored(broadcast.key.clone())),
            most_kbps: limits.and_then(|(_, limits)| limits.broadcast_kbps),
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
    async fn account_of(&self, event: &EventId) -> Result<Option<AccountRecord>, Refused> {
        let look = async {
            let found = self.store.get::<Event>(event).await?;
            let account = found.map_or(Account::FIRST, |found| found.document.account);
            let account = self.store.get::<AccountRecord>(account).await?;
            Ok::<_, StoreError>(account.map(|account| account.document))
        };
        look.await.map_err(|error| {
            tracing::error!(%event, %error, "cannot look an account up");
            Refused::Unavailable
        })
    }

    /// Whether the account may have one more broadcast; one that comes back is no other.
    async fn check_broadcasts(
        &self,
        account: Account,
        event: &EventId,
        input: Input,
        most: u64,
    ) -> Result<(), Refused> {
        let others = self.events.broadcasts(account, (event, input)).await.map_err(|error| {
            tracing::error!(%event, %error, "cannot count an account's broadcasts");
            Refused::Unavailable
        })?;
        if others < most { Ok(()) } else { Err(Refused::TooMany(most)) }
    }
}

impl Publisher for live::Publisher {
    async fn send(&mut self, packet: Packet) -> Result<(), Gone> {
        Self::send(self, packet).await.map_err(|error| Gone(error.to_string()))
    }

    async fn left_out(&mut self, left_out: LeftOut) -> Result<(), Gone> {
        Self::left_out(self, left_out).await.map_err(|error| Gone(error.to_string()))
    }

    async fn leave(self) {
        drop(self);
    }
}
