//! The box's status in the panel's words.

use stagebox_protocol::panel::{
    AudioPeaks, Broadcast, Cloud, Input, Output, OutputState as Shown, Preflight, PreflightState, Recording,
    Status, Storage, VideoMode, text,
};
use stagebox_protocol::preflight::{PreflightCheck, PreflightState as Tested, PreflightVerdict};
use stagebox_protocol::telemetry::{
    AudioLevel, BoxStatus, EncoderState, LiveState, OutputRole, OutputState, OutputStatus, RecordingState,
    SignalAlarm, SignalState,
};

/// Less than this is left for a recording: worth a word on the panel.
const LOW_STORAGE_S: u64 = 15 * 60;

/// A test that was this long ago says little about now.
const OLD_TEST_S: u32 = 4 * 3600;

/// The test before going live, for as long as it is worth a word; `unix_ms` is now.
pub(super) fn preflight(status: &BoxStatus, unix_ms: i64) -> Option<Preflight> {
    let test = status.preflight.as_ref()?;
    let ago_s = test.finished_at.map_or(0, |at| {
        u32::try_from(unix_ms.saturating_sub(at.unix_ms()).max(0) / 1000).unwrap_or(u32::MAX)
    });
    let is_live = !matches!(status.live.state, LiveState::Off | LiveState::Unknown);
    let (state, blamed) = match test.state {
        Tested::Running => (PreflightState::Running { percent: test.percent }, under_way(test)),
        // The stream itself says more by now.
        _ if is_live || ago_s > OLD_TEST_S => return None,
        Tested::Passed => (PreflightState::Passed { ago_s }, None),
        Tested::Warned => (PreflightState::Warned { ago_s }, test.worst()),
        Tested::Failed => (PreflightState::Failed { ago_s }, test.worst()),
        Tested::Cancelled => (PreflightState::Cancelled, None),
        Tested::Unknown => return None,
    };
    let what = blamed.map_or("", |check| match check.name.as_str() {
        "room" => "room on the disk",
        "main" => "main server",
        "backup" => "backup server",
        "third" => "third server",
        "fourth" => "fourth server",
        name => name,
    });
    Some(Preflight { state, what: text(what) })
}

fn under_way(test: &stagebox_protocol::Preflight) -> Option<&PreflightCheck> {
    test.checks.iter().find(|check| check.verdict == PreflightVerdict::Running)
}

/// What the panel shows beside the box's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Surroundings {
    pub(super) device: String,
    pub(super) address: String,
    pub(super) cloud: Cloud,
}

/// Remembers what a single status does not tell.
#[derive(Debug, Default)]
pub(super) struct View {
    /// A server had the stream since the box was put live.
    was_on_air: bool,
}

impl View {
    pub(super) fn of(&mut self, status: &BoxStatus, surroundings: &Surroundings) -> Status {
        let broadcast = self.broadcast(status);
        Status {
            device: text(&surroundings.device),
            broadcast,
            recording: recording(status),
            input: input(status),
            main: output(status, OutputRole::Main),
            backup: output(status, OutputRole::Backup),
            audio: peaks(&status.audio),
            storage: storage(status),
            cloud: surroundings.cloud,
            address: text(&surroundings.address),
            claim: text(""),
            trouble: text(&trouble(status).unwrap_or_default()),
        }
    }

    fn broadcast(&mut self, status: &BoxStatus) -> Broadcast {
        let elapsed_s = seconds(status.live.since_ms.unwrap_or(0));
        match status.live.state {
            LiveState::Off | LiveState::Unknown => {
                self.was_on_air = false;
                Broadcast::Off
            }
            LiveState::Live | LiveState::Degraded => {
                self.was_on_air = true;
                Broadcast::OnAir { elapsed_s }
            }
            LiveState::Connecting if self.was_on_air => Broadcast::Lost { elapsed_s },
            LiveState::Connecting => Broadcast::Starting,
        }
    }
}

