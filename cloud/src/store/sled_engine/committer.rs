//! The one thread that writes: it groups waiting batches and syncs once for all of them.

use super::record::Head;
use super::{failed, layout};
use crate::store::engine::{Expect, RawChange, RawOp, Receipt, StoreError};
use crate::store::journal::{Change, Entry};
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// Batches that share one sync.
const GROUP: usize = 256;
/// Old entries dropped with each batch that adds some, at most.
const JOURNAL_DROP: usize = 16;

/// Work for the committer.
pub(super) enum Job {
    /// Carries out a batch.
    Commit {
        /// The batch.
        ops: Vec<RawOp>,
        /// Told once it is on disk.
        reply: oneshot::Sender<Result<Receipt, StoreError>>,
    },
    /// Draws a number.
    Allocate {
        /// Of this counter.
        counter: &'static str,
        /// Told once it is on disk.
        reply: oneshot::Sender<Result<u64, StoreError>>,
    },
    /// Ends the committer after what came before.
    Close,
}

/// An answer that waits for the sync.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The committer's own state.
pub(super) struct Committer {
    db: sled::Db,
    file: File,
    seq: u64,
    oldest: u64,
    keep: u64,
    head: watch::Sender<u64>,
    healthy: Arc<AtomicBool>,
    /// Why nothing is written any more: after an error of the disk sled's state and the file's are unknown.
    broken: Option<String>,
}

impl Committer {
    /// Finds the journal's end and opens sled's own file for syncing.
    pub(super) fn new(
        db: sled::Db,
        path: &Path,
        keep: u64,
        healthy: Arc<AtomicBool>,
    ) -> Result<(Self, watch::Receiver<u64>), String> {
        // sled's flush starts the writing but does not wait for the disk; fdatasync on the same file does.
        let file = File::options().write(true).open(path.join("db")).map_err(|error| error.to_string())?;
        let edge = |found: Option<Result<(sled::IVec, sled::IVec), sled::Error>>| {
            found.transpose().map(|found| found.and_then(|(key, _)| layout::journal_seq(&key)))
        };
        let mut entries = db.range(layout::journal_range());
        let oldest = edge(entries.next()).map_err(|error| error.to_string())?;
        let last = edge(db.range(layout::journal_range()).next_back()).map_err(|error| error.to_string())?;
        let seq = last.unwrap_or(0);
        let (head, receiver) = watch::channel(seq);
        let oldest = oldest.unwrap_or(seq + 1);
        Ok((Self { db, file, seq, oldest, keep, head, healthy, broken: None }, receiver))
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut open = true;
        while open && let Some(first) = queue.blocking_recv() {
            let mut answers: Vec<Answer> = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next {
                open &= self.take(job, &mut answers);
                next = if answers.len() < GROUP && open { queue.try_recv().ok() } else { None };
            }
            let synced = match &self.broken {
                Some(reason) => Err(reason.clone()),
                None if answers.is_empty() => Ok(()),
                None => self.sync().inspect_err(|reason| self.break_off(reason)),
            };
            if synced.is_ok() {
                self.head.send_if_modified(|head| std::mem::replace(head, self.seq) != self.seq);
            }
            for answer in answers {
                answer(synced.clone().map_err(StoreError::Engine));
            }
        }
    }

    /// Applies a job; whoever asked is told at once if it failed, else after the sync.
    fn take(&mut self, job: Job, answers: &mut Vec<Answer>) -> bool {
        match job {
            Job::Close => return false,
            Job::Commit { ops, reply } => {
                let result = self.guarded(|committer| committer.apply(&ops));
                finish(result, reply, answers);
            }
            Job::Allocate { counter, reply } => {
                let result = self.guarded(|committer| committer.allocate(counter));
                finish(result, reply, answers);
            }
        }
        true
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(reason) = &self.broken {
            return Err(StoreError::Engine(reason.clone()));
        }
        let result = work(self);
        if let Err(StoreError::Engine(reason)) = &result {
            self.break_off(reason);
        }
        result
    }

    /// Refuses all further writes until the server is started again.
    fn break_off(&mut self, reason: &str) {
        tracing::error!(reason, "the store takes no more writes; free the disk and start the server again");
        self.healthy.store(false, Ordering::Relaxed);
        self.broken = Some(reason.to_owned());
    }

    fn sync(&self) -> Result<(), String> {
        self.db.flush().map_err(|error| error.to_string())?;
        self.file.sync_data().map_err(|error| error.to_string())
    }

    fn allocate(&mut self, counter: &str) -> Result<u64, StoreError> {
        let key = layout::counter(counter);
        let last = self.db.get(&key).map_err(failed)?;
        let last = last.and_then(|value| value.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes);
        self.db.insert(key, &(last + 1).to_be_bytes()).map_err(failed)?;
        Ok(last + 1)
    }

