//! The media's handle: what is put is kept, whatever the store does.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: a store that does not answer is waited for only so long"
)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::{Mutex, Notify};
use url::Url;

use super::cache::Cache;
use super::error::{Fault, MediaError, explain};
use super::flights::Flights;
use super::s3::{self, Bucket};
use super::spool::{Order, Spool, Status, Waiting, Worth};
use super::tally::Tally;
use super::upload::{Source, UploadError, upload};
use super::{tree, trouble};
use crate::alarm::Alarms;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::FileRange;

/// How long a viewer waits for a store that is known to be away.
const AWAY_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of media that are kept in memory.
const CACHE_BYTES: usize = 96 * 1024 * 1024;
/// Files that are kept open: what somebody else deletes takes disk until then.
const OPEN_FILES: usize = 256;
/// Files that are opened at a time, at most.
const OPENING: usize = 16;
/// What is tried when something is read.
const READING: &str = "read from it";

/// Media, in the store or on their way to it; cloned freely.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    store: Arc<dyn ObjectStore>,
    bucket: Option<Bucket>,
    /// The directory that the store is, if it is one.
    root: Option<PathBuf>,
    place: String,
    cache: Cache<Bytes>,
    open: Cache<FileRange>,
    /// Held by whoever opens a file, each by some paths.
    opening: [Mutex<()>; OPENING],
    flights: Flights,
    tally: Tally,
    spool: Spool,
    alarms: Alarms,
    clock: Clock,
    work: Notify,
}

impl Media {
    /// Opens what the configuration names, and takes up what has been waiting; nothing is sent yet.
    ///
    /// # Errors
    /// A directory or key file cannot be used; the store itself is not asked.
    pub fn open(config: &Config, alarms: Alarms, clock: Clock) -> Result<Self, MediaError> {
        let root = tree::files_root(config);
        let (store, bucket, place): (Arc<dyn ObjectStore>, _, _) = match &root {
            Some(root) => (files(root)?, None, format!("directory {}", root.display())),
            None => {
                let bucket = s3::open(&config.media)?;
                (bucket.store(), Some(bucket), s3::place(&config.media))
            }
        };
        let directory = config.data_dir.join("spool/media");
        let limit_bytes = config.media.spool_limit_mib * 1024 * 1024;
        let spool = Spool::open(&directory, limit_bytes, clock.instant())?;
        Ok(Self::over(store, bucket, root, place, spool, alarms, clock))
    }

