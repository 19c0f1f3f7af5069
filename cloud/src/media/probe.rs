//! A media store shows that it does what will be asked of it.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: a store that does not answer is waited for only so long"
)]

use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::error::{Fault, explain};
use super::{Media, MediaError};
use crate::id::random_bytes;

/// How long the store may take to show that it is there.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

impl Media {
    /// Asks the store for all that will be asked of it, with a tiny object of its own.
    ///
    /// # Errors
    /// [`MediaError::Away`] if it cannot be reached now; anything else will not mend itself.
    pub(crate) async fn probe(&self) -> Result<(), MediaError> {
        match tokio::time::timeout(PROBE_LIMIT, self.try_probe()).await {
            Ok(probed) => probed,
            Err(_) => {
                Err(Fault::Away("it does not answer in time".to_owned()).into_error(self.place(), "answer"))
            }
        }
    }

    async fn try_probe(&self) -> Result<(), MediaError> {
        let store = self.store();
        let path = Path::from(format!("probe/{}", hex::encode(random_bytes::<8>())));
        let listed = store.list_with_delimiter(Some(&Path::from("probe"))).await;
        listed.map_err(|error| self.wrong_at_start(&error, "list it"))?;
        let written = store.put(&path, Bytes::from_static(b"stagebox\n").into()).await;
        written.map_err(|error| self.wrong_at_start(&error, "write to it"))?;
        let read = store.get(&path).await;
        read.map_err(|error| self.wrong_at_start(&error, "read from it"))?;
        let deleted = store.delete(&path).await;
        deleted.map_err(|error| self.wrong_at_start(&error, "delete from it"))
    }

    /// A directory that cannot be used is a mistake of whoever named it; a full disk may have room again.
    fn wrong_at_start(&self, error: &object_store::Error, doing: &'static str) -> MediaError {
        let fault = explain(error, doing);
        let full = |detail: &str| detail.contains("No space left");
        match fault {
            Fault::Away(detail) | Fault::Other(detail) if self.root().is_some() && !full(&detail) => {
                MediaError::Config { field: "media.directory", detail: format!("cannot {doing}: {detail}") }
            }
            fault => fault.into_error(self.place(), doing),
        }
    }
}
