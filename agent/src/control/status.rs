//! One status of the box, out of what it means to do and what its parts say.

use std::time::Instant;

use stagebox_protocol::Preflight;
use stagebox_protocol::machine::{InterfaceStatus, MachineWarning, MemoryStatus, PowerStatus};
use stagebox_protocol::telemetry::{
    AudioLevel, BoxStatus, EncoderStatus, LiveState, LiveStatus, OutputState, OutputStatus, RecordingState,
    RecordingStatus, SignalStatus, StorageStatus,
};

use super::state::{Intent, Record};

/// How the machine is.
#[derive(Debug, Clone, Default)]
pub struct Health {
    pub storage: StorageStatus,
    pub temperature_c: Option<f32>,
    pub cpu_percent: Option<f32>,
    pub memory: Option<MemoryStatus>,
    pub power: Option<PowerStatus>,
    pub network: Vec<InterfaceStatus>,
    pub warnings: Vec<MachineWarning>,
}

/// What the parts of the box last said.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) signal: SignalStatus,
    pub(super) encoder: EncoderStatus,
    pub(super) audio: Vec<AudioLevel>,
    pub(super) outputs: Vec<OutputStatus>,
    pub(super) recording: RecordingStatus,
    pub(super) health: Health,
    pub(super) test: Option<Preflight>,
}

impl Observed {
    /// Puts an output's status in its place: main first. One of the box's own that pushes nowhere is not spoken of.
    pub(super) fn set_output(&mut self, status: OutputStatus) {
        if status.url.is_none() && !status.role.is_of_broadcast() {
            self.outputs.retain(|output| output.role != status.role);
            return;
        }
        match self.outputs.iter_mut().find(|output| output.role == status.role) {
            Some(output) => *output = status,
            None => {
                self.outputs.push(status);
                self.outputs.sort_by_key(|output| output.role);
            }
        }
    }
}

pub(super) fn compose(
    record: &Record,
    observed: &Observed,
    identify_until: Option<Instant>,
    now: Instant,
    unix_ms: i64,
) -> BoxStatus {
    let identify = identify_until.map(|until| until.saturating_duration_since(now));
    BoxStatus {
        live: live(record.live, &observed.outputs, unix_ms),
        recording: recording(record.recording, &observed.recording),
        signal: observed.signal.clone(),
        encoder: observed.encoder.clone(),
        outputs: observed.outputs.clone(),
        audio: observed.audio.clone(),
        storage: storage(
            &observed.health.storage,
            observed.encoder.recording_kbps.unwrap_or(observed.encoder.bitrate_kbps),
        ),
        temperature_c: observed.health.temperature_c,
        cpu_percent: observed.health.cpu_percent,
        identify_ms: identify.map_or(0, |left| u32::try_from(left.as_millis()).unwrap_or(u32::MAX)),
        memory: observed.health.memory.clone(),
        power: observed.health.power.clone(),
        network: observed.health.network.clone(),
        warnings: observed.health.warnings.clone(),
        preflight: observed.test.clone(),
    }
}

fn live(intent: Intent, outputs: &[OutputStatus], unix_ms: i64) -> LiveStatus {
    let used = outputs.iter().filter(|output| output.state != OutputState::Off);
    let sending = outputs.iter().filter(|output| output.state == OutputState::Sending).count();
    let state = match (intent.on, sending) {
        (false, _) => LiveState::Off,
        (true, 0) => LiveState::Connecting,
        (true, sending) if sending == used.count() => LiveState::Live,
        (true, _) => LiveState::Degraded,
    };
    let since_ms = intent.on.then(|| u64::try_from(unix_ms - intent.since_unix_ms).unwrap_or(0));
    LiveStatus { state, since_ms, origin: intent.origin }
}

fn recording(intent: Intent, recorder: &RecordingStatus) -> RecordingStatus {
    let state = match (intent.on, recorder.state) {
        (true, RecordingState::Off) => RecordingState::Starting,
        (_, state) => state,
    };
    RecordingStatus { state, origin: intent.origin, ..recorder.clone() }
}

fn storage(storage: &StorageStatus, bitrate_kbps: u32) -> StorageStatus {
    let bytes_per_s = u64::from(bitrate_kbps) * 1000 / 8;
    let remaining_s = storage.free_bytes.checked_div(bytes_per_s);
    StorageStatus { remaining_s, ..storage.clone() }
}
