//! What the parts of the box are told at their start, out of the configuration.

use stagebox_protocol::telemetry::OutputRole;

use super::{DaemonError, targets};
use crate::clock::Clock;
use crate::config::Config;
use crate::encode::{EncoderHandle, EncoderSetup, MediaSetup};
use crate::push;
use crate::reconfigure::StartMedia;
use crate::trust::Trust;

/// Sound, its container and the control messages, beside the picture's bitrate.
pub(super) const OVERHEAD_PERCENT: u32 = 5;

/// Whom the box takes for its cloud.
pub(super) fn trust(config: &Config) -> Result<Trust, DaemonError> {
    let Some(cloud) = &config.cloud else { return Ok(Trust::default()) };
    Ok(match (&cloud.ca_file, cloud.tls_fingerprint) {
        (_, Some(fingerprint)) => Trust::pinned(fingerprint),
        (Some(path), None) => Trust::authorities(path)?,
        (None, None) => Trust::default(),
    })
}

pub(super) fn encoder_setup(config: &Config, clock: &Clock) -> Result<EncoderSetup, DaemonError> {
    let program = std::env::current_exe().map_err(|error| DaemonError::Start(error.to_string()))?;
    let media = MediaSetup {
        source: config.source.clone(),
        video: config.video.clone(),
        audio: config.audio.clone(),
        alarms: config.alarms.clone(),
        recording_kbps: config.record.bitrate_kbps,
        twice: None,
        name: box_name(config),
        origin_ns: clock.monotonic_ns(),
        trials: Some(config.data_dir.join("encoders.json")),
        avoid: Vec::new(),
    };
    Ok(EncoderSetup { program, media })
}

/// Starts the media process with another configuration.
pub(super) fn restart(encoder: &EncoderHandle, first: MediaSetup) -> StartMedia {
    let setup = encoder.setup();
    Box::new(move |number, config| {
        let media = MediaSetup {
            source: config.source.clone(),
            video: config.video.clone(),
            audio: config.audio.clone(),
            alarms: config.alarms.clone(),
            recording_kbps: config.record.bitrate_kbps,
            ..first.clone()
        };
        setup.send_replace((number, media));
    })
}

/// Of all that leaves, in kbit/s.
pub(super) fn bitrate_kbps(config: &Config) -> u32 {
    let kbps = config.video.bitrate_kbps + config.audio.bitrate_kbps;
    kbps + kbps * OVERHEAD_PERCENT / 100
}

pub(super) fn output_setup(config: &Config, role: OutputRole, cloud: &Trust) -> push::Setup {
    push::Setup {
        bitrate_kbps: bitrate_kbps(config),
        stream: targets::stream_info(config),
        trust: targets::believed(config, role, cloud),
    }
}

/// What people call the box: its id in the cloud, or the machine's name.
pub(super) fn box_name(config: &Config) -> String {
    let id = config.cloud.as_ref().map(|cloud| cloud.id.clone());
    id.unwrap_or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim().to_owned()
    })
}
