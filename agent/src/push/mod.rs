//! RTMP outputs: encoded frames to a main and a backup server.
//!
//! Each output is a task of its own with a bounded queue, so that a server which hangs costs that output its
//! oldest groups of pictures and nobody else anything. All outputs send the frames' own timestamps.

mod driver;
mod progress;
mod state;
mod target;
#[cfg(test)]
mod tests;
mod transmission;
mod transport;

pub use driver::{OutputConfig, OutputHandle, spawn};
pub use stagebox_protocol::telemetry::{OutputRole, OutputState, OutputStatus};
pub use target::{Target, TargetError};
