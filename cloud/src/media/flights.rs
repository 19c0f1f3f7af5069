//! Reads of the store that are under way: who wants the same object meanwhile waits for the same read.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use object_store::path::Path;
use tokio::sync::watch;

use super::Media;
use super::cache::Cache;
use super::error::Fault;

/// What a read gave, once it has ended; no bytes where there is no such object.
type Landed = Option<Result<Option<Bytes>, Fault>>;

/// The reads by what they read.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Path, watch::Receiver<Landed>>>);

impl Flights {
    /// Reads an object that is not in `cache`, together with all who want it now, and leaves it there.
    pub(super) async fn read(
        &self,
        media: &Media,
        cache: &Cache<Bytes>,
        path: &Path,
    ) -> Result<Option<Bytes>, Fault> {
        let mut told = {
            let mut flights = self.lock();
            // It may have come in since the caller looked.
            if let Some(found) = cache.get(path) {
                return Ok(Some(found));
            }
            match flights.get(path) {
                Some(flight) => flight.clone(),
                None => {
                    let (tell, told) = watch::channel(None);
                    flights.insert(path.clone(), told.clone());
                    let landing = Landing { media: media.clone(), path: path.clone(), tell };
                    // A task of its own: whoever asked first may go away while others wait.
                    tokio::spawn(landing.fly());
                    told
                }
            }
        };
        let landed = told.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        landed.unwrap_or_else(|| Err(Fault::Away("the read broke off".to_owned())))
    }

    /// What is read now is not true any more: nobody else joins, and nobody keeps it.
    pub(super) fn forget(&self, path: &Path) {
        self.lock().remove(path);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Path, watch::Receiver<Landed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a read off the list of those under way, however it ends.
struct Landing {
    media: Media,
    path: Path,
    tell: watch::Sender<Landed>,
}

impl Landing {
    async fn fly(self) {
        let read = self.media.stored(&self.path).await;
        self.land(read.as_ref().ok().and_then(Option::as_ref));
        self.tell.send_replace(Some(read));
    }

    /// Whoever asks from now on finds it in the cache.
    fn land(&self, data: Option<&Bytes>) {
        let mut flights = self.media.flights().lock();
        if flights.get(&self.path).is_some_and(|told| told.same_channel(&self.tell.subscribe())) {
            if let Some(data) = data {
                self.media.remember(self.path.clone(), data.clone());
            }
            flights.remove(&self.path);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.land(None);
    }
}
