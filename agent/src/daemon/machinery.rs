//! Carries out what the control wants, without ever waiting.
#![allow(clippy::disallowed_methods, reason = "a driver: it sleeps until a deadline that the core gave")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use stagebox_protocol::telemetry::OutputRole;
use stagebox_protocol::{BoxStatus, Command, CommandId, Origin, Outcome, Timestamp};
use stagebox_push::OutputState;
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::config::{BackupConfig, BackupPush};
use crate::control::{Control, Machinery, Request};
use crate::link::Obey;
use crate::push::{Output, Standby};
use crate::record::RecorderHandle;

pub(super) struct BoxMachinery {
    pub(super) outputs: Vec<Output>,
    pub(super) recorder: RecorderHandle,
    /// For a backup that stands by: whether the box is live. Absent for one that pushes beside main.
    pub(super) stands_by: Option<watch::Sender<bool>>,
    /// Has encoders that failed prove themselves once more.
    pub(super) retry_encoder: Arc<Notify>,
}

impl Machinery for BoxMachinery {
    fn set_live(&mut self, live: bool) {
        let is_own = |output: &&Output| self.stands_by.is_none() || output.role != OutputRole::Backup;
        self.outputs.iter().filter(is_own).for_each(|output| output.handle.set_live(live));
        if let Some(told) = &self.stands_by {
            told.send_replace(live);
        }
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

    fn retry_encoder(&mut self) {
        self.retry_encoder.notify_one();
    }
}

/// Has a backup that stands by push while main does not; whoever is told of going live.
pub(super) fn stand_by(
    config: &BackupConfig,
    outputs: &[Output],
    clock: Clock,
) -> Option<watch::Sender<bool>> {
    let find = |role| outputs.iter().find(|output| output.role == role).map(|output| output.handle.clone());
    let (Some(main), Some(backup)) = (find(OutputRole::Main), find(OutputRole::Backup)) else { return None };
    if config.push == BackupPush::Hot {
        return None;
    }
    let (tell, mut live) = watch::channel(false);
    let mut status = main.status();
    let mut standby = Standby::new(clock.now(), Duration::from_secs(config.main_back_s.into()));
    tokio::spawn(async move {
        loop {
            let main_sends = status.borrow_and_update().state == OutputState::Sending;
            let is_live = *live.borrow_and_update();
            backup.set_live(standby.look(clock.now(), is_live, main_sends));
            tokio::select! {
                changed = live.changed() => if changed.is_err() { return },
                changed = status.changed() => if changed.is_err() { return },
                () = sleep_until(standby.next_deadline()) => {}
            }
        }
    });
    Some(tell)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
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
