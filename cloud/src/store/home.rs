//! The embedded store's directory: generations of the database, of which one is current.
//!
//! A rewrite fills the next generation while the current one is used, and then names it in
//! `CURRENT`, which is replaced as a whole and synced. What is not current is removed.

use super::copy::{Target, weight};
use super::engine::Engine;
use super::error::StoreError;
use super::progress::Progress;
use super::sled_engine::{SledEngine, SledOptions};
use super::{Store, seat::Seat};
use crate::clock::Clock;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names the current generation.
const CURRENT: &str = "CURRENT";
/// Below this a rewrite is not worth it: sled takes its files in pieces of some MiB.
const WORTH_BYTES: u64 = 64 * 1024 * 1024;
/// The disk may hold this many times the live bytes.
const MAX_RATIO: u64 = 4;

/// Where the generations lie.
#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    options: SledOptions,
    generation: AtomicU64,
}

impl Home {
    /// Opens or makes the directory and clears it of what a rewrite that broke off left.
    pub(super) fn open(root: &Path, options: SledOptions) -> io::Result<Self> {
        stagebox_durable::make_folder(root)?;
        let generation = match fs::read_to_string(root.join(CURRENT)) {
            Ok(text) => text.trim().parse().map_err(|_| {
                io::Error::other(format!("{CURRENT} in it must hold a number, not {:?}", text.trim()))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 1,
            Err(error) => return Err(error),
        };
        let home = Self { root: root.to_owned(), options, generation: AtomicU64::new(generation) };
        home.clear()?;
        Ok(home)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn path(&self, generation: u64) -> PathBuf {
        self.root.join(generation.to_string())
    }

    pub(super) fn open_current(&self) -> Result<SledEngine, StoreError> {
        SledEngine::open(&self.path(self.generation()), self.options)
    }

    /// An empty database beside the current one.
    fn open_next(&self) -> Result<SledEngine, StoreError> {
        let path = self.path(self.generation() + 1);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.wrong(&error)),
            _ => SledEngine::open(&path, self.options),
        }
    }

    /// Makes the next generation the current one, durably.
    fn advance(&self) -> io::Result<()> {
        let next = self.generation() + 1;
        let beside = self.root.join("CURRENT.part");
        let mut file = File::create(&beside)?;
        writeln!(file, "{next}")?;
        file.sync_all()?;
        fs::rename(&beside, self.root.join(CURRENT))?;
        File::open(&self.root)?.sync_all()?;
        self.generation.store(next, Ordering::Release);
        Ok(())
    }

    /// Removes all generations but the current one.
    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number.is_some_and(|number| number != self.generation()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn wrong(&self, error: &io::Error) -> StoreError {
        StoreError::Open { path: self.root.display().to_string(), detail: error.to_string() }
    }
}

/// Whether the disk holds so much more than it must that a rewrite is worth it.
fn is_due(on_disk: u64, live: u64) -> bool {
    on_disk > WORTH_BYTES && on_disk > live.saturating_mul(MAX_RATIO)
}

impl Store {
    /// Opens or creates the embedded store, which can be rewritten while it is in use.
    pub fn open_home(root: &Path, options: SledOptions, clock: Clock) -> Result<Self, StoreError> {
        let home = Home::open(root, options).map_err(|error| StoreError::Open {
            path: root.display().to_string(),
            detail: error.to_string(),
        })?;
        let engine = home.open_current()?;
        let mut store = Self::new(Arc::new(engine), clock);
        store.seat = Arc::new(Seat::new(store.seat.engine(), Some(home)));
        Ok(store)
    }

    /// Writes the embedded store anew without what it holds no more; returns bytes on disk before and after.
    pub async fn rewrite(&self, progress: &Progress) -> Result<(u64, u64), StoreError> {
        let Some(home) = self.seat.home() else {
            return Err(StoreError::Unsupported(
                "only the embedded store is rewritten: PostgreSQL cleans up by itself (autovacuum)",
            ));
        };
        let before = self.size_on_disk().await?;
        let engine: Arc<dyn Engine> = Arc::new(home.open_next()?);
        let target = Target { engine: Arc::clone(&engine), name: "the next generation".into(), mark: false };
        let sealed = async || home.advance().map_err(|error| home.wrong(&error));
        let moved = self.move_to(target, progress, sealed).await;
        if moved.is_err() {
            engine.close().await;
        }
        drop(engine);
        home.clear().map_err(|error| home.wrong(&error))?;
        moved?;
        Ok((before, self.size_on_disk().await?))
    }

    /// Rewrites the embedded store if its disk holds over four times what it must; tells whether it did.
    pub async fn rewrite_if_due(&self, progress: &Progress) -> Result<bool, StoreError> {
        if self.seat.home().is_none() || self.size_on_disk().await? <= WORTH_BYTES {
            return Ok(false);
        }
        let live = weight(&*self.seat.engine()).await?;
        let due = is_due(self.size_on_disk().await?, live);
        if due {
            let (before, after) = self.rewrite(progress).await?;
            tracing::info!(before, after, live, "the store has been rewritten");
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_large_store_with_much_waste_is_rewritten() {
        const MIB: u64 = 1024 * 1024;
        assert!(!is_due(60 * MIB, MIB));
        assert!(!is_due(400 * MIB, 100 * MIB));
        assert!(is_due(401 * MIB, 100 * MIB));
    }

    #[test]
    fn what_a_broken_off_rewrite_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["1", "2", "7", "notes"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join(CURRENT), "2\n").unwrap();
        let home = Home::open(directory.path(), SledOptions::default()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["2", CURRENT, "notes"]);
        home.advance().unwrap();
        assert_eq!(fs::read_to_string(directory.path().join(CURRENT)).unwrap(), "3\n");
        fs::write(directory.path().join(CURRENT), "two").unwrap();
        let error = Home::open(directory.path(), SledOptions::default()).unwrap_err().to_string();
        assert!(error.contains("CURRENT") && error.contains("two"), "{error}");
    }
}
