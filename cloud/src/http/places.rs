//! Places for connections and streams: so many in all, and so many of one address or account.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the places of each.
#[derive(Debug)]
pub(crate) struct Places<K>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken<K>>,
}

#[derive(Debug)]
struct Taken<K> {
    count: usize,
    by_one: HashMap<K, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash> {
    places: Places<K>,
    of: K,
}

impl<K> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Copy> Places<K> {
    /// So many in all, and so many for each.
    pub(crate) fn new(most: usize, most_of_one: usize) -> Self {
        let taken = Mutex::new(Taken { count: 0, by_one: HashMap::new() });
        Self(Arc::new(Inner { most, most_of_one, taken }))
    }

    /// One more place for `of`, unless all are taken, or all that it may have.
    pub(crate) fn take(&self, of: K) -> Option<Place<K>> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.count >= self.0.most {
            return None;
        }
        let count = taken.by_one.entry(of).or_default();
        if *count >= self.0.most_of_one {
            return None;
        }
        *count += 1;
        taken.count += 1;
        Some(Place { places: self.clone(), of })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.count -= 1;
        if let Some(count) = taken.by_one.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                taken.by_one.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_places_and_leaves_nothing_behind() {
        let places = Places::new(3, 2);
        let first = places.take('a').unwrap();
        let _second = places.take('a').unwrap();
        assert!(places.take('a').is_none(), "it has all that it may have");
        let other = places.take('b').unwrap();
        assert!(places.take('c').is_none(), "all are taken");
        drop(first);
        let again = places.take('a').unwrap();
        drop((again, other));
        let taken = places.0.taken.lock().unwrap();
        assert_eq!((taken.count, taken.by_one.len()), (1, 1));
    }
}
