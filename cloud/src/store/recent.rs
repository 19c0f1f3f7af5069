//! Documents that were read a moment ago, taken apart already: valid while nothing of their kind has changed.

use super::document::{Document, Versioned};
use super::{Account, Store, StoreError};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Documents of one kind that are held.
const MOST: usize = 256;

/// A document as of some edition of its kind.
struct Held {
    edition: u64,
    document: Arc<dyn Any + Send + Sync>,
}

/// By kind and id.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<&'static str, HashMap<String, Held>>>);

impl Recent {
    pub(super) fn get<D: Document>(&self, id: &str, edition: u64) -> Option<Arc<Versioned<D>>> {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = kinds.get(D::KIND)?.get(id).filter(|held| held.edition == edition)?;
        Arc::clone(&held.document).downcast().ok()
    }

    pub(super) fn put<D: Document>(&self, id: &str, edition: u64, document: Arc<Versioned<D>>) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(D::KIND).or_default();
        if kind.len() >= MOST {
            kind.retain(|_, held| held.edition == edition);
        }
        if kind.len() >= MOST {
            kind.clear();
        }
        kind.insert(id.to_owned(), Held { edition, document });
    }
}

impl Store {
    /// As [`Store::get_of`], to look at only: what was read a moment ago is not read again while nothing of its kind has
    /// changed.
    pub(crate) async fn look_at<D: Document>(
        &self,
        account: Account,
        id: impl ToString,
    ) -> Result<Option<Arc<Versioned<D>>>, StoreError> {
        let (id, edition) = (id.to_string(), self.edition(&[D::KIND]));
        let known = edition.and_then(|edition| self.recent.get::<D>(&id, edition));
        let found = match known {
            Some(known) => known,
            None => {
                let Some(found) = self.get::<D>(&id).await?.map(Arc::new) else { return Ok(None) };
                if let Some(edition) = edition {
                    self.recent.put(&id, edition, Arc::clone(&found));
                }
                found
            }
        };
        Ok(Some(found).filter(|found| found.document.account() == account))
    }

    /// A number that stays the same while nothing of these kinds changes, by anybody; none where others may change them
    /// unseen.
    ///
    /// Asked before something is read, it tells later whether that is still so.
    pub(crate) fn edition(&self, kinds: &[&str]) -> Option<u64> {
        self.seat.engine().edition(kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};
    use crate::store::conformance::Thing;
    use crate::store::{Account, Store};

    #[test]
    fn no_more_is_held_than_may_be() {
        let recent = Recent::default();
        for number in 0..1000_u32 {
            let document = Thing::new(&number.to_string(), "x", 1);
            recent.put(&number.to_string(), 1, Arc::new(Versioned { version: 1, document }));
            assert!(recent.0.lock().unwrap()["thing"].len() <= MOST);
        }
        assert!(recent.get::<Thing>("999", 1).is_some() && recent.get::<Thing>("999", 2).is_none());
    }

    #[tokio::test]
    async fn what_is_looked_at_is_as_it_was_last_written() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_unix_ms(1));
        let store = Store::open_sled(directory.path(), clock).unwrap();
        let look = async || store.look_at::<Thing>(Account::FIRST, "a").await.unwrap();
        assert!(look().await.is_none());
        let mut last = store.create(Thing::new("a", "x", 0)).await.unwrap();
        for rank in 1..50 {
            let found = look().await.unwrap();
            assert_eq!((found.version, found.document.rank), (last.version, rank - 1));
            assert!(Arc::ptr_eq(&found, &look().await.unwrap()), "it is not read again");
            let new = Thing::new("a", "x", rank);
            let receipt = store.commit(store.batch().update(&last, &new)).await.unwrap();
            last = Versioned { version: receipt.versions[0], document: new };
        }
        assert!(store.look_at::<Thing>(Account(9), "a").await.unwrap().is_none());
        store.commit(store.batch().delete(&last)).await.unwrap();
        assert!(look().await.is_none());
    }
}
