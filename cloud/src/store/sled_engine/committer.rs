//! The one thread that writes: it groups waiting batches and syncs once for all of them.

use super::apply::{self, Applied};
use super::files::{Files, failed};
use super::heads;
use super::health::{Broken, Health};
use super::layout;
use super::pending::{Pending, View};
use super::space::Space;
use crate::store::editions::{self, Editions};
use crate::store::engine::{RawOp, Receipt, takes_in};
use crate::store::heads::{Heads, Journal};
use crate::store::{Account, Record, StoreError};
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Batches that share one sync.
const GROUP: usize = 256;
/// Bytes of a group after which it is written, whoever else waits.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Whom an answer goes to.
type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Work for the committer; each reply is told once what it asked for is on disk.
pub(super) enum Job {
    /// Carries out a batch.
    Commit { ops: Vec<RawOp>, reply: Reply<Receipt> },
    /// Draws a number.
    Allocate { counter: &'static str, reply: Reply<u64> },
    /// Writes records as they are.
    Import { records: Vec<Record>, reply: Reply<()> },
    /// Tells what is written from now on.
    Tap { reply: Reply<mpsc::UnboundedReceiver<Vec<Record>>> },
    /// Waits for what came before.
    Settle { reply: Reply<()> },
    /// Ends the committer after what came before.
    Close,
}

/// An answer that waits for the sync.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The committer's own state.
pub(super) struct Committer {
    files: Arc<Files>,
    file: File,
    journals: HashMap<Account, Journal>,
    /// Entries that a journal keeps.
    keep: u64,
    heads: Heads,
    space: Space,
    health: Arc<Health>,
    editions: Editions,
    /// The database has met no error since it was opened: what it shows is what the disk has.
    clean: bool,
    taps: Vec<mpsc::UnboundedSender<Vec<Record>>>,
    /// What this group writes.
    pending: Pending,
    /// What the taps are told once it is on disk.
    told: Vec<Record>,
}

impl Committer {
    /// Finds the journals' ends and opens sled's own file for syncing.
    pub(super) fn new(
        files: Arc<Files>,
        keep: u64,
        space: Space,
        heads: Heads,
        health: Arc<Health>,
        editions: Editions,
    ) -> Result<Self, StoreError> {
        let db = files.db()?;
        // sled's flush starts the writing but does not wait for the disk; fdatasync on the same file does.
        let file = files.file().map_err(|error| StoreError::Engine(error.to_string()))?;
        let journals = heads::read(&db)?;
        heads.tell(&journals);
        // Without it nothing is written, so that what is there can be read whatever happens.
        health.set(files.hold_room().err().map(|error| Broken::by_disk(&error)));
        Ok(Self {
            files,
            file,
            journals,
            keep,
            heads,
            space,
            health,
            editions,
            clean: true,
            taps: Vec::new(),
            pending: Pending::default(),
            told: Vec::new(),
        })
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut open = true;
        while open && let Some(first) = queue.blocking_recv() {
            self.look();
            self.space.look(self.files.path());
            let mut answers: Vec<Answer> = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next {
                open &= self.take(job, &mut answers);
                let more = open && answers.len() < GROUP && self.pending.bytes() < GROUP_BYTES;
                next = if more { queue.try_recv().ok() } else { None };
            }
            self.finish(answers);
        }
        self.files.close();
    }

    /// Finds out whether writes can be taken.
    fn look(&mut self) {
        if self.health.broken().is_some() || self.files.hold_room().is_err() {
            self.repair();
        }
    }

    /// Writes and syncs the group, tells the taps and the journals' readers, and answers.
    fn finish(&mut self, answers: Vec<Answer>) {
        let pending = std::mem::take(&mut self.pending);
        let synced = match self.health.broken() {
            Some(broken) => Err(broken),
            None if answers.is_empty() => Ok(()),
            None => self.write(pending).map_err(|error| self.break_off(&error)),
        };
        if !self.clean {
            // At once: readers wait for it.
            self.repair();
        }
        let told = std::mem::take(&mut self.told);
        if synced.is_ok() {
            self.heads.tell(&self.journals);
            if !told.is_empty() {
                self.taps.retain(|tap| tap.send(told.clone()).is_ok());
            }
        }
        for answer in answers {
            answer(synced.as_ref().copied().map_err(Broken::error));
        }
    }

    /// Applies a job; whoever asked is told at once if it failed, else after the sync.
    fn take(&mut self, job: Job, answers: &mut Vec<Answer>) -> bool {
        match job {
            Job::Close => return false,
            Job::Commit { ops, reply } => {
                let result = self.guarded(takes_in(&ops), |committer| committer.commit(&ops));
                settle(result, reply, answers);
            }
            Job::Allocate { counter, reply } => {
                let result = self.guarded(true, |committer| committer.allocate(counter));
                settle(result, reply, answers);
            }
            Job::Import { records, reply } => {
                let creates = records.iter().any(Record::takes_room);
                let result = self.guarded(creates, |committer| committer.import(records));
                settle(result, reply, answers);
            }
            Job::Tap { reply } => {
                let (sender, receiver) = mpsc::unbounded_channel();
                self.taps.push(sender);
                settle(Ok(receiver), reply, answers);
            }
            Job::Settle { reply } => settle(Ok(()), reply, answers),
        }
        true
    }

