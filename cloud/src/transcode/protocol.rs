//! What the cloud and its worker tell each other beside packets.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ladder::Scaled;

/// From the cloud to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// The first message: what to make of the frames that follow.
    Begin { scaled: Scaled },
    /// Everything given so far is to come out.
    Drain,
}

/// From a worker to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Report {
    /// Everything that was given has come out.
    Drained,
}

pub(super) fn to_json(message: &impl Serialize) -> Bytes {
    serde_json::to_vec(message).expect("enums of numbers always have a JSON form").into()
}
