//! The machine that this program runs on, or a folder that stands for one.

use std::path::PathBuf;

use stagebox_hw::encoder::TrialOutcome;

use crate::{CaptureDevice, InstalledEncoder, Machine, Probe, Trial, capture};

/// Looks below a root.
#[derive(Debug, Clone)]
pub struct SystemProbe {
    root: PathBuf,
}

impl Default for SystemProbe {
    fn default() -> Self {
        Self::below("/")
    }
}

impl SystemProbe {
    /// `root` holds `proc`, `sys` and `dev`; GStreamer's plugins are always this machine's.
    #[must_use]
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Probe for SystemProbe {
    fn machine(&self) -> Machine {
        Machine::look(&self.root)
    }

    fn capture_devices(&self) -> Vec<CaptureDevice> {
        capture::devices(&self.root)
    }

    #[cfg(feature = "gst")]
    fn installed_encoders(&self) -> Vec<InstalledEncoder> {
        crate::trial::installed()
    }

    #[cfg(not(feature = "gst"))]
    fn installed_encoders(&self) -> Vec<InstalledEncoder> {
        Vec::new()
    }

    #[cfg(feature = "gst")]
    fn try_encoder(&self, trial: &Trial) -> TrialOutcome {
        crate::trial::run(trial)
    }

    #[cfg(not(feature = "gst"))]
    fn try_encoder(&self, trial: &Trial) -> TrialOutcome {
        TrialOutcome::Failed {
            reason: format!("{}: this program was built without GStreamer", trial.encoder),
        }
    }
}