    fn guarded<T>(
        &mut self,
        creates: bool,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(broken) = self.health.broken() {
            return Err(broken.error());
        }
        self.space.allows(creates)?;
        work(self).map_err(|error| match error {
            StoreError::Engine(_) | StoreError::NoRoom => self.break_off(&error).error(),
            error => error,
        })
    }

    /// Refuses what is left of this group, after which the database is opened anew.
    fn break_off(&mut self, error: &StoreError) -> Broken {
        tracing::error!(%error, "the store's disk failed; the store is opened again");
        let tried = self.files.try_disk().err().map(|error| Broken::by_disk(&error));
        let broken = tried.unwrap_or_else(|| Broken::by_engine(error));
        self.clean = false;
        self.health.set(Some(broken.clone()));
        broken
    }

    /// Opens the database as the disk has it, which is at least what was acknowledged, and finds out whether it takes
    /// writes.
    ///
    /// On a full disk it is opened in the room that is held back, for readers alone. Where the disk takes nothing even
    /// then it is left as it is: what is closed and cannot be opened again cannot be read at all.
    fn repair(&mut self) {
        let mut broken = self.room().err();
        // sled also writes by itself, and keeps to itself that it failed until it is asked.
        self.clean = self.clean && self.files.db().is_ok_and(|db| db.flush().is_ok());
        if !self.clean && broken.as_ref().is_some_and(Broken::is_full) {
            self.files.give_room();
            self.clean = self.files.try_disk().is_ok() && self.reopen().is_ok();
            // Others may want it too.
            let _ = self.files.hold_room();
        } else if !self.clean && broken.is_none() {
            broken = self.reopen().map_err(|reason| Broken::by(&reason)).err();
            self.clean = broken.is_none();
        }
        if broken.is_none() {
            tracing::info!("the store takes writes again");
        }
        self.health.set(broken);
    }

    /// Whether the disk has room for writes, beside what is held back.
    fn room(&self) -> Result<(), Broken> {
        let found = self.files.hold_room().and_then(|()| self.files.try_disk());
        found.map_err(|error| Broken::by_disk(&error))
    }

    fn reopen(&mut self) -> Result<(), String> {
        let reopened = self.files.reopen().and_then(|()| {
            let file = self.files.file().map_err(|error| error.to_string())?;
            let db = self.files.db().map_err(|error| error.to_string())?;
            let journals = heads::read(&db).map_err(|error| error.to_string())?;
            Ok((file, journals))
        });
        let opened = reopened.map(|opened| (self.file, self.journals) = opened);
        self.editions.all_changed();
        match &opened {
            Ok(()) => tracing::info!("the store has been opened again"),
            Err(reason) => {
                tracing::error!(reason, "the store cannot be opened again; this is tried once more");
            }
        }
        opened
    }

    fn write(&self, pending: Pending) -> Result<(), StoreError> {
        let (db, places) = (self.files.db()?, pending.places());
        let applied = pending.apply(&db);
        self.editions.changed(places);
        applied?;
        db.flush().map_err(failed)?;
        self.file.sync_data().map_err(|error| failed(error.into()))
    }

    fn allocate(&mut self, counter: &str) -> Result<u64, StoreError> {
        let (db, key) = (self.files.db()?, layout::counter(counter));
        let last = View { db: &db, pending: &self.pending }.get(&key)?;
        let last = last.and_then(|value| value.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes);
        self.pending.add(vec![(key, Some((last + 1).to_be_bytes().to_vec()))]);
        if !self.taps.is_empty() {
            self.told.push(Record::Counter { name: counter.to_owned(), value: last + 1 });
        }
        Ok(last + 1)
    }

    fn commit(&mut self, ops: &[RawOp]) -> Result<Receipt, StoreError> {
        let db = self.files.db()?;
        let view = View { db: &db, pending: &self.pending };
        let Applied { changes, receipt, journals, records } =
            apply::batch(view, ops, &self.journals, self.keep, !self.taps.is_empty())?;
        self.pending.add(changes);
        self.pending.touch(editions::places(ops));
        self.journals.extend(journals);
        self.told.extend(records);
        Ok(receipt)
    }

    fn import(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        let db = self.files.db()?;
        // Before any of them: what came before one that cannot be written is written all the same.
        self.pending.touch(u64::MAX);
        for record in &records {
            let view = View { db: &db, pending: &self.pending };
            let changes = super::transfer::import(view, record, &mut self.journals)?;
            self.pending.add(changes);
        }
        if !self.taps.is_empty() {
            self.told.extend(records);
        }
        Ok(())
    }
}

fn settle<T: Send + 'static>(result: Result<T, StoreError>, reply: Reply<T>, answers: &mut Vec<Answer>) {
    match result {
        Ok(value) => answers.push(Box::new(move |synced| {
            let _ = reply.send(synced.map(|()| value));
        })),
        Err(error) => {
            let _ = reply.send(Err(error));
        }
    }
}
