//! Why an account could not be counted or taken away.

use crate::device::DeviceError;
use crate::event::EventError;
use crate::job::{JobError, WorkError};
use crate::media::MediaError;
use crate::store::StoreError;

/// Says why an account could not be counted or taken away.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// There is no such account, or several.
    #[error("{0}")]
    Account(String),
    /// It administers the installation.
    #[error("the first account administers the installation and cannot be deleted")]
    First,
    /// A broadcast goes on.
    #[error("a broadcast of the account has not come to its end yet")]
    Live,
    /// The store failed, or the work is not wanted any more.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event could not be ended.
    #[error("cannot end an event: {0}")]
    Event(#[from] EventError),
    /// A box could not be shut out.
    #[error("cannot shut a box out: {0}")]
    Device(#[from] DeviceError),
    /// Media could not be removed.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A folder of this machine could not be removed.
    #[error("cannot remove {path}: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// What was kept long enough could not be removed.
    #[error("cannot delete what was kept long enough: {0}")]
    Expired(String),
    /// There is no job for it.
    #[error(transparent)]
    Job(#[from] JobError),
}

impl From<RemovalError> for WorkError {
    fn from(error: RemovalError) -> Self {
        match error {
            RemovalError::Store(StoreError::Cancelled) => Self::Stopped,
            RemovalError::First | RemovalError::Account(_) => Self::hopeless(error),
            error => Self::failed(error),
        }
    }
}
