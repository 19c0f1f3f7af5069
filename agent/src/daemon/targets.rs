//! Where the outputs push to: fixed by the configuration, or as the cloud says.

use stagebox_media::rtmp::StreamInfo;
use stagebox_protocol::telemetry::OutputRole;
use stagebox_push::{StreamKey, Target};
use tokio::sync::watch;

use super::DaemonError;
use crate::config::Config;
use crate::link::Targets;
use crate::logs::Log;
use crate::push::Output;
use crate::trust::Trust;

/// Gives the outputs their targets, and follows the cloud if the configuration has none.
pub(super) fn feed(
    config: &Config,
    cloud: Option<watch::Receiver<Option<Targets>>>,
    outputs: &[Output],
    log: &Log,
) -> Result<(), DaemonError> {
    for output in &config.outputs {
        let target = Target::parse(&output.url, StreamKey::new(output.key.expose()))
            .map_err(|source| DaemonError::Target { role: output.role.name(), source })?;
        set(outputs, output.role, Some(target));
    }
    if let Some(cloud) = cloud.filter(|_| !config.fixes_broadcast()) {
        tokio::spawn(follow(cloud, outputs.to_vec(), log.clone()));
    }
    Ok(())
}

async fn follow(mut cloud: watch::Receiver<Option<Targets>>, outputs: Vec<Output>, log: Log) {
    loop {
        let targets = cloud.borrow_and_update().clone();
        // Before the cloud has said anything, the outputs have nowhere to go.
        if let Some(targets) = targets {
            targets.outputs.iter().for_each(|target| log.hide_passing(target.key.expose()));
            for role in [OutputRole::Main, OutputRole::Backup] {
                let named = targets.outputs.iter().find(|target| target.role == role);
                let target = named.and_then(|named| {
                    Target::parse(&named.url, StreamKey::new(named.key.expose()))
                        .inspect_err(|error| tracing::error!(?role, "a target of the cloud: {error}"))
                        .ok()
                });
                set(&outputs, role, target);
            }
        }
        if cloud.changed().await.is_err() {
            return;
        }
    }
}

fn set(outputs: &[Output], role: OutputRole, target: Option<Target>) {
    if let Some(output) = outputs.iter().find(|output| output.role == role) {
        output.handle.set_target(target);
    }
}

/// Whom to believe of a server: where the cloud names it, as one believes the cloud.
pub(super) fn believed(config: &Config, role: OutputRole, cloud: &Trust) -> Trust {
    if role.is_of_broadcast() && !config.fixes_broadcast() { cloud.clone() } else { Trust::default() }
}

/// What a server is told of the stream.
pub(super) fn stream_info(config: &Config) -> StreamInfo {
    StreamInfo {
        encoder: super::SOFTWARE.to_owned(),
        width: config.video.width,
        height: config.video.height,
        frames_per_s: config.video.fps,
        video_kbps: config.video.bitrate_kbps,
        audio_kbps: config.audio.bitrate_kbps,
    }
}
