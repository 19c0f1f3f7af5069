//! Looks at the machine: what it is, what it captures with, which encoders work.
//!
//! Everything is read below a root path, so that a folder can stand for a
//! machine. What is seen goes to `stagebox-hw`, which decides.

mod cache;
mod capture;
#[cfg(any(feature = "fake", test))]
pub mod fake;
mod machine;
mod select;
mod system;
#[cfg(test)]
mod tests;
#[cfg(feature = "gst")]
pub mod trial;

use serde::{Deserialize, Serialize};
use stagebox_hw::{Encoder, VideoMode, encoder::TrialOutcome};

pub use cache::Cache;
pub use capture::{CaptureDevice, CaptureFormat, Usability};
pub use machine::{I2cBus, Machine};
pub use select::{NoEncoder, Selection, Wanted, select};
pub use system::SystemProbe;

/// A look at a machine; the real one and the fake pass the same tests.
pub trait Probe {
    /// What the machine is. What cannot be read is left empty.
    fn machine(&self) -> Machine;

    /// Devices that may deliver pictures, in the order of their numbers.
    fn capture_devices(&self) -> Vec<CaptureDevice>;

    /// H.264 encoders that are installed; whether they work only a trial can tell.
    fn installed_encoders(&self) -> Vec<InstalledEncoder>;

    /// Encodes some frames at the real size and rate. Takes up to the trial's limit.
    fn try_encoder(&self, trial: &Trial) -> TrialOutcome;
}

/// An encoder's element and the plugin that brings it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledEncoder {
    pub encoder: Encoder,
    pub plugin: String,
    pub plugin_version: String,
}

/// One trial encode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub encoder: Encoder,
    pub mode: VideoMode,
    pub bitrate_kbps: u32,
    /// Speed preset, for encoders in software.
    pub preset: Option<String>,
    /// How many frames have to come out.
    pub frames: u32,
    /// An encoder that takes longer has failed.
    pub limit_ms: u64,
}

/// All that a probe sees, for logs and support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub machine: Machine,
    /// Name of the board that the machine was recognised as.
    pub board: Option<String>,
    pub capture: Vec<CaptureDevice>,
    pub encoders: Vec<InstalledEncoder>,
}

/// Looks at everything but makes no trial.
#[must_use]
pub fn report(probe: &dyn Probe) -> Report {
    let machine = probe.machine();
    let boards = stagebox_hw::board::shipped();
    let board = stagebox_hw::board::detect(&boards, &machine.identity()).map(|board| board.name.clone());
    Report { machine, board, capture: probe.capture_devices(), encoders: probe.installed_encoders() }
}
