//! The agent's embedded store, and the one way to know that a write is on disk.
//!
//! sled's own flush hands the data to the kernel but does not wait for the
//! disk; [`Durable::sync`] does. Callers that come while one sync runs share the next.

use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

/// Why the store failed, and where.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DurableError {
    #[error("cannot open the store in {path} (data_dir): {reason}; is another agent running on it?")]
    Open { path: PathBuf, reason: String },
    #[error("cannot write to the store: {0}")]
    Write(#[from] sled::Error),
    #[error("cannot bring the store to disk: {0}")]
    Sync(String),
}

/// Memory for what was read lately.
const CACHE_BYTES: u64 = 8 << 20;

type Waiter = oneshot::Sender<Result<(), DurableError>>;

/// A handle to the store; clones are the same store.
#[derive(Debug, Clone)]
pub struct Durable {
    db: sled::Db,
    sync: mpsc::Sender<Waiter>,
}

impl Durable {
    /// Opens the store in `<dir>/store`, making it if there is none.
    pub fn open(dir: &Path) -> Result<Self, DurableError> {
        let path = dir.join("store");
        let failed = |reason: String| DurableError::Open { path: path.clone(), reason };
        let db = stagebox_durable::open(&path, CACHE_BYTES).map_err(|error| failed(error.to_string()))?;
        let file = File::open(path.join("db")).map_err(|error| failed(error.to_string()))?;
        let (sync, waiters) = mpsc::channel(64);
        let committer = db.clone();
        std::thread::Builder::new()
            .name("store-sync".to_owned())
            .spawn(move || commit_loop(&committer, &file, waiters))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { db, sync })
    }

    /// A named tree of the store.
    pub fn tree(&self, name: &str) -> Result<sled::Tree, DurableError> {
        Ok(self.db.open_tree(name)?)
    }

    /// Returns when everything written before the call is on disk.
    pub async fn sync(&self) -> Result<(), DurableError> {
        let (done, wait) = oneshot::channel();
        let gone = || DurableError::Sync("the store is closed".to_owned());
        self.sync.send(done).await.map_err(|_| gone())?;
        wait.await.map_err(|_| gone())?
    }

    /// As [`Self::sync`], for a thread that may wait; a task may not.
    pub fn blocking_sync(&self) -> Result<(), DurableError> {
        let (done, wait) = oneshot::channel();
        let gone = || DurableError::Sync("the store is closed".to_owned());
        self.sync.blocking_send(done).map_err(|_| gone())?;
        wait.blocking_recv().map_err(|_| gone())?
    }
}

/// Why a record could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error("what was kept is not readable: {0}")]
    Shape(#[from] serde_json::Error),
}

/// What the store has one of.
pub trait Record: Serialize + DeserializeOwned + Default {
    /// The tree that it is alone in.
    const TREE: &'static str;
}

/// One record of the store; clones are the same.
#[derive(Debug)]
pub struct Kept<T> {
    durable: Durable,
    tree: sled::Tree,
    record: PhantomData<fn(T) -> T>,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { durable: self.durable.clone(), tree: self.tree.clone(), record: PhantomData }
    }
}

impl<T: Record> Kept<T> {
    const KEY: &'static str = "record";

    pub fn open(durable: &Durable) -> Result<Self, KeptError> {
        Ok(Self { tree: durable.tree(T::TREE)?, durable: durable.clone(), record: PhantomData })
    }

    /// What was kept last; the default if nothing was.
    pub fn load(&self) -> Result<T, KeptError> {
        match self.tree.get(Self::KEY).map_err(DurableError::from)? {
            Some(json) => Ok(serde_json::from_slice(&json)?),
            None => Ok(T::default()),
        }
    }

    /// Returns when the record is on disk.
    pub async fn keep(&self, record: &T) -> Result<(), KeptError> {
        let json = serde_json::to_vec(record)?;
        self.tree.insert(Self::KEY, json).map_err(DurableError::from)?;
        Ok(self.durable.sync().await?)
    }
}

fn commit_loop(db: &sled::Db, file: &File, mut waiters: mpsc::Receiver<Waiter>) {
    while let Some(first) = waiters.blocking_recv() {
        let mut group = vec![first];
        group.extend(std::iter::from_fn(|| waiters.try_recv().ok()));
        let result = commit(db, file);
        for waiter in group {
            // A caller that has gone away does not need the answer.
            let _ = waiter.send(result.clone());
        }
    }
}

fn commit(db: &sled::Db, file: &File) -> Result<(), DurableError> {
    db.flush()?;
    file.sync_data().map_err(|error| DurableError::Sync(error.to_string()))
}
