//! What can go wrong with the store.

/// Says why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was quicker, or the document is there or absent against what was expected.
    #[error("the {kind} {id} has been changed meanwhile")]
    Conflict {
        /// The kind of document.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// Another document has the same key in a unique index.
    #[error("another {kind} has the same {index}")]
    Taken {
        /// The kind of document.
        kind: &'static str,
        /// The index.
        index: String,
    },
    /// A stored document cannot be read.
    #[error("the stored {kind} {id} cannot be read: {detail}")]
    Decode {
        /// The kind of document.
        kind: String,
        /// Its id.
        id: String,
        /// Why.
        detail: String,
    },
    /// A stored document was written by a newer server.
    #[error(
        "the stored {kind} {id} is of a newer server (shape {schema}, this one knows {known}): update this server"
    )]
    Newer {
        /// The kind of document.
        kind: &'static str,
        /// Its id.
        id: String,
        /// The shape it is stored in.
        schema: u32,
        /// The newest shape that this server knows.
        known: u32,
    },
    /// A document cannot be written as JSON.
    #[error("a {kind} cannot be written: {source}")]
    Encode {
        /// The kind of document.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A key, an id or a batch that the store does not take.
    #[error("the store does not take {detail}")]
    Key {
        /// What it was.
        detail: String,
    },
    /// The directory cannot be opened.
    #[error("cannot open the store in {path} (`data_dir`): {detail}")]
    Open {
        /// The directory.
        path: String,
        /// Why, and what to do.
        detail: String,
    },
    /// The database server is there, but cannot be used as it is.
    #[error("cannot use {target} (`store.url`): {detail}")]
    Database {
        /// Host, port and database.
        target: String,
        /// Why, and what to do.
        detail: String,
    },
    /// The disk is nearly full; what is left is kept for what must go on.
    #[error(
        "the disk of the store is nearly full ({free_mib} MiB free, {reserve_mib} MiB are kept by `store.reserve_mib`): free some space"
    )]
    Full {
        /// What is free.
        free_mib: u64,
        /// What is to stay free (`store.reserve_mib`).
        reserve_mib: u64,
    },
    /// The disk has no room at all; nothing of the batch is promised.
    #[error(
        "the disk of the store is full: free some space; until then nothing is written, what is there can be read"
    )]
    NoRoom,
    /// The tables have become as large as they may.
    #[error(
        "the store has reached its limit ({size_mib} MiB, `store.max_mib` is {max_mib}): nothing new is taken in until it is smaller or the limit is raised"
    )]
    OverLimit {
        /// What it has.
        size_mib: u64,
        /// What it may have (`store.max_mib`).
        max_mib: u64,
    },
    /// The database is out of reach for now; nothing of the batch is promised.
    #[error("the store is out of reach: {0}")]
    Away(String),
    /// What was to be filled has something in it.
    #[error("{place} is not empty: give an empty one, or move away what is in it")]
    NotEmpty {
        /// The store.
        place: String,
    },
    /// Others write to it too, which this process would not notice.
    #[error("{others} other processes use this store: end all but one before it is moved")]
    Shared {
        /// How many.
        others: u64,
    },
    /// The store is being moved or rewritten already.
    #[error("the store is being copied or rewritten already: wait until that is done")]
    Busy,
    /// The engine has no such operation.
    #[error("{0}")]
    Unsupported(&'static str),
    /// This store is not the current one any more.
    #[error("this store was moved to {to}: set `store.kind` and what belongs to it in the configuration")]
    Moved {
        /// Where to.
        to: String,
    },
    /// A backup cannot be written or read.
    #[error("the backup {0}")]
    Backup(String),
    /// Somebody asked that the work be given up.
    #[error("cancelled")]
    Cancelled,
    /// The disk or the engine failed; nothing of the batch is promised.
    #[error("the store failed: {0}")]
    Engine(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether there is no room for it, whatever else is well.
    pub(crate) fn is_want_of_room(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoRoom | Self::OverLimit { .. })
    }
}
