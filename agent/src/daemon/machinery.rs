//! Carries out what the control wants, without ever waiting.

use stagebox_protocol::telemetry::OutputRole;
use stagebox_protocol::{BoxStatus, Command, CommandId, Origin, Outcome, Timestamp};
use tokio::sync::watch;

use crate::control::{Control, Machinery, Request};
use crate::link::Obey;
use crate::push::Output;
use crate::record::RecorderHandle;

pub(super) struct BoxMachinery {
    pub(super) outputs: Vec<Output>,
    pub(super) recorder: RecorderHandle,
}

impl Machinery for BoxMachinery {
    fn set_live(&mut self, live: bool) {
        self.outputs.iter().for_each(|output| output.handle.set_live(live));
    }

    fn set_recording(&mut self, recording: bool) {
        if recording {
            self.recorder.start();
        } else {
            self.recorder.request_stop();
        }
    }

    fn reconnect(&mut self, role: Option<OutputRole>) {
        self.outputs
            .iter()
            .filter(|output| role.is_none_or(|role| output.role == role))
            .for_each(|output| output.handle.reconnect_now());
    }
}

impl Obey for Control {
    async fn execute(&self, id: CommandId, command: Command, expires_at: Option<Timestamp>) -> Outcome {
        self.request(Request { command, origin: Origin::Cloud, id: Some(id), expires_at }).await
    }

    fn status(&self) -> watch::Receiver<BoxStatus> {
        Self::status(self)
    }
}
