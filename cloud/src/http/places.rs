//! Places for connections: so many in all, and so many of one address.

use super::quota::source;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections of each address.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// So many for each address.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, taken: Mutex::default() }))
    }

    /// A place for one more connection of an address, unless it has all it may have.
    pub(super) fn take(&self, peer: SocketAddr) -> Option<Place> {
        let address = source(Some(peer));
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.0.most {
            return None;
        }
        *count += 1;
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_places_and_leaves_nothing_behind() {
        let places = Places::new(2);
        let peer = |text: &str| text.parse::<SocketAddr>().unwrap();
        let first = places.take(peer("192.0.2.1:1")).unwrap();
        let _second = places.take(peer("192.0.2.1:2")).unwrap();
        assert!(places.take(peer("192.0.2.1:3")).is_none());
        let other = places.take(peer("192.0.2.2:1")).unwrap();
        drop(first);
        let again = places.take(peer("192.0.2.1:3")).unwrap();
        drop((again, other));
        assert_eq!(places.0.taken.lock().unwrap().len(), 1);
    }
}
