//! RTMP outputs: encoded frames to a main and a backup server, and to two more.
//!
//! How an output works is stagebox-push's; here is what a box adds: which of them an output is, and whom it
//! believes. Main and backup send the frames' own timestamps, so that the cloud can merge them; the others' times
//! begin at zero with each connection, as servers expect that know nothing of a box.

mod line;
mod rate;
pub(crate) mod reach;
mod report;
mod standby;
#[cfg(test)]
pub(crate) mod tests;

use stagebox_media::rtmp::StreamInfo;
use stagebox_protocol::telemetry::OutputRole;
use stagebox_push::{Hub, OutputConfig, OutputHandle, Patience, Times};

pub(crate) use line::describe as describe_tls;
pub use rate::{Range, Rate};
pub use report::report;
pub use standby::Standby;

use crate::trust::Trust;
use line::Line;

/// One of the box's outputs; it ends with its last clone.
#[derive(Debug, Clone)]
pub struct Output {
    pub role: OutputRole,
    pub handle: OutputHandle,
}

/// What the box's outputs have in common.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Picture and sound together.
    pub bitrate_kbps: u32,
    /// What the servers are told of the stream.
    pub stream: StreamInfo,
    /// Whom to believe over RTMPS.
    pub trust: Trust,
}

impl Output {
    /// Starts an output that reads from `hub`; it pushes once it has a target and is told to.
    #[must_use]
    pub fn spawn(role: OutputRole, setup: Setup, hub: Hub) -> Self {
        let Setup { bitrate_kbps, stream, trust } = setup;
        let config = OutputConfig {
            name: role.name().to_owned(),
            bitrate_kbps,
            stream,
            times: if role.is_of_broadcast() { Times::Own } else { Times::FromZero },
            patience: Patience::EAGER,
        };
        Self { role, handle: stagebox_push::spawn(config, Line::new(trust), hub) }
    }
}
