//! What can go wrong with events.

use super::state::Forbidden;
use crate::http::ApiError;
use crate::id::{BoxId, EventId};
use crate::secret::SecretError;
use crate::store::StoreError;

/// Says why an event was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// There is no such event.
    #[error("there is no event {0}")]
    NotFound(EventId),
    /// The box is not there.
    #[error("there is no device {0}")]
    NoDevice(BoxId),
    /// The account has as many events started as it may.
    #[error("this account may have {0} events started at a time: end one first")]
    TooMany(u64),
    /// The status cannot follow the present one.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// The event is not the version that the client has seen.
    #[error("the event is at version {0} now: read it again")]
    ChangedMeanwhile(u64),
    /// A field does not fit to another.
    #[error("{0} {1}")]
    Field(&'static str, &'static str),
    /// The store failed.
    #[error("cannot read or write an event: {0}")]
    Store(#[from] StoreError),
    /// A stream key does not open.
    #[error("cannot read a stream key: {0}")]
    Secret(#[from] SecretError),
}

impl From<EventError> for ApiError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::NotFound(_) => Self::not_found(error.to_string()),
            EventError::NoDevice(_) => Self::field("device_id", error.to_string()),
            EventError::Field(field, words) => Self::field(field, words),
            EventError::Forbidden(_) | EventError::TooMany(_) => Self::conflict(error.to_string()),
            EventError::ChangedMeanwhile(_) => Self::changed_meanwhile(error.to_string()),
            EventError::Store(error) => error.into(),
            EventError::Secret(_) => Self::internal(&error),
        }
    }
}
