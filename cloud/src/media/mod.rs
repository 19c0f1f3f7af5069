//! Where media lie: a store of objects, what waits for it, and the names in it.
//!
//! The store is a directory or a bucket of an S3 server. [`Media::put`] returns when an
//! object is on disk: in the store itself if that is a directory, else in the spool
//! ([`spool`]), from which it goes to the store by itself ([`drain`]). While the store
//! is away, what waits is read from the spool, and an alarm tells.

mod cache;
pub mod check;
pub mod command;
pub(crate) mod config;
mod drain;
mod error;
mod flights;
mod handle;
mod http;
mod local;
mod probe;
mod s3;
mod spool;
mod tally;
#[cfg(test)]
mod tests;
mod tree;
mod trouble;
mod upload;

pub use drain::start;
pub use error::MediaError;
pub use handle::Media;
pub use http::{Operations, routes};
pub(crate) use spool::Worth;
pub(crate) use tree::files_root;

use crate::id::{AccountId, EventId, RecordingId};
use crate::live::Rendition;
use object_store::path::Path;

/// Below this lies what was received for an event.
pub(crate) fn event_path(event: &EventId) -> Path {
    Path::from(format!("live/{event}"))
}

/// A segment of a live event, and of the recordings made of it.
pub(crate) fn segment_path(event: &EventId, rendition: Rendition, msn: u64) -> Path {
    Path::from(format!("live/{event}/{rendition}/{msn}.m4s"))
}

/// What a decoder needs before an event's segments.
pub(crate) fn init_path(event: &EventId, rendition: Rendition, init: u32) -> Path {
    Path::from(format!("live/{event}/{rendition}/init-{init}.mp4"))
}

/// What is in a number of segments, one after the other.
pub(crate) fn scans_path(event: &EventId, rendition: Rendition, block: u64) -> Path {
    Path::from(format!("live/{event}/{rendition}/scans-{block}.bin"))
}

/// The list of a recording's segments.
pub(crate) fn recording_path(recording: &RecordingId) -> Path {
    Path::from(format!("recordings/{recording}.json"))
}

/// Below this lie an account's include files.
pub(crate) fn include_folder(account: &AccountId) -> Path {
    Path::from(format!("include/{account}"))
}
