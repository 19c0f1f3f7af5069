//! Why a queue did not do what it was asked for.

use super::super::StoreError;

/// Says why a queue did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The lease is not the newest one any more: what its holder did does not count.
    #[error("the lease of {id} (token {fence}) is over: somebody else has taken it up, or ended it")]
    Stale {
        /// The entry.
        id: String,
        /// The lease's token.
        fence: u64,
    },
    /// The payload is too large.
    #[error("the payload has {bytes} bytes, {limit} at most are taken: keep a reference in it")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The queue's, the entry's or the holder's name cannot be a key.
    #[error("the name {name:?} is not 1 to {limit} letters, digits, dots, dashes and underscores")]
    Name {
        /// The name.
        name: String,
        /// Its most characters.
        limit: usize,
    },
    /// Only dead letters are put back.
    #[error("{id} is no dead letter of this queue")]
    NotDead {
        /// The entry.
        id: String,
    },
    /// The store failed, or refused what was to happen together with it.
    #[error("the queue's store: {0}")]
    Store(#[from] StoreError),
}
