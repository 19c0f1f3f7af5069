//! A machine made of data: the same trait, the same tests as the real one.

use std::{cell::RefCell, collections::BTreeMap};

use stagebox_hw::{Encoder, encoder::TrialOutcome};

use crate::{CaptureDevice, InstalledEncoder, Machine, Probe, Trial};

/// A machine that is what it is told to be.
#[derive(Debug, Default)]
pub struct FakeProbe {
    pub machine: Machine,
    pub capture: Vec<CaptureDevice>,
    encoders: BTreeMap<Encoder, TrialOutcome>,
    tried: RefCell<Vec<Encoder>>,
}

impl FakeProbe {
    /// Is this machine.
    #[must_use]
    pub fn with_machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Installs an encoder whose trials go as told.
    #[must_use]
    pub fn with_encoder(mut self, encoder: Encoder, outcome: TrialOutcome) -> Self {
        self.encoders.insert(encoder, outcome);
        self
    }

    /// Which encoders were tried, in order.
    #[must_use]
    pub fn tried(&self) -> Vec<Encoder> {
        self.tried.borrow().clone()
    }
}

impl Probe for FakeProbe {
    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn capture_devices(&self) -> Vec<CaptureDevice> {
        self.capture.clone()
    }

    fn installed_encoders(&self) -> Vec<InstalledEncoder> {
        self.encoders
            .keys()
            .map(|encoder| InstalledEncoder {
                encoder: *encoder,
                plugin: format!("fake-{encoder}"),
                plugin_version: "1.0".to_owned(),
            })
            .collect()
    }

    fn try_encoder(&self, trial: &Trial) -> TrialOutcome {
        self.tried.borrow_mut().push(trial.encoder);
        // As a real encoder does: a picture without pixels cannot be encoded by any.
        if trial.mode.width == 0 || trial.mode.height == 0 || trial.mode.fps == 0 {
            return TrialOutcome::Failed {
                reason: format!("{} does not take {}", trial.encoder, trial.mode),
            };
        }
        self.encoders
            .get(&trial.encoder)
            .cloned()
            .unwrap_or_else(|| TrialOutcome::Failed { reason: format!("{} is not installed", trial.encoder) })
    }
}
