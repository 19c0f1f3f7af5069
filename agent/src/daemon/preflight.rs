//! What a test before going live looks at, and who is told of it.

use std::sync::Arc;

use tokio::sync::watch;

use super::setup::OVERHEAD_PERCENT;
use super::targets::believed;
use crate::clock::Clock;
use crate::config::{BackupPush, Config};
use crate::control::{Control, Observation};
use crate::encode::EncoderHandle;
use crate::preflight::{self, PreflightHandle, Setup};
use crate::push::Output;
use crate::record::{RecorderHandle, WhenFull};
use crate::trust::Trust;

/// Each test goes by the configuration that holds when it begins.
pub(super) fn spawn(
    held: watch::Receiver<Arc<Config>>,
    encoder: &EncoderHandle,
    recorder: &RecorderHandle,
    outputs: &[Output],
    trust: &Trust,
    clock: Clock,
) -> PreflightHandle {
    let (media, recorder, outputs, trust) =
        (encoder.status(), recorder.clone(), outputs.to_vec(), trust.clone());
    let setup = move || {
        let config = held.borrow().clone();
        let believed = |output: &Output| (output.clone(), believed(&config, output.role, &trust));
        Setup {
            media: media.clone(),
            fps: config.video.fps,
            encoder: config.video.encoder.clone(),
            video_kbps: config.video.bitrate_kbps,
            recording_kbps: config.record.bitrate_kbps,
            audio_kbps: config.audio.bitrate_kbps,
            overhead_percent: OVERHEAD_PERCENT,
            sound_is_apart: config.audio.device.is_some(),
            is_muted: config.audio.mute,
            silence_dbfs: config.alarms.silence_dbfs,
            recorder: recorder.clone(),
            room: config.record_room(),
            oldest_go: config.record.when_full == WhenFull::DeleteOldest,
            outputs: outputs.iter().map(believed).collect(),
            both_send: config.backup.push == BackupPush::Hot,
            cloud: config.cloud.clone().map(|cloud| (cloud, trust.clone())),
        }
    };
    preflight::spawn(setup, clock)
}

/// Lets the control know how far tests come.
pub(super) fn observe(control: &Control, preflight: &PreflightHandle) {
    let (control, mut status) = (control.clone(), preflight.status());
    tokio::spawn(async move {
        while status.changed().await.is_ok() {
            let told = status.borrow_and_update().clone();
            if let Some(preflight::Told { run, test }) = told {
                control.observe(Observation::Test { run, test }).await;
            }
        }
    });
}
