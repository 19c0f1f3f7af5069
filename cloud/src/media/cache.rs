//! Media read from the store, kept in memory while they are asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

/// Bytes that are kept at most.
const CAPACITY_BYTES: usize = 96 * 1024 * 1024;

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Path, (Bytes, u64)>,
    bytes: usize,
    /// Counts uses, so that the least recent one can be found.
    clock: u64,
}

/// The newest-used media; cloned freely.
#[derive(Debug, Clone)]
pub(crate) struct MediaCache {
    media: Arc<dyn ObjectStore>,
    kept: Arc<Mutex<Kept>>,
    capacity_bytes: usize,
}

impl MediaCache {
    pub(crate) fn new(media: Arc<dyn ObjectStore>) -> Self {
        Self { media, kept: Arc::default(), capacity_bytes: CAPACITY_BYTES }
    }

    /// Reads a whole object; `None` if there is none.
    pub(crate) async fn get(&self, path: &Path) -> Result<Option<Bytes>, object_store::Error> {
        if let Some(found) = self.lock().find(path) {
            return Ok(Some(found));
        }
        let data = match self.media.get(path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.lock().insert(path.clone(), data.clone(), self.capacity_bytes);
        Ok(Some(data))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, path: &Path) -> Option<Bytes> {
        self.clock += 1;
        let (data, used) = self.entries.get_mut(path)?;
        *used = self.clock;
        Some(data.clone())
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
            let Some((data, _)) = oldest.and_then(|path| self.entries.remove(&path)) else { return };
            self.bytes -= data.len();
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
    }
}
