//! The embedded engine: sled, with one committer thread for all writers.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: it waits for the files of a run that is just ending"
)]

mod apply;
mod ballast;
mod checking;
mod committer;
mod files;
mod heads;
mod health;
mod layout;
mod pending;
mod reading;
mod record;
mod space;
mod transfer;

use super::editions::Editions;
use super::engine::{Engine, RawDocument, RawOp, RawPage, RawScan, Receipt, Tell};
use super::error::StoreError;
use super::heads::Heads;
use super::journal::{Account, JournalPage};
use super::record::{Fault, Record};
use committer::{Committer, Job};
use files::{Files, failed};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use health::Health;
use space::Space;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;

/// Batches that may wait for the committer before writers are held up.
const QUEUE: usize = 1024;
/// Entries that a journal keeps.
const JOURNAL_KEEP: u64 = 100_000;

/// How a database is run.
#[derive(Debug, Clone, Copy)]
pub struct SledOptions {
    /// Entries that an account's journal keeps.
    pub journal_keep: u64,
    /// Disk that is to stay free; 0 does not look.
    pub reserve_mib: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { journal_keep: JOURNAL_KEEP, reserve_mib: 0 }
    }
}

/// A sled database in a directory.
pub struct SledEngine {
    files: Arc<Files>,
    jobs: mpsc::Sender<Job>,
    heads: Heads,
    health: Arc<Health>,
    editions: Editions,
    reserve_mib: u64,
    ended: watch::Receiver<bool>,
}

impl SledEngine {
    /// Opens or creates the database and starts its committer.
    pub fn open(path: &Path, options: SledOptions) -> Result<Self, StoreError> {
        let wrong = |error: std::io::Error| StoreError::Open {
            path: path.display().to_string(),
            detail: error.to_string(),
        };
        let files = Arc::new(Files::open(path)?);
        let (heads, health, editions) = (Heads::default(), Arc::<Health>::default(), Editions::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (ended_sender, ended) = watch::channel(false);
        let committer = Committer::new(
            Arc::clone(&files),
            options.journal_keep.max(1),
            Space::new(options.reserve_mib),
            heads.clone(),
            Arc::clone(&health),
            editions.clone(),
        )?;
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                committer.run(queue);
                let _ = ended_sender.send(true);
            })
            .map_err(wrong)?;
        Ok(Self { files, jobs, heads, health, editions, reserve_mib: options.reserve_mib, ended })
    }

    /// Reads; what broke under the reader is read again once the committer has opened it anew.
    async fn read<T>(&self, work: impl Fn(&sled::Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // Let go of before anything is waited for: it is only opened anew once nobody has it.
        let attempt = |db: sled::Db| work(&db);
        match attempt(self.files.reading().await?) {
            Err(StoreError::Engine(_) | StoreError::NoRoom) => {
                // Whatever it says, the database is then as good as it gets.
                let _ = self.settle().await;
                attempt(self.files.reading().await?)
            }
            read => read,
        }
    }

    async fn ask<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(make(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Runs what walks through the whole database where it holds nobody up.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(|error| StoreError::Engine(error.to_string()))?
}

impl Engine for SledEngine {
    fn get(&self, kind: &'static str, id: String) -> BoxFuture<'_, Result<Option<RawDocument>, StoreError>> {
        Box::pin(async move { self.read(|db| reading::get(db, kind, &id)).await })
    }

    fn scan(&self, scan: RawScan) -> BoxFuture<'_, Result<RawPage, StoreError>> {
        Box::pin(async move { self.read(|db| reading::scan(db, &scan)).await })
    }

    fn commit(&self, ops: Vec<RawOp>) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(self.ask(|reply| Job::Commit { ops, reply }))
    }

    fn allocate(&self, counter: &'static str) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.ask(move |reply| Job::Allocate { counter, reply }))
    }

    fn journal(
        &self,
        account: Account,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<JournalPage, StoreError>> {
        Box::pin(
            async move { self.read(|db| reading::journal(db, &self.heads, account, after, limit)).await },
        )
    }

    fn journal_head(&self, account: Account) -> watch::Receiver<u64> {
        self.heads.follow(account)
    }

    fn is_healthy(&self) -> bool {
        self.health.broken().is_none()
    }

    fn edition(&self, kinds: &[&str]) -> Option<u64> {
        Some(self.editions.of(kinds))
    }

    fn trouble(&self) -> Option<StoreError> {
        let mut space = Space::new(self.reserve_mib);
        space.look(self.files.path());
        let broken = self.health.broken();
        broken.map(|broken| broken.error()).or_else(|| space.allows(true).err())
    }

    fn size_on_disk(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.files.db()?.size_on_disk().map_err(failed) })
    }

    fn count(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        let files = Arc::clone(&self.files);
        Box::pin(in_background(move || transfer::count(&files.db()?)))
    }

    fn export(&self) -> BoxStream<'static, Result<Vec<Record>, StoreError>> {
        transfer::export(&self.files)
    }

    fn tap(&self) -> BoxFuture<'_, Result<mpsc::UnboundedReceiver<Vec<Record>>, StoreError>> {
        Box::pin(self.ask(|reply| Job::Tap { reply }))
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ask(|reply| Job::Settle { reply }))
    }

    fn import(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ask(|reply| Job::Import { records, reply }))
    }

    fn check(&self, tell: Tell) -> BoxFuture<'_, Result<Vec<Fault>, StoreError>> {
        let files = Arc::clone(&self.files);
        Box::pin(in_background(move || checking::check(&files, &tell)))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.jobs.send(Job::Close).await;
            let _ = self.ended.clone().wait_for(|ended| *ended).await;
        })
    }
}
