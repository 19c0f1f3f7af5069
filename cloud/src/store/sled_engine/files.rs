//! The database's files: opened, synced with their directory, and opened again after an error of the disk.

use super::ballast::{Ballast, is_full};
use super::layout;
use crate::store::StoreError;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
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
/// What sled writes to.
const DATABASE: &str = "db";
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
    ballast: Mutex<Ballast>,
    /// Counts how often it was opened again.
    opened: watch::Sender<u64>,
}

pub(super) fn failed(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) if is_full(&error) => StoreError::NoRoom,
        error => StoreError::Engine(error.to_string()),
    }
}

impl Files {
    /// Opens or creates the database; where the disk is full, in the room that is held back.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let wrong = |detail: String| StoreError::Open { path: path.display().to_string(), detail };
        let mut ballast = Ballast::new(path);
        let opened = match open_db(path) {
            Err(sled::Error::Io(error)) if is_full(&error) => {
                ballast.release();
                open_db(path)
            }
            opened => opened,
        };
        let db = opened.map_err(|error| wrong(explain(&error)))?;
        check_format(&db).map_err(wrong)?;
        // Left by a run that ended in the midst of it, if it is there.
        let _ = fs::remove_file(path.join(TRIAL));
        let (db, ballast) = (RwLock::new(Some(db)), Mutex::new(ballast));
        Ok(Self { path: path.to_owned(), db, ballast, opened: watch::Sender::new(0) })
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
    pub(super) fn try_disk(&self) -> io::Result<()> {
        try_disk(&self.path)
    }

    /// Holds back the room that is needed to open the database again.
    ///
    /// # Errors
    /// When there is not enough; what there is is held back.
    pub(super) fn hold_room(&self) -> io::Result<()> {
        let database = fs::metadata(self.path.join(DATABASE)).map_or(0, |file| file.len());
        self.ballast().fill(database)
    }

    /// Gives back what was held back.
    pub(super) fn give_room(&self) {
        self.ballast().release();
    }

    fn ballast(&self) -> MutexGuard<'_, Ballast> {
        self.ballast.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that sled writes to, for syncing.
    pub(super) fn file(&self) -> io::Result<File> {
        File::options().write(true).open(self.path.join(DATABASE))
    }

    /// Lets go of the database.
    pub(super) fn close(&self) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Opens the database anew: after an error of the disk sled refuses everything, whatever the disk says now.
    pub(super) fn reopen(&self) -> Result<(), String> {
        self.close();
        let db = open_db(&self.path).map_err(|error| explain(&error))?;
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
        self.opened.send_modify(|opened| *opened += 1);
        Ok(())
    }
}

fn try_disk(folder: &Path) -> io::Result<()> {
    let path = folder.join(TRIAL);
    let tried = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; TRIAL_BYTES])?;
        file.sync_all()
    });
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tried.and(Err(error)),
        _ => tried,
    }
}

/// Opens the files, waiting a little for whoever is just about to let go of them.
fn open_db(path: &Path) -> sled::Result<sled::Db> {
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        attempts -= 1;
        match stagebox_durable::open(path, CACHE_BYTES) {
            Err(error) if attempts > 0 && is_locked(&error) => std::thread::sleep(LOCK_WAIT),
            opened => return opened,
        }
    }
}

/// sled has no kind of its own for a lock that is taken.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(io) if io.kind() == io::ErrorKind::Other)
}

fn explain(error: &sled::Error) -> String {
    let hint = if is_locked(error) { "; is another stagebox-cloud running on it?" } else { "" };
    format!("{error}{hint}")
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
