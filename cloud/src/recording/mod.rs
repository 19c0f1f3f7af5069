//! Recordings: the started spans of events, made of the very segments that viewers saw.

mod delete_media;
mod document;
mod http;
mod manifest;
mod recordings;
mod references;
mod resume;
#[cfg(test)]
mod tests;

pub use delete_media::{DeleteMedia, Removed};
pub use document::Recording;
pub use http::{Operations, routes};
pub(crate) use manifest::{Manifest, Track};
pub use recordings::{RecordingError, Recordings};
pub(crate) use resume::start as start_resuming;
pub use resume::{ResumeError, resume};
