//! Recordings: the started spans of events, made of the very segments that viewers saw.

mod delete_media;
mod document;
mod gaps;
mod http;
mod joining;
mod listing;
mod manifest;
mod recordings;
mod references;
mod resume;
#[cfg(test)]
mod tests;
mod trim;

pub use delete_media::{DeleteMedia, Removed};
pub(crate) use document::BY_NUMBER;
pub use document::{Recording, RecordingKind};
pub use gaps::{Gap, Pause};
pub use http::{Operations, routes};
pub(crate) use joining::Conversion;
pub(crate) use listing::LISTING;
pub(crate) use manifest::{Manifest, Track};
pub use recordings::{RecordingError, Recordings};
pub use resume::{ResumeError, resume};
pub(crate) use resume::{remove, start as start_resuming};
pub(crate) use trim::Trim;
