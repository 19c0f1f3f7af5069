//! `status`: whether a box is there, retained, and its last will.

use crate::{id::BootId, timestamp::Timestamp};
use serde::{Deserialize, Serialize};

/// The payload of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub state: Presence,
    pub boot_id: BootId,
    /// When the box connected; in a last will the same time, for the broker knows no other.
    pub ts: Timestamp,
}

/// Whether the box has a connection to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Online,
    Offline,
}
