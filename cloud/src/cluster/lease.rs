//! A document that one process holds for a while: renewed in time, and part of what is written under it.

use crate::store::{Batch, Document, Receipt, Store, StoreError, Versioned};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// How often a claim is tried when others are quicker.
const TRIES: usize = 8;

/// What can be held.
pub(super) trait Leased: Document {
    /// Goes up with each new holder: what an earlier one still wants to write is refused.
    fn token(&self) -> u64;
}

/// Writes down the next holder as `next` makes it of the one before, or fails as it does.
pub(super) async fn claim<D: Leased, E: From<StoreError>>(
    store: &Store,
    id: &str,
    mut next: impl FnMut(Option<&D>) -> Result<D, E>,
) -> Result<Versioned<D>, E> {
    let mut tries = 0;
    loop {
        let old = store.get::<D>(id).await?;
        let document = next(old.as_ref().map(|old| &old.document))?;
        let batch = match &old {
            Some(old) => store.batch().update(old, &document),
            None => store.batch().create(&document),
        };
        tries += 1;
        match store.commit(batch).await {
            Ok(receipt) => {
                let version = receipt.versions.first().copied().unwrap_or(1);
                return Ok(Versioned { version, document });
            }
            Err(StoreError::Conflict { .. }) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One process's hold of a document.
pub(super) struct Lease<D> {
    store: Store,
    token: u64,
    /// The document as this process last wrote it.
    state: Mutex<Versioned<D>>,
    lost: CancellationToken,
}

impl<D: Leased> Lease<D> {
    pub(super) fn new(store: Store, held: Versioned<D>) -> Self {
        let (token, state) = (held.document.token(), Mutex::new(held));
        Self { store, token, state, lost: CancellationToken::new() }
    }

    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// Cancelled when another process holds it, or this one gave it back.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Carries a batch out together with a change of the document: a conflict on it if it is held no more.
    pub(super) async fn write(
        &self,
        batch: Batch,
        change: impl FnOnce(&D) -> D,
    ) -> Result<Receipt, StoreError> {
        let mut state = self.state.lock().await;
        let id = state.document.id();
        let conflict = |id: String| StoreError::Conflict { kind: D::KIND, id };
        if self.lost.is_cancelled() {
            return Err(conflict(id));
        }
        let new = change(&state.document);
        match self.store.commit(batch.update(&state, &new)).await {
            Ok(receipt) => {
                let version = receipt.versions.last().copied().unwrap_or(state.version + 1);
                *state = Versioned { version, document: new };
                Ok(receipt)
            }
            Err(error) => {
                // An answer that was lost on its way may have been a success: the store knows.
                if let Ok(found) = self.store.get::<D>(&id).await {
                    match found {
                        Some(found) if found.document.token() == self.token => *state = found,
                        _ => {
                            tracing::warn!(kind = D::KIND, id, "another process has taken this over");
                            self.lost.cancel();
                            return Err(conflict(id));
                        }
                    }
                }
                Err(error)
            }
        }
    }

    /// The last write: nothing is renewed or written after it.
    pub(super) async fn give_back(&self, change: impl FnOnce(&D) -> D) {
        if self.lost.is_cancelled() {
            return;
        }
        let given = self.write(self.store.batch(), change).await;
        self.lost.cancel();
        if let Err(error) = given {
            tracing::warn!(kind = D::KIND, %error, "this stays with this process until its lease ends");
        }
    }
}
