//! Carries out what the control wants, without ever waiting.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use stagebox_protocol::telemetry::OutputRole;
use stagebox_protocol::{CommandId, DesiredState, Outcome};
use stagebox_push::OutputState;
use tokio::sync::{Notify, watch};

use crate::clock::{Clock, sleep_until};
use crate::config::{BackupConfig, BackupPush, Config};
use crate::control::Machinery;
use crate::preflight::PreflightHandle;
use crate::push::{Output, Standby};
use crate::record::{Label, RecorderHandle};

pub(super) struct BoxMachinery {
    pub(super) outputs: Vec<Output>,
    pub(super) recorder: RecorderHandle,
    pub(super) preflight: PreflightHandle,
    /// Tells the backup whether the box is live.
    pub(super) backup: watch::Sender<bool>,
    /// Has encoders that failed prove themselves once more.
    pub(super) retry_encoder: Arc<Notify>,
}

impl Machinery for BoxMachinery {
    fn set_live(&mut self, live: bool) {
        if live {
            self.preflight.cancel("the box went live");
        }
        let is_other = |output: &&Output| output.role != OutputRole::Backup;
        self.outputs.iter().filter(is_other).for_each(|output| output.handle.set_live(live));
        self.backup.send_replace(live);
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

    fn test(&mut self, run: u64, upload: Duration) {
        self.preflight.start(run, upload);
    }

    fn cancel_test(&mut self) {
        self.preflight.cancel("it was cancelled");
    }

    fn mark(&mut self, id: Option<CommandId>, label: Option<String>) -> BoxFuture<'static, Outcome> {
        Box::pin(self.recorder.mark(label, id.map(|id| id.to_string())))
    }
}

/// Has recordings named after the event that the cloud has the box for, or else after the box.
pub(super) fn name_recordings(
    own: Label,
    desired: Option<watch::Receiver<Option<DesiredState>>>,
    recorder: RecorderHandle,
) {
    let Some(mut desired) = desired else { return };
    let label = move |desired: Option<&DesiredState>| -> Label {
        let Some(desired) = desired else { return own.clone() };
        let name = || desired.name.clone().unwrap_or_else(|| own.title.clone());
        let title = desired.event_id.as_ref().and(desired.event_title.clone());
        Label { id: desired.event_id.clone(), title: title.unwrap_or_else(name) }
    };
    // What was kept names the first file already.
    recorder.set_label(label(desired.borrow_and_update().as_ref()));
    tokio::spawn(async move {
        while desired.changed().await.is_ok() {
            recorder.set_label(label(desired.borrow_and_update().as_ref()));
        }
    });
}

/// Has the backup push beside main, or only while main does not, as the configuration that holds says; whoever is told
/// of going live.
pub(super) fn back_up(
    mut held: watch::Receiver<Arc<Config>>,
    outputs: &[Output],
    clock: Clock,
) -> watch::Sender<bool> {
    let (tell, mut live) = watch::channel(false);
    let find = |role| outputs.iter().find(|output| output.role == role).map(|output| output.handle.clone());
    let (Some(main), Some(backup)) = (find(OutputRole::Main), find(OutputRole::Backup)) else { return tell };
    let mut status = main.status();
    tokio::spawn(async move {
        let mut config = held.borrow_and_update().backup.clone();
        let mut standby = standby(&config, &clock);
        loop {
            let main_sends = status.borrow_and_update().state == OutputState::Sending;
            let is_live = *live.borrow_and_update();
            backup.set_live(match &mut standby {
                Some(standby) => standby.look(clock.now(), is_live, main_sends),
                None => is_live,
            });
            tokio::select! {
                changed = live.changed() => if changed.is_err() { return },
                changed = status.changed() => if changed.is_err() { return },
                changed = held.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = held.borrow_and_update().backup.clone();
                    if now != config {
                        standby = self::standby(&now, &clock);
                        config = now;
                    }
                }
                () = sleep_until(standby.as_ref().and_then(Standby::next_deadline)) => {}
            }
        }
    });
    tell
}

fn standby(config: &BackupConfig, clock: &Clock) -> Option<Standby> {
    let back_after = Duration::from_secs(config.main_back_s.into());
    (config.push == BackupPush::Cold).then(|| Standby::new(clock.now(), back_after))
}
