//! What an output does, as panel, cloud and control read it.

use stagebox_protocol::telemetry::{OutputRole, OutputState, OutputStatus};

/// An output's status with its role; how long it has been so, nobody asks.
#[must_use]
pub fn report(role: OutputRole, status: &stagebox_push::OutputStatus) -> OutputStatus {
    OutputStatus {
        role,
        state: match status.state {
            stagebox_push::OutputState::Off => OutputState::Off,
            stagebox_push::OutputState::Connecting => OutputState::Connecting,
            stagebox_push::OutputState::Sending => OutputState::Sending,
            stagebox_push::OutputState::Waiting => OutputState::Waiting,
        },
        url: status.url.clone(),
        bitrate_kbps: status.bitrate_kbps,
        queued_ms: status.queued_ms,
        sent_bytes: status.sent_bytes,
        dropped_frames: status.dropped_frames,
        reconnects: status.reconnects,
        error: status.error.clone(),
    }
}
