//! What the cloud and its worker tell each other beside packets.

use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stagebox_hw::Encoder;

use super::keys::KeyGrid;
use super::ladder::Scaled;
use super::looker::Look;
use super::picture::Still;

/// One rendition that a worker shall make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Its place in the run's ladder, and the `stream` of its packets.
    pub(super) number: u8,
    pub(super) scaled: Scaled,
    /// Pictures up to this presentation time in nanoseconds are there already.
    pub(super) after_ns: Option<i64>,
}

/// From the cloud to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// The first message: what to make of the frames that follow, largest first.
    Begin {
        renditions: Vec<Wanted>,
        /// Where key frames are to be; without it, where the source has them.
        #[serde(default)]
        keys: Option<KeyGrid>,
        /// Hardware failed here before.
        software: bool,
        /// The file where outcomes of trial encodes are kept.
        trials: Option<PathBuf>,
    },
    /// What follows are key frames of several inputs, to be looked at.
    Look,
    /// A clip of a picture that does not move is to come out.
    Still { still: Still },
    /// Everything given so far is to come out.
    Drain,
}

/// From a worker to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Report {
    /// Frames can come; the encoders are those of the wanted renditions, in their order.
    Ready { encoders: Vec<Encoder> },
    /// Everything that was given has come out.
    Drained,
    /// What a key frame showed.
    Looked { look: Look },
}

pub(super) fn to_json(message: &impl Serialize) -> Bytes {
    serde_json::to_vec(message).expect("enums of numbers and names always have a JSON form").into()
}