    pub(super) fn over(
        store: Arc<dyn ObjectStore>,
        bucket: Option<Bucket>,
        root: Option<PathBuf>,
        place: String,
        spool: Spool,
        alarms: Alarms,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            bucket,
            root,
            place,
            cache: Cache::new(CACHE_BYTES),
            open: Cache::new(OPEN_FILES),
            opening: std::array::from_fn(|_| Mutex::default()),
            flights: Flights::default(),
            tally: Tally::default(),
            spool,
            alarms,
            clock,
            work: Notify::new(),
        }))
    }

    /// Keeps an object: it is on a disk of this machine or in the store when this returns.
    ///
    /// # Errors
    /// There is no room for it, or the disk failed: it is not kept.
    pub(crate) async fn put(&self, path: &Path, data: Bytes, worth: Worth) -> Result<(), MediaError> {
        self.forget(path);
        let bytes = data.len() as u64;
        let put = self.try_put(path, data, worth).await;
        if put.is_ok() {
            self.0.tally.put(path, bytes);
        }
        // Whoever read meanwhile may have seen what was there before.
        self.forget(path);
        put
    }

    async fn try_put(&self, path: &Path, data: Bytes, worth: Worth) -> Result<(), MediaError> {
        let inner = &self.0;
        if self.goes_directly(path) {
            match upload(&*inner.store, path, &Source::Memory(data.clone())).await {
                Ok(()) => return Ok(()),
                Err(UploadError::Store(error)) => {
                    tracing::debug!(%path, %error, "the spool takes it instead");
                }
                Err(UploadError::Source(error)) => return Err(error),
                Err(UploadError::Gone) => return Err(MediaError::Task),
            }
        }
        let put = inner.spool.put(inner.clock.instant(), path, Order::Put(worth), data).await;
        inner.work.notify_one();
        self.tell();
        put
    }

    /// Reads a whole object, from memory if it was asked for lately; `None` if there is none.
    ///
    /// All who ask while it is read wait for that one read.
    pub(crate) async fn get(&self, path: &Path) -> Result<Option<Bytes>, MediaError> {
        match self.0.spool.find(path, 0..u64::MAX).await? {
            Waiting::Here(data) => return Ok(Some(data)),
            Waiting::Deleted => return Ok(None),
            Waiting::Nothing => {}
        }
        if let Some(found) = self.0.cache.get(path) {
            return Ok(Some(found));
        }
        let read = self.0.flights.read(self, &self.0.cache, path).await;
        read.map_err(|fault| self.unread(fault))
    }

    /// What was read or remembered lately.
    pub(crate) fn remembered(&self, path: &Path) -> Option<Bytes> {
        self.0.cache.get(path)
    }

    /// Keeps in memory what another process gave and never changes.
    pub(crate) fn remember(&self, path: Path, data: Bytes) {
        let bytes = data.len();
        self.0.cache.insert(path, data, bytes);
    }

    /// Reads a whole object that may have been replaced meanwhile; `None` if there is none.
    pub(crate) async fn get_anew(&self, path: &Path) -> Result<Option<Bytes>, MediaError> {
        match self.0.spool.find(path, 0..u64::MAX).await? {
            Waiting::Here(data) => Ok(Some(data)),
            Waiting::Deleted => Ok(None),
            Waiting::Nothing => self.stored(path).await.map_err(|fault| self.unread(fault)),
        }
    }

    /// Reads a part of an object, and no more than that; `None` if there is none.
    pub(crate) async fn range(&self, path: &Path, range: Range<u64>) -> Result<Option<Bytes>, MediaError> {
        match self.0.spool.find(path, range.clone()).await? {
            Waiting::Here(data) => return Ok(Some(data)),
            Waiting::Deleted => return Ok(None),
            Waiting::Nothing => {}
        }
        self.read(self.0.store.get_range(path, range)).await.map_err(|fault| self.unread(fault))
    }

    /// How long an object is; `None` if there is none.
    pub(crate) async fn length(&self, path: &Path) -> Result<Option<u64>, MediaError> {
        if let Some(job) = self.0.spool.ledger().find(path) {
            return Ok((job.order != Order::Delete).then_some(job.bytes));
        }
        let read = self.read(self.0.store.head(path)).await.map_err(|fault| self.unread(fault))?;
        Ok(read.map(|meta| meta.size))
    }

    /// Removes an object, now or when the store is back; one that is gone already is as good.
    ///
    /// # Errors
    /// The disk of this machine failed: it is still there.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), MediaError> {
        self.forget(path);
        // A store that is away does not say: the next count of all sets it right.
        let there = self.length(path).await.ok().flatten();
        let deleted = self.try_delete(path).await;
        if let (Ok(()), Some(bytes)) = (&deleted, there) {
            self.0.tally.deleted(path, bytes);
        }
        self.forget(path);
        deleted
    }

    async fn try_delete(&self, path: &Path) -> Result<(), MediaError> {
        let inner = &self.0;
        let taken_back = inner.spool.ledger().take_back(path);
        if let Some(job) = taken_back {
            inner.spool.remove(&job);
            self.tell();
            return Ok(());
        }
        if self.goes_directly(path) {
            match inner.store.delete(path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => return Ok(()),
                Err(error) => tracing::debug!(%path, %error, "it is deleted later"),
            }
        }
        let noted = inner.spool.put(inner.clock.instant(), path, Order::Delete, Bytes::new()).await;
        inner.work.notify_one();
        noted
    }

    /// The objects below a place, in the store and on their way to it.
    ///
    /// # Errors
    /// The store cannot be asked, so that nobody knows what is in it.
    pub(crate) async fn list(&self, below: &Path) -> Result<Vec<Path>, MediaError> {
        Ok(self.listed(below).await?.into_keys().collect())
    }

    /// An address by which anybody can read one object from the store itself until `lifetime` is over.
    ///
    /// `None` if the store is no S3 server, or the object has not reached it yet.
    pub(crate) async fn download_url(
        &self,
        path: &Path,
        lifetime: Duration,
    ) -> Result<Option<Url>, MediaError> {
        let Some(bucket) = &self.0.bucket else { return Ok(None) };
        if self.0.spool.ledger().find(path).is_some() {
            return Ok(None);
        }
        let signed = bucket.signed_url(path, lifetime).await;
        signed.map(Some).map_err(|error| self.wrong(&error, "sign addresses"))
    }

    /// Refuses a new broadcast when nothing of it could be kept.
    pub(crate) fn check_room(&self) -> Result<(), MediaError> {
        let inner = &self.0;
        let reaches = inner.spool.ledger().is_here();
        if reaches || inner.spool.has_room() {
            return Ok(());
        }
        let words = "the media store is away and this machine's disk is full, so that nothing could be kept: \
                     make room on it, or bring the media store back";
        Err(MediaError::NoRoom(words.to_owned()))
    }

    /// What waits for the store.
    pub(crate) fn status(&self) -> Status {
        self.0.spool.ledger().status()
    }

    /// Writes to a disk of this machine need no detour, unless it failed or an older order waits.
    fn goes_directly(&self, path: &Path) -> bool {
        let ledger = self.0.spool.ledger();
        self.0.root.is_some() && ledger.is_here() && ledger.find(path).is_none()
    }

    /// Lets go of what is not true any more.
    fn forget(&self, path: &Path) {
        self.0.flights.forget(path);
        self.0.cache.remove(path);
        self.0.open.remove(path);
    }

    pub(super) async fn stored(&self, path: &Path) -> Result<Option<Bytes>, Fault> {
        self.read(async { self.0.store.get(path).await?.bytes().await }).await
    }

    /// Carries out a reading request; one to a store that is away must not keep a viewer for long.
    async fn read<T>(
        &self,
        request: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<Option<T>, Fault> {
        let is_here = self.0.spool.ledger().is_here();
        let read = if is_here {
            request.await
        } else {
            let limited = tokio::time::timeout(AWAY_LIMIT, request).await;
            limited.map_err(|_| Fault::Away("it does not answer".to_owned()))?
        };
        match read {
            Ok(read) => Ok(Some(read)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(explain(&error, READING)),
        }
    }

    fn unread(&self, fault: Fault) -> MediaError {
        fault.into_error(&self.0.place, READING)
    }

    pub(super) fn wrong(&self, error: &object_store::Error, doing: &'static str) -> MediaError {
        explain(error, doing).into_error(&self.0.place, doing)
    }

    /// What came and went since it was last asked.
    pub(crate) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.0.store
    }

    pub(super) fn flights(&self) -> &Flights {
        &self.0.flights
    }

    pub(super) fn open_files(&self) -> &Cache<FileRange> {
        &self.0.open
    }

    /// What whoever opens the file of an object holds.
    pub(super) fn opening(&self, path: &Path) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        &self.0.opening[(hasher.finish() % OPENING as u64) as usize]
    }

    pub(super) fn place(&self) -> &str {
        &self.0.place
    }

    pub(super) fn root(&self) -> Option<&FilePath> {
        self.0.root.as_deref()
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.0.spool
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Resolves when there may be something to send.
    pub(super) async fn work(&self) {
        self.0.work.notified().await;
    }

    /// Raises and clears the alarms by what waits now.
    pub(super) fn tell(&self) {
        for (name, words) in trouble::alarms(&self.0.place, self.status()) {
            match words {
                Some(words) => self.0.alarms.raise(name, words),
                None => self.0.alarms.clear(name),
            }
        }
    }
}

fn files(root: &FilePath) -> Result<Arc<dyn ObjectStore>, MediaError> {
    let wrong = |detail: String| MediaError::Config {
        field: "media.directory",
        detail: format!("{}: {detail}", root.display()),
    };
    stagebox_durable::make_folder(root).map_err(|error| wrong(error.to_string()))?;
    let files = LocalFileSystem::new_with_prefix(root).map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(files.with_fsync(true)))
}