fn recording(status: &BoxStatus) -> Recording {
    match status.recording.state {
        RecordingState::Off | RecordingState::Unknown => Recording::Off,
        RecordingState::Starting | RecordingState::Recording => {
            Recording::On { elapsed_s: seconds(status.recording.duration_ms) }
        }
        RecordingState::Failed => Recording::Failed,
    }
}

fn input(status: &BoxStatus) -> Input {
    let signal = &status.signal;
    match signal.state {
        SignalState::None | SignalState::NoCable | SignalState::Unknown => Input::NoSignal,
        SignalState::Unstable | SignalState::OutOfRange | SignalState::Protected => Input::Unstable,
        SignalState::Locked => Input::Locked(VideoMode {
            width: u16::try_from(signal.width).unwrap_or(u16::MAX),
            height: u16::try_from(signal.height).unwrap_or(u16::MAX),
            // The conversion saturates; 29.97 is 29970.
            rate_milli: (f64::from(signal.fps) * 1000.0).round() as u32,
            interlaced: false,
        }),
    }
}

fn output(status: &BoxStatus, role: OutputRole) -> Output {
    let Some(output) = find(status, role) else { return Output::default() };
    let state = match output.state {
        OutputState::Off | OutputState::Unknown if output.url.is_none() => Shown::Unset,
        OutputState::Off | OutputState::Unknown => Shown::Idle,
        OutputState::Connecting => Shown::Connecting,
        OutputState::Sending => Shown::Streaming,
        OutputState::Waiting => Shown::Waiting { retry_ms: 0 },
    };
    Output {
        state,
        bitrate_kbps: output.bitrate_kbps,
        dropped_frames: u32::try_from(output.dropped_frames).unwrap_or(u32::MAX),
    }
}

fn find(status: &BoxStatus, role: OutputRole) -> Option<&OutputStatus> {
    status.outputs.iter().find(|output| output.role == role)
}

/// The loudest moment of each side; one channel goes to both.
pub(super) fn peaks(levels: &[AudioLevel]) -> Option<AudioPeaks> {
    // The conversion saturates: silence, -120 and below, is far under what a meter shows.
    let peak = |channel: usize| levels.get(channel).map(|level| level.peak_dbfs.round() as i8);
    let left_dbfs = peak(0)?;
    Some(AudioPeaks { left_dbfs, right_dbfs: peak(1).unwrap_or(left_dbfs) })
}

fn storage(status: &BoxStatus) -> Option<Storage> {
    (status.storage.total_bytes > 0).then(|| Storage {
        free_mb: u32::try_from(status.storage.free_bytes / 1_000_000).unwrap_or(u32::MAX),
        left_min: status.storage.remaining_s.map(|left_s| u32::try_from(left_s / 60).unwrap_or(u32::MAX)),
    })
}

/// The most important thing that is wrong, in a few words.
fn trouble(status: &BoxStatus) -> Option<String> {
    let live = !matches!(status.live.state, LiveState::Off | LiveState::Unknown);
    let why = |what: &str, error: &Option<String>| match error {
        Some(error) => format!("{what}: {error}"),
        None => what.to_owned(),
    };
    if status.encoder.state == EncoderState::Failed {
        return Some(why("Encoder failed", &status.encoder.error));
    }
    if status.recording.state == RecordingState::Failed {
        return Some(why("Recording failed", &status.recording.error));
    }
    if live && status.outputs.iter().all(|output| output.url.is_none()) {
        return Some("No server is set".to_owned());
    }
    match status.signal.state {
        SignalState::OutOfRange => {
            return Some(
                status
                    .signal
                    .reason
                    .clone()
                    .unwrap_or_else(|| "The picture's format is out of range".to_owned()),
            );
        }
        SignalState::Protected => return Some("The source protects its picture (HDCP)".to_owned()),
        SignalState::NoCable if live => return Some("No cable at the input".to_owned()),
        SignalState::None if live => return Some("No picture at the input".to_owned()),
        _ => {}
    }
    let waiting = status.outputs.iter().find(|output| live && output.state == OutputState::Waiting);
    if let Some(output) = waiting {
        return Some(why(capital(output.role), &output.error));
    }
    let recording = matches!(status.recording.state, RecordingState::Recording | RecordingState::Starting);
    if recording && status.recording.slow.is_some() {
        return Some("Disk too slow".to_owned());
    }
    if let Some(error) = status.recording.disk_error.as_ref().filter(|_| recording) {
        return Some(error.clone());
    }
    if let Some(left_s) = status.storage.remaining_s.filter(|left_s| recording && *left_s < LOW_STORAGE_S) {
        return Some(format!("Storage for {} min", left_s / 60));
    }
    if live && status.encoder.degraded.is_some() {
        return Some(format!("{} stands in", status.encoder.name));
    }
    let alarms = status.signal.alarms.iter().filter(|_| live && status.signal.state == SignalState::Locked);
    alarms.filter_map(alarm).next().map(str::to_owned)
}

