//! JSON in and out, with a limit and errors that name the place.

use serde::{Serialize, de::DeserializeOwned};

/// The largest payload that either side reads.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Why a payload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("the payload has {bytes} bytes; {MAX_PAYLOAD_BYTES} are allowed")]
    TooLarge { bytes: usize },
    #[error("the payload is not what version 1 of the contract says: {0}")]
    Shape(#[from] serde_json::Error),
}

/// Reads a payload.
///
/// # Errors
/// If it is larger than [`MAX_PAYLOAD_BYTES`], is no JSON, or lacks a field; the message names field, line and column.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, PayloadError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(PayloadError::TooLarge { bytes: payload.len() });
    }
    Ok(serde_json::from_slice(payload)?)
}

/// Writes a payload of this contract.
#[must_use]
pub fn encode<T: Serialize>(payload: &T) -> Vec<u8> {
    serde_json::to_vec(payload)
        .expect("types of this contract have text keys only, which JSON can always express")
}
