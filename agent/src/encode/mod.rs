//! Encoding, in a process of its own.
//!
//! [`media`] is the child: it captures, encodes and writes frames to its
//! standard output. [`spawn`] runs it from the daemon, starts it anew when it
//! fails, and publishes its frames to the hub. A crashing driver or encoder so
//! costs a moment of picture, never a connection or a file.

mod choice;
mod fallback;
mod handle;
mod interleave;
mod media;
mod meter;
mod orders;
mod output;
mod pipeline;
mod report;
mod retry;
mod sound_time;
mod stall;
mod status;
mod supervise;
mod twice;
mod words;

#[cfg(test)]
mod tests;

pub use handle::{Care, EncoderHandle};
pub use media::run as run_media;
pub use report::{EncoderFailure, MediaOrder, MediaReport, MediaSetup, MediaStats};
pub use status::{EncoderSetup, Hubs, MediaStatus};
pub use supervise::spawn;

use stagebox_hw::Encoder;

/// The numbers of what comes out of a child: what is pushed, and what is recorded where that has an encode of its own.
const STREAM: u8 = 0;
const RECORDING: u8 = 1;

/// Exit code of a child, and of the daemon, that needs another configuration.
pub const EXIT_CONFIGURATION: u8 = 2;

/// Why nothing can be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("{field}: the GStreamer element `{element}` is missing; install the package {package}")]
    Missing { field: &'static str, element: String, package: &'static str },
    #[error("video.encoder: there is no encoder `{name}`; use `auto` or one of {known}")]
    UnknownEncoder { name: String, known: String },
    #[error("video.encoder: {0}")]
    NoEncoder(String),
    #[error("cannot build the encoder: {0}")]
    Build(#[from] gstreamer::glib::BoolError),
    #[error("the encoder does not start: {0}")]
    Start(String),
    #[error("the encoder failed: {0}")]
    Failed(String),
    #[error("the encoder {0} hangs: it takes pictures and gives none")]
    Stalled(Encoder),
    #[error(transparent)]
    Capture(#[from] crate::capture::CaptureError),
    #[error("cannot read the setup from the daemon: {0}")]
    Setup(String),
}

impl EncodeError {
    /// Whether another encoder may do what this one did not.
    fn is_encoder(&self) -> bool {
        matches!(self, Self::Build(_) | Self::Start(_) | Self::Failed(_) | Self::Stalled(_))
    }

    /// Whether only another configuration or installation helps.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::UnknownEncoder { .. } | Self::NoEncoder(_) => true,
            Self::Capture(error) => error.is_configuration(),
            Self::Build(_) | Self::Start(_) | Self::Failed(_) | Self::Stalled(_) | Self::Setup(_) => false,
        }
    }
}
