//! What an older version's documents lack, done before anything else begins.

use super::{App, StartError};
use crate::account::{Role, Token, User};
use crate::device::{self, BoxJournal, Device, Presence};
use crate::event::{Activity, Event};
use crate::hook::Hook;
use crate::item::Item;
use crate::job::Job;
use crate::recording::Recording;
use crate::store::{Reindexed, StoreError};

/// The kinds whose index entries are not what they were.
const REINDEXED: [Reindexed; 12] = [
    Reindexed::of::<Activity>(),
    Reindexed::of::<BoxJournal>(),
    Reindexed::of::<Device>(),
    Reindexed::of::<Event>(),
    Reindexed::of::<Hook>(),
    Reindexed::of::<Item>(),
    Reindexed::of::<Job>(),
    Reindexed::of::<Presence>(),
    Reindexed::of::<Recording>(),
    Reindexed::of::<Role>(),
    Reindexed::of::<Token>(),
    Reindexed::of::<User>(),
];

impl App {
    /// Has documents of older versions stand in the lists as new ones do; goes on where an earlier start broke off.
    pub(crate) async fn complete_indexes(&self) -> Result<(), StartError> {
        let wrong = StartError::of("the store");
        match device::complete(&self.store).await {
            // What is there can be read; a later start completes it.
            Err(error) if self.store.trouble().is_some() => {
                tracing::warn!(%error, "older documents are not in all lists yet");
                return Ok(());
            }
            done => done.map_err(wrong)?,
        }
        match self.store.reindex(&REINDEXED).await {
            Ok(0) => Ok(()),
            Ok(count) => {
                tracing::info!(count, "documents of an older version stand in all lists now");
                Ok(())
            }
            Err(error @ (StoreError::Full { .. } | StoreError::NoRoom | StoreError::OverLimit { .. })) => {
                tracing::warn!(%error, "older documents are not in all lists yet");
                Ok(())
            }
            Err(error) => Err(StartError::of("the store")(error)),
        }
    }
}