fn capital(role: OutputRole) -> &'static str {
    match role {
        OutputRole::Main => "Main",
        OutputRole::Backup => "Backup",
        OutputRole::Third => "Third",
        OutputRole::Fourth => "Fourth",
    }
}

fn alarm(alarm: &SignalAlarm) -> Option<&'static str> {
    match alarm {
        SignalAlarm::Silent => Some("Nothing is to be heard"),
        SignalAlarm::Black => Some("The picture is black"),
        SignalAlarm::Frozen => Some("The picture stands still"),
        SignalAlarm::Unknown => None,
    }
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use stagebox_protocol::telemetry::{LiveStatus, SignalStatus, StorageStatus};

    use super::*;

    fn box_status(state: LiveState) -> BoxStatus {
        let output = |role, state| OutputStatus {
            role,
            state,
            url: Some("rtmp://127.0.0.1/live".into()),
            bitrate_kbps: 3_000,
            queued_ms: 0,
            sent_bytes: 0,
            dropped_frames: 7,
            reconnects: 0,
            error: None,
        };
        let sending = if state == LiveState::Off { OutputState::Off } else { OutputState::Sending };
        BoxStatus {
            live: LiveStatus { state, since_ms: Some(61_900), origin: None },
            signal: SignalStatus {
                state: SignalState::Locked,
                width: 1280,
                height: 720,
                fps: 29.97,
                ..SignalStatus::default()
            },
            outputs: vec![output(OutputRole::Main, sending), output(OutputRole::Backup, sending)],
            audio: vec![AudioLevel { peak_dbfs: -17.6, rms_dbfs: -20.0 }],
            storage: StorageStatus {
                free_bytes: 5_000_000_000,
                total_bytes: 9_000_000_000,
                remaining_s: Some(7_300),
            },
            ..BoxStatus::default()
        }
    }

    fn shown(status: &BoxStatus) -> Status {
        View::default().of(status, &Surroundings::default())
    }

    #[test]
    fn figures_are_put_into_the_panels_units() {
        let status = shown(&box_status(LiveState::Live));
        assert_eq!(status.broadcast, Broadcast::OnAir { elapsed_s: 61 });
        let mode = VideoMode { width: 1280, height: 720, rate_milli: 29_970, interlaced: false };
        assert_eq!(status.input, Input::Locked(mode));
        assert_eq!(status.main, Output { state: Shown::Streaming, bitrate_kbps: 3_000, dropped_frames: 7 });
        assert_eq!(status.audio, Some(AudioPeaks { left_dbfs: -18, right_dbfs: -18 }), "mono goes to both");
        assert_eq!(status.storage, Some(Storage { free_mb: 5_000, left_min: Some(121) }));
        assert_eq!(shown(&BoxStatus::default()), Status::default());
    }

    #[test]
    fn a_test_is_told_while_it_is_worth_a_word() {
        let test = |state, live, ago_ms: i64| {
            let check = |name: &str, verdict| PreflightCheck {
                name: name.into(),
                verdict,
                said: String::new(),
                fix: None,
            };
            let mut status = box_status(live);
            status.preflight = Some(stagebox_protocol::Preflight {
                state,
                percent: 40,
                started_at: stagebox_protocol::Timestamp::from_unix_ms(0),
                finished_at: (state != Tested::Running)
                    .then(|| stagebox_protocol::Timestamp::from_unix_ms(20_000_000 - ago_ms)),
                checks: vec![
                    check("clock", PreflightVerdict::Warn),
                    check("main", PreflightVerdict::Fail),
                    check("upload", PreflightVerdict::Running),
                ],
                upload_kbps: None,
            });
            preflight(&status, 20_000_000).map(|test| (test.state, test.what.as_str().to_owned()))
        };
        let told = |state, what: &str| Some((state, what.to_owned()));
        let (off, live) = (LiveState::Off, LiveState::Live);
        assert_eq!(preflight(&box_status(off), 0), None);
        assert_eq!(test(Tested::Running, off, 0), told(PreflightState::Running { percent: 40 }, "upload"));
        assert_eq!(test(Tested::Passed, off, 61_000), told(PreflightState::Passed { ago_s: 61 }, ""));
        assert_eq!(test(Tested::Failed, off, 0), told(PreflightState::Failed { ago_s: 0 }, "main server"));
        assert_eq!(test(Tested::Cancelled, off, 0), told(PreflightState::Cancelled, ""));
        // The clock was set back meanwhile.
        assert_eq!(test(Tested::Passed, off, -5_000), told(PreflightState::Passed { ago_s: 0 }, ""));
        assert_eq!(test(Tested::Failed, live, 0), None);
        assert_eq!(test(Tested::Passed, off, 14_401_000), None);
    }

    #[test]
    fn a_stream_that_was_there_is_lost_and_a_new_one_is_starting() {
        let mut view = View::default();
        let mut seen = |state| view.of(&box_status(state), &Surroundings::default()).broadcast;
        assert_eq!(seen(LiveState::Connecting), Broadcast::Starting);
        assert_eq!(seen(LiveState::Degraded), Broadcast::OnAir { elapsed_s: 61 });
        assert_eq!(seen(LiveState::Connecting), Broadcast::Lost { elapsed_s: 61 });
        assert_eq!(seen(LiveState::Off), Broadcast::Off);
        assert_eq!(seen(LiveState::Connecting), Broadcast::Starting);
    }

    #[test]
    fn the_worst_trouble_is_told() {
        type Edit = fn(&mut BoxStatus);
        let table: [(Edit, &str); 8] = [
            (|_| {}, ""),
            (
                |status| {
                    status.outputs[1].state = OutputState::Waiting;
                    status.outputs[1].error = Some("connection refused".into());
                },
                "Backup: connection refused",
            ),
            (|status| status.signal.state = SignalState::None, "No picture at the input"),
            (|status| status.outputs.clear(), "No server is set"),
            (
                |status| {
                    status.recording.state = RecordingState::Failed;
                    status.recording.error = Some("disk full".into());
                },
                "Recording failed: disk full",
            ),
            (
                |status| {
                    status.recording.state = RecordingState::Recording;
                    status.storage.remaining_s = Some(125);
                },
                "Storage for 2 min",
            ),
            (
                |status| {
                    status.recording.state = RecordingState::Recording;
                    status.recording.slow = Some("use a faster disk".into());
                },
                "Disk too slow",
            ),
            (
                |status| {
                    status.signal.state = SignalState::None;
                    status.encoder.state = EncoderState::Failed;
                },
                "Encoder failed",
            ),
        ];
        for (edit, expected) in table {
            let mut status = box_status(LiveState::Live);
            edit(&mut status);
            assert_eq!(shown(&status).trouble.as_str(), expected);
        }
        let mut idle = box_status(LiveState::Off);
        idle.outputs.clear();
        assert_eq!(shown(&idle).trouble.as_str(), "", "a box that is not live has no trouble with servers");
    }
}
