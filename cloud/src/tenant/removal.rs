//! The steps by which an account goes: each can be done twice, and what was broken off goes on from the first one.
//!
//! 1. It is marked and suspended: nobody of it gets in, and nothing new is taken.
//! 2. Its events end, and with them the broadcasts that come in; its boxes are shut out.
//! 3. Once nothing goes on any more, its media are removed.
//! 4. All its documents go, whatever their kind, and its journal.
//! 5. At last the account itself, by which all the rest is found.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits until broadcasts have ended")]

use super::RemovalError;
use super::media_of::MediaOf;
use crate::account::AccountRecord;
use crate::app::App;
use crate::clock::Clock;
use crate::cluster::Owners;
use crate::device::{DeviceChange, Devices};
use crate::event::Events;
use crate::id::{BoxId, EventId};
use crate::live::Live;
use crate::media::{self, Media};
use crate::store::{Account, Progress, Store, StoreError};
use object_store::path::Path;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks at what goes on.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked for the end of broadcasts.
const LOOKS: u32 = 300;
/// While somebody else walks through the whole store.
const BUSY: Duration = Duration::from_secs(1);

/// What it is done with.
#[derive(Clone)]
pub(crate) struct Removal {
    store: Store,
    media: Media,
    events: Events,
    devices: Devices,
    live: Live,
    owners: Owners,
    clock: Clock,
    spool: PathBuf,
    files: Option<PathBuf>,
}

impl Removal {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            store: app.store.clone(),
            media: app.media.clone(),
            events: app.events.clone(),
            devices: app.devices.clone(),
            live: app.live.clone(),
            owners: app.cluster.owners().clone(),
            clock: app.clock.clone(),
            spool: app.config.data_dir.join("spool"),
            files: media::files_root(&app.config),
        }
    }

    /// Takes the account away; what was done, in words.
    pub(crate) async fn run(&self, account: Account, progress: &Progress) -> Result<String, RemovalError> {
        let Some(record) = self.mark(account).await? else {
            return Ok("the account is gone: nothing was left to be removed".to_owned());
        };
        progress.tell(1, "Ending events and connections");
        let boxes = self.shut_out(account).await?;
        let mut all = self.media_of(account).await?;
        for event in &all.events {
            progress.check()?;
            self.events.close(event).await?;
        }
        self.rest(&all.events, progress).await?;
        // What came to its end just now has left recordings.
        all = self.media_of(account).await?;
        let files = self.remove_media(&record, &all, &progress.part(10, 70)).await?;
        let documents = self.remove_documents(account, &record, &progress.part(70, 98)).await?;
        self.devices.forget(&boxes).await;
        self.store.forget_one(&record).await?;
        tracing::info!(%account, documents, files, "an account was deleted");
        let name = &record.name;
        Ok(format!(
            "account {account} ({name}) is deleted: {documents} documents and {files} media files removed"
        ))
    }

    /// Marks it as one that goes; none if it is gone already.
    async fn mark(&self, account: Account) -> Result<Option<AccountRecord>, RemovalError> {
        if account == Account::FIRST {
            return Err(RemovalError::First);
        }
        let marked = self.store.update::<AccountRecord, StoreError>(account, None, |record, _, now| {
            let is_new = !record.deleting;
            if is_new {
                (record.deleting, record.suspended, record.updated_at) = (true, true, now);
            }
            Ok(is_new)
        });
        Ok(marked.await?.map(|marked| marked.document))
    }

    async fn shut_out(&self, account: Account) -> Result<Vec<BoxId>, RemovalError> {
        let (mut boxes, mut after) = (Vec::new(), None);
        let off = DeviceChange { enabled: Some(false), ..DeviceChange::default() };
        loop {
            let page = self.devices.list(account, after).await?;
            for device in page.items {
                if device.enabled {
                    self.devices.patch(&device.id, &off, None, None).await?;
                }
                boxes.push(device.id);
            }
            after = page.next;
            if after.is_none() {
                return Ok(boxes);
            }
        }
    }

    async fn media_of(&self, account: Account) -> Result<MediaOf, RemovalError> {
        MediaOf::of(&self.events, self.live.recordings(), account).await
    }

    /// Waits until no process takes anything of these events in.
    async fn rest(&self, events: &BTreeSet<EventId>, progress: &Progress) -> Result<(), RemovalError> {
        for _ in 0..LOOKS {
            progress.check()?;
            let now = self.clock.now();
            let here = events.iter().any(|event| self.live.stream(event).is_some());
            let unfinished = self.owners.unfinished().await?;
            let elsewhere =
                unfinished.iter().any(|owner| owner.is_live(now) && events.contains(&owner.event));
            if !here && !elsewhere {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(RemovalError::Live)
    }

    async fn remove_media(
        &self,
        record: &AccountRecord,
        all: &MediaOf,
        progress: &Progress,
    ) -> Result<u64, RemovalError> {
        let (total, mut files) = (all.events.len() as u64, 0);
        for (done, event) in (0..).zip(&all.events) {
            let mut removed = 0;
            let tell = || {
                removed += 1;
                progress.check()?;
                progress.tell_part(
                    done,
                    total,
                    &format!("events' media removed, {removed} files of the next"),
                );
                Ok::<_, RemovalError>(())
            };
            files += self.media.remove_tree(self.files.clone(), &media::event_path(event), tell).await?;
            let folder = self.spool.join(event.to_string());
            match tokio::fs::remove_dir_all(&folder).await {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(RemovalError::Folder { path: folder.display().to_string(), source });
                }
                _ => {}
            }
        }
        for recording in &all.recordings {
            progress.check()?;
            let path: Path = media::recording_path(recording);
            if self.media.length(&path).await?.is_some() {
                files += 1;
            }
            self.media.delete(&path).await?;
        }
        let folder = media::include_folder(&record.public_id);
        let go_on = || Ok::<_, RemovalError>(progress.check()?);
        files += self.media.remove_tree(self.files.clone(), &folder, go_on).await?;
        Ok(files)
    }

    async fn remove_documents(
        &self,
        account: Account,
        record: &AccountRecord,
        progress: &Progress,
    ) -> Result<u64, RemovalError> {
        loop {
            match self.store.forget_belongings(account, record, progress).await {
                Err(StoreError::Busy) => {
                    progress.check()?;
                    progress.tell(0, "Waiting until the store is not backed up or copied any more");
                    tokio::time::sleep(BUSY).await;
                }
                done => return Ok(done?),
            }
        }
    }
}
