//! What was asked for lately: media read from the store, and files of it that are open.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use object_store::path::Path;

#[derive(Debug)]
struct Entry<T> {
    value: T,
    weight: usize,
    used: u64,
}

#[derive(Debug)]
struct Kept<T> {
    entries: HashMap<Path, Entry<T>>,
    /// Of all entries.
    weight: usize,
    /// Counts uses, so that the least recent one can be found.
    clock: u64,
}

/// The newest-used of something that objects have.
#[derive(Debug)]
pub(super) struct Cache<T> {
    capacity: usize,
    kept: Mutex<Kept<T>>,
}

impl<T: Clone> Cache<T> {
    /// Keeps as much as weighs `capacity` together.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::new(Kept { entries: HashMap::new(), weight: 0, clock: 0 }) }
    }

    pub(super) fn get(&self, path: &Path) -> Option<T> {
        self.lock().find(path)
    }

    /// Keeps it, unless it is so heavy that it would drive out much of the rest.
    pub(super) fn insert(&self, path: Path, value: T, weight: usize) {
        if weight <= self.capacity / 4 {
            self.lock().insert(path, value, weight, self.capacity);
        }
    }

    /// Forgets what is not true any more.
    pub(super) fn remove(&self, path: &Path) {
        self.lock().remove(path);
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Kept<T> {
    fn find(&mut self, path: &Path) -> Option<T> {
        self.clock += 1;
        let entry = self.entries.get_mut(path)?;
        entry.used = self.clock;
        Some(entry.value.clone())
    }

    fn remove(&mut self, path: &Path) {
        if let Some(entry) = self.entries.remove(path) {
            self.weight -= entry.weight;
        }
    }

    fn insert(&mut self, path: Path, value: T, weight: usize, capacity: usize) {
        self.clock += 1;
        self.remove(&path);
        self.weight += weight;
        self.entries.insert(path, Entry { value, weight, used: self.clock });
        while self.weight > capacity {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(path, _)| path.clone()) else { return };
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(100);
        let has = |name: &str| cache.get(&Path::from(name)).is_some();
        for name in ["a", "b", "c", "d"] {
            cache.insert(Path::from(name), name, 25);
        }
        assert!(has("a"));
        cache.insert(Path::from("e"), "e", 25);
        assert!(!has("b"));
        assert_eq!(cache.get(&Path::from("a")), Some("a"));
        cache.insert(Path::from("huge"), "huge", 26);
        assert!(!has("huge"), "one object never drives out the rest");
        assert_eq!(cache.lock().weight, 100);
        cache.remove(&Path::from("a"));
        cache.insert(Path::from("c"), "c", 5);
        assert_eq!(cache.lock().weight, 55, "what is replaced weighs nothing any more");
    }
}