    fn apply(&mut self, ops: &[RawOp]) -> Result<Receipt, StoreError> {
        let mut batch = sled::Batch::default();
        let mut seen = HashSet::new();
        let mut taken = HashSet::new();
        let mut freed = HashSet::new();
        let mut receipt = Receipt::default();
        let mut seq = self.seq;
        let mut heads = Vec::with_capacity(ops.len());
        for op in ops {
            let key = layout::document(op.kind, &op.id)?;
            if !seen.insert(key.clone()) {
                return Err(StoreError::Key { detail: format!("two changes of {} in one batch", op.id) });
            }
            let old = self.db.get(&key).map_err(failed)?.map(|value| Head::decode(&value)).transpose()?;
            let fits = match op.expect {
                Expect::Any => true,
                Expect::Absent => old.is_none(),
                Expect::Version(version) => old.as_ref().is_some_and(|old| old.version == version),
            };
            if !fits {
                return Err(StoreError::Conflict { kind: op.kind, id: op.id.clone() });
            }
            if let Some(old) = &old {
                remove(&mut batch, op, old, &mut freed)?;
            }
            heads.push((key, old));
        }
        for (op, (key, old)) in ops.iter().zip(heads) {
            let version = old.as_ref().map_or(0, |old| old.version) + 1;
            match &op.write {
                Some(_) => self.write(&mut batch, op, key, version, (&mut taken, &freed))?,
                None => batch.remove(key),
            }
            receipt.versions.push(version);
            if let Some(change) = &op.journal {
                seq += 1;
                journal(&mut batch, op, change, old.is_some(), version, seq)?;
                receipt.last_seq = Some(seq);
            }
        }
        let oldest = self.trim(&mut batch, seq)?;
        self.db.apply_batch(batch).map_err(failed)?;
        (self.seq, self.oldest) = (seq, oldest);
        Ok(receipt)
    }

    fn write(
        &self,
        batch: &mut sled::Batch,
        op: &RawOp,
        key: Vec<u8>,
        version: u64,
        (taken, freed): (&mut HashSet<Vec<u8>>, &HashSet<Vec<u8>>),
    ) -> Result<(), StoreError> {
        let Some(write) = &op.write else { return Ok(()) };
        let (head, rest) = Head::split(version, write.indexes.clone(), &write.body)?;
        for index in &write.indexes {
            layout::check(&index.name, &op.id)?;
            let place = layout::index_entry(op.kind, &index.name, &index.key, index.unique, &op.id);
            let occupied =
                index.unique && !freed.contains(&place) && self.db.contains_key(&place).map_err(failed)?;
            if occupied || (!taken.insert(place.clone()) && index.unique) {
                return Err(StoreError::Taken { kind: op.kind, index: index.name.clone() });
            }
            batch.insert(place, op.id.as_bytes());
        }
        for (number, piece) in rest.into_iter().enumerate() {
            batch.insert(layout::chunk(op.kind, &op.id, version, number as u16)?, piece);
        }
        batch.insert(key, head.encode());
        Ok(())
    }

    /// Drops the oldest entries beyond what is kept, a few at a time.
    fn trim(&self, batch: &mut sled::Batch, seq: u64) -> Result<u64, StoreError> {
        let mut oldest = self.oldest;
        for _ in 0..JOURNAL_DROP {
            if seq < oldest + self.keep {
                break;
            }
            let key = layout::journal(oldest);
            if let Some(value) = self.db.get(&key).map_err(failed)? {
                for number in 0..Head::decode(&value)?.chunks {
                    batch.remove(layout::journal_chunk(&key, number));
                }
            }
            batch.remove(key);
            oldest += 1;
        }
        Ok(oldest)
    }
}

fn finish<T: Send + 'static>(
    result: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    answers: &mut Vec<Answer>,
) {
    match result {
        Ok(value) => answers.push(Box::new(move |synced| {
            let _ = reply.send(synced.map(|()| value));
        })),
        Err(error) => {
            let _ = reply.send(Err(error));
        }
    }
}

/// Takes back the index entries and chunks of the version that a change replaces.
fn remove(
    batch: &mut sled::Batch,
    op: &RawOp,
    old: &Head,
    freed: &mut HashSet<Vec<u8>>,
) -> Result<(), StoreError> {
    for index in &old.indexes {
        let place = layout::index_entry(op.kind, &index.name, &index.key, index.unique, &op.id);
        batch.remove(place.clone());
        freed.insert(place);
    }
    for number in 0..old.chunks {
        batch.remove(layout::chunk(op.kind, &op.id, old.version, number)?);
    }
    Ok(())
}

fn journal(
    batch: &mut sled::Batch,
    op: &RawOp,
    change: &RawChange,
    existed: bool,
    version: u64,
    seq: u64,
) -> Result<(), StoreError> {
    let entry = Entry {
        seq,
        at: change.at,
        actor: change.actor,
        kind: op.kind.to_owned(),
        id: op.id.clone(),
        change: match (existed, op.write.is_some()) {
            (false, true) => Change::Created,
            (true, true) => Change::Updated,
            (_, false) => Change::Deleted,
        },
        version,
        before: change.before.clone(),
        after: change.after.clone(),
    };
    let body = serde_json::to_vec(&entry).map_err(|source| StoreError::Encode { kind: op.kind, source })?;
    let (head, rest) = Head::split(0, Vec::new(), &body)?;
    let key = layout::journal(seq);
    for (number, piece) in rest.into_iter().enumerate() {
        batch.insert(layout::journal_chunk(&key, number as u16), piece);
    }
    batch.insert(key, head.encode());
    Ok(())
}
