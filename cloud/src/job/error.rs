//! Why a job was not made, changed or found.

use crate::http::ApiError;
use crate::id::JobId;
use crate::store::{QueueError, StoreError};

/// Says why a job was not made, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is no such job.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// Its state does not allow it; in words.
    #[error("{0}")]
    Refused(String),
    /// What it is about cannot be written.
    #[error("cannot write what a job of kind {kind} is about: {source}")]
    Input {
        /// The job's kind.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The data directory does not take the file by which a server knows itself again.
    #[error("cannot write {path}: {source}")]
    Node {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its queue failed.
    #[error("cannot read or write a job: {0}")]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error("cannot read or write a job: {0}")]
    Store(#[from] StoreError),
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::NotFound(_) => Self::not_found(error.to_string()),
            JobError::Refused(words) => Self::conflict(words),
            JobError::Store(error) | JobError::Queue(QueueError::Store(error)) => error.into(),
            error => Self::internal(&error),
        }
    }
}
