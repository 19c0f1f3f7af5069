//! The database's files: opened, synced with their directory, and opened again after an error of the disk.

use super::layout;
use crate::store::StoreError;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Memory for what was read lately.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// How often the files are tried when another process has them.
const LOCK_ATTEMPTS: u32 = 20;
/// How long to wait between.
const LOCK_WAIT: Duration = Duration::from_millis(100);
/// How long readers wait for a database that is just being opened again.
const READERS_WAIT: Duration = Duration::from_secs(10);
/// Tries whether the disk takes anything.
const TRIAL: &str = "trial";
/// What sled needs to be opened and to take the next batches.
const TRIAL_BYTES: usize = 4 * 1024 * 1024;
/// How keys and values are laid out.
const FORMAT: [u8; 4] = 2u32.to_be_bytes();

/// A database that can be taken away from its readers and given back to them.
pub(super) struct Files {
    path: PathBuf,
    db: RwLock<Option<sled::Db>>,
    /// Counts how often it was opened again.
    opened: watch::Sender<u64>,
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
pub(super) fn failed(error: sled::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}

impl Files {
    /// Opens or creates the database.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let wrong = |detail: String| StoreError::Open { path: path.display().to_string(), detail };
        let db = open_db(path).map_err(wrong)?;
        check_format(&db).map_err(wrong)?;
        // Left by a run that ended in the midst of it, if it is there.
        let _ = fs::remove_file(path.join(TRIAL));
        Ok(Self { path: path.to_owned(), db: RwLock::new(Some(db)), opened: watch::Sender::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database; away while it is being opened again.
    pub(super) fn db(&self) -> Result<sled::Db, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        db.clone().ok_or_else(|| StoreError::Away("it is being opened again after an error".to_owned()))
    }

    /// The database for readers, which is waited for while it is just being opened again.
    pub(super) async fn reading(&self) -> Result<sled::Db, StoreError> {
        let mut opened = self.opened.subscribe();
        match self.db() {
            Err(StoreError::Away(_)) => {
                // Opened or not: what it is then is the answer.
                let _ = timeout(READERS_WAIT, opened.changed()).await;
                self.db()
            }
            other => other,
        }
    }

    /// Whether the disk takes as much as sled needs: writes it, and removes it again.
    pub(super) fn try_disk(&self) -> std::io::Result<()> {
        let path = self.path.join(TRIAL);
        let tried = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; TRIAL_BYTES])?;
            file.sync_all()
        });
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => tried.and(Err(error)),
            _ => tried,
        }
    }

    /// The file that sled writes to, for syncing.
    pub(super) fn file(&self) -> std::io::Result<File> {
        File::options().write(true).open(self.path.join("db"))
    }

    /// Lets go of the database.
    pub(super) fn close(&self) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Opens the database anew: after an error of the disk sled refuses everything, whatever the disk says now.
    pub(super) fn reopen(&self) -> Result<(), String> {
        self.close();
        let db = open_db(&self.path)?;
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
        self.opened.send_modify(|opened| *opened += 1);
        Ok(())
    }
}

/// Opens the files, waiting a little for whoever is just about to let go of them.
fn open_db(path: &Path) -> Result<sled::Db, String> {
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        let error = match stagebox_durable::open(path, CACHE_BYTES) {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        // sled has no kind of its own for a lock that is taken.
        let locked = matches!(&error, sled::Error::Io(io) if io.kind() == std::io::ErrorKind::Other);
        if !locked {
            return Err(error.to_string());
        }
        attempts -= 1;
        if attempts == 0 {
            return Err(format!("{error}; is another stagebox-cloud running on it?"));
        }
        std::thread::sleep(LOCK_WAIT);
    }
}

fn check_format(db: &sled::Db) -> Result<(), String> {
    let key = layout::format();
    match db.get(&key).map_err(|error| error.to_string())? {
        Some(format) if format.as_ref() == FORMAT => Ok(()),
        None if db.is_empty() => db.insert(key, &FORMAT).map(|_| ()).map_err(|error| error.to_string()),
        _ => Err("it was made by another version of stagebox-cloud, whose layout this one does not know"
            .to_owned()),
    }
}
