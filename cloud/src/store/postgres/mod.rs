//! The engine on a PostgreSQL server, which several processes may share.
//!
//! All rules are sled's: a group of batches is planned by the same kind of pure code ([`plan`]) from what one
//! transaction has locked and read, and is then written and committed in one round trip.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for a server, and gives up in time")]

mod backoff;
mod checking;
mod committer;
mod database;
mod group;
mod link;
mod listener;
mod migrate;
mod plan;
mod readers;
mod reading;
mod room;
mod statements;
mod status;
#[cfg(test)]
mod tests;
mod transfer;
mod trouble;
mod writes;

pub(in crate::store) use database::Database;
pub use listener::Node;

use super::config::StoreConfig;
use super::engine::{Engine, RawDocument, RawOp, RawPage, RawScan, Receipt, Tell, takes_in};
use super::error::StoreError;
use super::heads::Heads;
use super::journal::{Account, JournalPage};
use super::record::{Fault, Record};
use crate::id::random_bytes;
use backoff::Backoff;
use committer::{Committer, Job, Reply, Waiting};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use group::{Done, Request};
use link::Link;
use listener::Listener;
use readers::Readers;
use room::Limit;
use status::Status;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Batches that may wait for the committer before writers are held up.
const QUEUE: usize = 1024;
/// Entries that a journal keeps.
const JOURNAL_KEEP: u64 = 100_000;
/// How long a reader or a writer waits for a database that is out of reach.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the start waits for a database that may be starting as well.
const START: Duration = Duration::from_secs(15);
/// Records and bytes of one transaction of an import.
const IMPORT: (usize, u64) = (1000, 4 * 1024 * 1024);

/// How the engine is run.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// Entries that an account's journal keeps.
    pub journal_keep: u64,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { journal_keep: JOURNAL_KEEP }
    }
}

/// A database on a PostgreSQL server.
///
/// [`Engine::tap`] tells what this process commits, not what others do: whoever moves the documents to another
/// engine must be the only process that writes ([`PostgresEngine::nodes`] says who else is there). A tap ends
/// when it is not known whether a group was committed, and when the engine is closed.
pub struct PostgresEngine {
    target: Arc<Database>,
    node: String,
    jobs: mpsc::Sender<Job>,
    heads: Heads,
    status: Arc<Status>,
    readers: Arc<Readers>,
    limit: Arc<Limit>,
    ended: watch::Receiver<bool>,
    closed: CancellationToken,
    /// Ends the tasks when the engine is dropped without being closed.
    _closed: DropGuard,
}

impl PostgresEngine {
    /// Connects, brings the tables up to date and starts the tasks, on tokio's current runtime.
    pub async fn open(config: &StoreConfig, options: PostgresOptions) -> Result<Self, StoreError> {
        let mut target = Database::parse(config)
            .map_err(|detail| StoreError::Database { target: "the database".to_owned(), detail })?;
        target.prepare()?;
        let node = hex::encode(random_bytes::<8>());
        target.config.application_name(format!("stagebox-cloud {node}"));
        let target = Arc::new(target);
        let link = first(&target).await?;
        migrate::run(&link, &target).await?;
        warn_of_risks(&link, &target).await;
        let channel = format!("stagebox_{}", target.schema);
        let (heads, status) = (Heads::default(), Arc::new(Status::new(target.name())));
        let listener = Listener {
            target: Arc::clone(&target),
            channel: channel.clone(),
            node: node.clone(),
            heads: heads.clone(),
            status: Arc::clone(&status),
        };
        let ear = listener.begin().await.map_err(|reason| target.away(&reason))?;
        let closed = CancellationToken::new();
        tokio::spawn(listener.run(ear, closed.clone()));
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (ended_sender, ended) = watch::channel(false);
        let committer = Committer::new(
            Arc::clone(&target),
            (channel, node.clone()),
            options.journal_keep.max(1),
            heads.clone(),
            Arc::clone(&status),
            queue,
        );
        tokio::spawn(async move {
            committer.run().await;
            let _ = ended_sender.send(true);
        });
        let readers = Arc::new(Readers::start(&target, &closed));
        let limit = Arc::new(Limit::new(config.max_mib));
        if limit.is_set() {
            limit.look(&readers).await;
            tokio::spawn(Arc::clone(&limit).watch(Arc::clone(&readers), closed.clone()));
        }
        let guard = closed.clone().drop_guard();
        Ok(Self { target, node, jobs, heads, status, readers, limit, ended, closed, _closed: guard })
    }

