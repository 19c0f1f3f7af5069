//! Media read from the store, kept in memory while they are asked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use object_store::path::Path;

/// Bytes that are kept at most.
const CAPACITY_BYTES: usize = 96 * 1024 * 1024;

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Path, (Bytes, u64)>,
    bytes: usize,
    /// Counts uses, so that the least recent one can be found.
    clock: u64,
}

/// The newest-used media.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Kept>);

impl Cache {
    pub(super) fn get(&self, path: &Path) -> Option<Bytes> {
        self.lock().find(path)
    }

    pub(super) fn insert(&self, path: Path, data: Bytes) {
        self.lock().insert(path, data, CAPACITY_BYTES);
    }

    /// Forgets what is not true any more.
    pub(super) fn remove(&self, path: &Path) {
        self.lock().remove(path);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, path: &Path) -> Option<Bytes> {
        self.clock += 1;
        let (data, used) = self.entries.get_mut(path)?;
        *used = self.clock;
        Some(data.clone())
    }

    fn remove(&mut self, path: &Path) {
        if let Some((data, _)) = self.entries.remove(path) {
            self.bytes -= data.len();
        }
    }

    fn insert(&mut self, path: Path, data: Bytes, capacity_bytes: usize) {
        if data.len() > capacity_bytes / 4 {
            return;
        }
        self.clock += 1;
        self.bytes += data.len();
        if let Some((old, _)) = self.entries.insert(path, (data, self.clock)) {
            self.bytes -= old.len();
        }
        while self.bytes > capacity_bytes {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone());
            let Some(oldest) = oldest else { return };
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut kept = Kept::default();
        let data = |len| Bytes::from(vec![0; len]);
        for name in ["a", "b", "c", "d"] {
            kept.insert(Path::from(name), data(25), 100);
        }
        assert!(kept.find(&Path::from("a")).is_some());
        kept.insert(Path::from("e"), data(25), 100);
        assert!(kept.find(&Path::from("b")).is_none());
        assert!(kept.find(&Path::from("a")).is_some());
        kept.insert(Path::from("huge"), data(26), 100);
        assert!(kept.find(&Path::from("huge")).is_none(), "one object never drives out the rest");
        assert_eq!(kept.bytes, 100);
        kept.remove(&Path::from("a"));
        assert_eq!(kept.bytes, 75);
    }
}
