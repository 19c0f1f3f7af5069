//! Why something about a box could not be done.

use crate::event::EventError;
use crate::http::ApiError;
use crate::id::BoxId;
use crate::store::StoreError;
use ::http::StatusCode;
use stagebox_protocol::command::Rejection;

/// Says what could not be done about a box.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no such box.
    #[error("there is no device {0}")]
    NotFound(BoxId),
    /// Somebody else changed it.
    #[error("the device has been changed meanwhile; it is at version {0}")]
    ChangedMeanwhile(u64),
    /// The box has no connection to the broker.
    #[error("the device {0} is offline")]
    Offline(BoxId),
    /// It did not answer.
    #[error("the device {device} did not answer within {limit_s} s; the command has expired")]
    TimedOut {
        /// The box.
        device: BoxId,
        /// How long was waited.
        limit_s: u64,
    },
    /// It said no.
    #[error("the device refused the command: {error}")]
    Refused {
        /// As in HTTP.
        code: u16,
        /// Why.
        error: String,
    },
    /// There is no such command, or its arguments are wrong.
    #[error(transparent)]
    Command(#[from] Rejection),
    /// Too many commands wait for this box.
    #[error("too many commands wait for the device {0}; try again later")]
    Busy(BoxId),
    /// The server has no broker, or is stopping.
    #[error("the server has no connection to its broker (`mqtt.enabled`)")]
    NoBroker,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event could not be read.
    #[error("the device's event cannot be read: {0}")]
    Event(#[from] EventError),
}

impl From<DeviceError> for ApiError {
    fn from(error: DeviceError) -> Self {
        let text = error.to_string();
        match error {
            DeviceError::NotFound(_) | DeviceError::Command(Rejection::UnknownCommand { .. }) => {
                Self::not_found(text)
            }
            DeviceError::ChangedMeanwhile(_) => Self::changed_meanwhile(text),
            DeviceError::Offline(_) => Self::conflict(text),
            DeviceError::TimedOut { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, "device-timeout", text),
            DeviceError::Refused { code, .. } => match code {
                400 => Self::bad_request(text),
                404 => Self::not_found(text),
                408 => Self::new(StatusCode::GATEWAY_TIMEOUT, "device-timeout", text),
                503 => Self::unavailable(text),
                500..=599 => Self::new(StatusCode::BAD_GATEWAY, "device-failed", text),
                _ => Self::conflict(text),
            },
            DeviceError::Command(Rejection::BadArgs { problem, .. }) => Self::field("args", problem),
            DeviceError::Busy(_) => Self::too_many(text, 2),
            DeviceError::NoBroker => Self::unavailable(text),
            DeviceError::Store(error) => error.into(),
            DeviceError::Event(error) => error.into(),
        }
    }
}