    /// The processes that use this database, this one among them.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.readers.ask(listener::nodes).await
    }

    /// Host, port and database.
    pub fn name(&self) -> &str {
        self.target.name()
    }

    async fn tell<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn write(&self, request: Request) -> Result<Done, StoreError> {
        self.tell(|reply| Job::Write(Waiting::new(request, reply))).await
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), StoreError> {
        let (mut piece, mut weight) = (Vec::new(), 0);
        for record in records {
            weight += record.weight();
            piece.push(record);
            if piece.len() >= IMPORT.0 || weight >= IMPORT.1 {
                self.write(Request::Import(std::mem::take(&mut piece))).await?;
                weight = 0;
            }
        }
        if !piece.is_empty() {
            self.write(Request::Import(piece)).await?;
        }
        Ok(())
    }
}

/// The first connection, with some patience for a database that is just starting too.
async fn first(target: &Database) -> Result<Link, StoreError> {
    let (until, mut backoff) = (Instant::now() + START, Backoff::default());
    loop {
        let no = match Link::connect(target, &[], None).await {
            Ok(link) => return Ok(link),
            Err(no) => no,
        };
        let retry = backoff.next();
        if !no.passing {
            return Err(target.wrong(no.reason));
        }
        if retry >= until {
            return Err(target.away(&format!("{} (`store.url`)", no.reason)));
        }
        tracing::warn!(database = target.name(), reason = no.reason, "waiting for the database");
        sleep_until(retry).await;
    }
}

/// Says which of the server's settings could lose what was acknowledged.
async fn warn_of_risks(link: &Link, target: &Database) {
    let text = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'";
    for row in link.client.query(text, &[]).await.unwrap_or_default() {
        let setting = row.try_get::<_, String>(0).unwrap_or_default();
        tracing::warn!(
            database = target.name(),
            setting,
            "the server's setting is off: a power cut there can lose what was acknowledged"
        );
    }
}

impl Engine for PostgresEngine {
    fn get(&self, kind: &'static str, id: String) -> BoxFuture<'_, Result<Option<RawDocument>, StoreError>> {
        Box::pin(async move {
            super::keys::check(kind, &id)?;
            self.readers.ask(|link| reading::get(link, kind, &id)).await
        })
    }

    fn scan(&self, scan: RawScan) -> BoxFuture<'_, Result<RawPage, StoreError>> {
        Box::pin(async move { self.readers.ask(|link| reading::scan(link, &scan)).await })
    }

    fn commit(&self, ops: Vec<RawOp>) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move {
            plan::check(&ops)?;
            self.limit.allows(takes_in(&ops))?;
            self.write(Request::Commit(ops)).await.map(|done| done.receipt)
        })
    }

    fn allocate(&self, counter: &'static str) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.limit.allows(true)?;
            self.write(Request::Draw(counter)).await.map(|done| done.number)
        })
    }

    fn journal(
        &self,
        account: Account,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<JournalPage, StoreError>> {
        Box::pin(async move {
            let Ok(cursor) = i64::try_from(after) else { return Ok(JournalPage::default()) };
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let entries = self.readers.ask(|link| reading::entries(link, account, cursor, limit)).await?;
            reading::page(account, after, entries)
        })
    }

    fn journal_head(&self, account: Account) -> watch::Receiver<u64> {
        self.heads.follow(account)
    }

    fn is_healthy(&self) -> bool {
        self.status.is_healthy()
    }

    fn trouble(&self) -> Option<StoreError> {
        if self.status.is_full() { Some(StoreError::NoRoom) } else { self.limit.allows(true).err() }
    }

    fn size_on_disk(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.readers.ask(reading::size))
    }

    fn count(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(transfer::count(&self.target))
    }

    fn export(&self) -> BoxStream<'static, Result<Vec<Record>, StoreError>> {
        transfer::export(&self.target)
    }

    fn tap(&self) -> BoxFuture<'_, Result<mpsc::UnboundedReceiver<Vec<Record>>, StoreError>> {
        Box::pin(self.tell(Job::Tap))
    }

    fn exports_a_moment(&self) -> bool {
        true
    }

    fn others(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { Ok((self.nodes().await?.len() as u64).saturating_sub(1)) })
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.tell(Job::Settle))
    }

    fn import(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.import(records))
    }

    fn check(&self, tell: Tell) -> BoxFuture<'_, Result<Vec<Fault>, StoreError>> {
        Box::pin(checking::check(&self.target, tell))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.jobs.send(Job::Close).await;
            let _ = self.ended.clone().wait_for(|ended| *ended).await;
            if self.closed.is_cancelled() {
                return;
            }
            self.closed.cancel();
            if let Err(error) = listener::leave(&self.target, &self.node).await {
                tracing::debug!(%error, "the database was not told that this process ends");
            }
        })
    }
}
