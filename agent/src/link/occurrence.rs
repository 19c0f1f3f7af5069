//! What happened between two looks at the box's status.

use stagebox_protocol::machine::{MachineWarning, WarningKind};
use stagebox_protocol::telemetry::{EncoderState, LiveState, OutputState, RecordingState, SignalState};
use stagebox_protocol::{BoxStatus, EventBody, Preflight};

/// The events that lead from one status to the next, in the order of the signal's way through the box.
#[must_use]
pub fn between(before: &BoxStatus, after: &BoxStatus) -> Vec<EventBody> {
    let mut events = Vec::new();
    signal(before, after, &mut events);
    if after.encoder.restarts > before.encoder.restarts
        || (after.encoder.state == EncoderState::Failed && before.encoder.state != EncoderState::Failed)
    {
        let error = after.encoder.error.clone().or_else(|| before.encoder.error.clone());
        events.push(EventBody::EncoderRestarted {
            error: error.unwrap_or_else(|| "no reason was given".into()),
        });
    }
    if let Some(reason) = &after.encoder.degraded
        && after.encoder.degraded != before.encoder.degraded
    {
        events.push(EventBody::EncoderDegraded { reason: reason.clone() });
    }
    recording(before, after, &mut events);
    live(before, after, &mut events);
    outputs(before, after, &mut events);
    warnings(before, after, &mut events);
    preflight(before, after, &mut events);
    events
}

fn signal(before: &BoxStatus, after: &BoxStatus, events: &mut Vec<EventBody>) {
    let (old, new) = (&before.signal, &after.signal);
    let locked = |state| state == SignalState::Locked;
    if locked(new.state) {
        if !locked(old.state) || (old.width, old.height, old.fps) != (new.width, new.height, new.fps) {
            events.push(EventBody::SignalLocked { width: new.width, height: new.height, fps: new.fps });
        }
    } else if locked(old.state) {
        events.push(EventBody::SignalLost);
    }
}

fn recording(before: &BoxStatus, after: &BoxStatus, events: &mut Vec<EventBody>) {
    let (old, new) = (&before.recording, &after.recording);
    let origin = new.origin;
    match (old.state, new.state) {
        (old, new) if old == new => {}
        (_, RecordingState::Failed) => {
            let error = new.error.clone().unwrap_or_else(|| "no reason was given".into());
            events.push(EventBody::RecordingFailed { error });
        }
        (
            RecordingState::Off | RecordingState::Starting | RecordingState::Failed,
            RecordingState::Recording,
        ) => {
            events.push(EventBody::RecordingStarted { origin });
        }
        (RecordingState::Recording | RecordingState::Failed, RecordingState::Off) => {
            // The recorder may have counted on until it closed the file.
            let duration_ms = old.duration_ms.max(new.duration_ms);
            let bytes = old.bytes.max(new.bytes);
            events.push(EventBody::RecordingStopped { origin, duration_ms, bytes });
        }
        _ => {}
    }
    let told = old.marks.last().map_or(0, |mark| mark.number);
    for mark in new.marks.iter().filter(|mark| mark.number > told) {
        let (file, at_ms, label) = (mark.file.clone(), mark.at_ms, mark.label.clone());
        events.push(EventBody::RecordingMarked { file, at_ms, label });
    }
    if let (None, Some(error)) = (&old.slow, &new.slow) {
        events.push(EventBody::RecordingSlow { error: error.clone() });
    }
    if let (Some(before), Some(disk)) = (&old.disk, &new.disk)
        && before != disk
        && new.state != RecordingState::Off
    {
        events.push(EventBody::RecordingMoved { disk: disk.clone(), error: new.disk_error.clone() });
    }
}

fn live(before: &BoxStatus, after: &BoxStatus, events: &mut Vec<EventBody>) {
    let origin = after.live.origin;
    match (before.live.state == LiveState::Off, after.live.state == LiveState::Off) {
        (true, false) => events.push(EventBody::LiveStarted { origin }),
        (false, true) => events.push(EventBody::LiveStopped { origin }),
        _ => {}
    }
}

fn outputs(before: &BoxStatus, after: &BoxStatus, events: &mut Vec<EventBody>) {
    for new in &after.outputs {
        let old =
            before.outputs.iter().find(|old| old.role == new.role).map_or(OutputState::Off, |old| old.state);
        let sends = |state| state == OutputState::Sending;
        if sends(new.state) && !sends(old) {
            events.push(EventBody::OutputConnected { role: new.role });
        } else if sends(old) && matches!(new.state, OutputState::Waiting | OutputState::Connecting) {
            let error = new.error.clone().unwrap_or_else(|| "the connection ended".into());
            events.push(EventBody::OutputLost { role: new.role, error });
        }
    }
}

/// What is told beside telemetry: what spoils a broadcast. The box itself sees to it that they do not come and go.
fn warnings(before: &BoxStatus, after: &BoxStatus, events: &mut Vec<EventBody>) {
    let is_told = |warning: &&MachineWarning| {
        matches!(
            warning.kind,
            WarningKind::UnderVoltage | WarningKind::Throttled | WarningKind::Hot | WarningKind::MemoryLow
        )
    };
    let has = |status: &BoxStatus, kind| status.warnings.iter().any(|warning| warning.kind == kind);
    for new in after.warnings.iter().filter(is_told).filter(|new| !has(before, new.kind)) {
        events.push(EventBody::WarningRaised { warning: new.kind, words: new.words.clone() });
    }
    for old in before.warnings.iter().filter(is_told).filter(|old| !has(after, old.kind)) {
        events.push(EventBody::WarningCleared { warning: old.kind });
    }
}

fn preflight(before: &BoxStatus, after: &BoxStatus, events: &mut Vec<EventBody>) {
    let Some(new) = after.preflight.as_ref().filter(|test| test.finished_at.is_some()) else { return };
    let was_over = |old: &Preflight| old.finished_at.is_some() && old.started_at == new.started_at;
    if !before.preflight.as_ref().is_some_and(was_over) {
        let error = new.worst().map(|check| format!("{}: {}", check.name, check.said));
        events.push(EventBody::PreflightFinished { state: new.state, error, upload_kbps: new.upload_kbps });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stagebox_protocol::Timestamp;
    use stagebox_protocol::preflight::{PreflightCheck, PreflightState, PreflightVerdict};
    use stagebox_protocol::telemetry::{MarkStatus, OutputRole, OutputStatus};

    fn output(state: OutputState) -> BoxStatus {
        let output = OutputStatus {
            role: OutputRole::Main,
            state,
            url: None,
            bitrate_kbps: 0,
            queued_ms: 0,
            sent_bytes: 0,
            dropped_frames: 0,
            reconnects: 0,
            error: None,
        };
        BoxStatus { outputs: vec![output], ..BoxStatus::default() }
    }

    #[test]
    fn nothing_happens_while_only_numbers_change() {
        let mut before = output(OutputState::Sending);
        before.encoder.frames = 7;
        assert_eq!(between(&before, &output(OutputState::Sending)), []);
    }

    #[test]
    fn a_signal_that_changes_its_mode_is_locked_anew() {
        let mut status = BoxStatus::default();
        status.signal.state = SignalState::Locked;
        (status.signal.width, status.signal.height, status.signal.fps) = (1280, 720, 30.0);
        let locked = EventBody::SignalLocked { width: 1280, height: 720, fps: 30.0 };
        assert_eq!(between(&BoxStatus::default(), &status), [locked]);
        let before = status.clone();
        status.signal.fps = 25.0;
        assert_eq!(
            between(&before, &status),
            [EventBody::SignalLocked { width: 1280, height: 720, fps: 25.0 }]
        );
        assert_eq!(between(&status, &BoxStatus::default()), [EventBody::SignalLost]);
    }

    #[test]
    fn a_stop_is_no_lost_output() {
        let role = OutputRole::Main;
        let sends = output(OutputState::Sending);
        assert_eq!(between(&BoxStatus::default(), &sends), [EventBody::OutputConnected { role }]);
        assert_eq!(between(&sends, &output(OutputState::Off)), []);
        let lost = EventBody::OutputLost { role, error: "the connection ended".into() };
        assert_eq!(between(&sends, &output(OutputState::Waiting)), [lost]);
    }

    #[test]
    fn a_warning_is_told_when_it_comes_and_when_it_goes() {
        let warned = |kind, words: &str| BoxStatus {
            warnings: vec![MachineWarning { kind, words: words.to_owned() }],
            ..BoxStatus::default()
        };
        let (none, hot) = (BoxStatus::default(), warned(WarningKind::Hot, "83 °C"));
        let raised = EventBody::WarningRaised { warning: WarningKind::Hot, words: "83 °C".to_owned() };
        assert_eq!(between(&none, &hot), [raised]);
        assert_eq!(between(&hot, &warned(WarningKind::Hot, "90 °C")), []);
        assert_eq!(between(&hot, &none), [EventBody::WarningCleared { warning: WarningKind::Hot }]);
        assert_eq!(between(&none, &warned(WarningKind::Clock, "not set")), []);
    }

    #[test]
    fn a_test_is_told_of_once_when_it_is_over() {
        let test = |state, started, finished: Option<i64>| {
            let check = PreflightCheck {
                name: "disk".into(),
                verdict: PreflightVerdict::Warn,
                said: "it is slow".into(),
                fix: None,
            };
            let preflight = Preflight {
                state,
                percent: 0,
                started_at: Timestamp::from_unix_ms(started),
                finished_at: finished.map(Timestamp::from_unix_ms),
                checks: vec![check],
                upload_kbps: Some(5),
            };
            BoxStatus { preflight: Some(preflight), ..BoxStatus::default() }
        };
        let over = |state| EventBody::PreflightFinished {
            state,
            error: Some("disk: it is slow".into()),
            upload_kbps: Some(5),
        };
        let (running, warned) =
            (test(PreflightState::Running, 1, None), test(PreflightState::Warned, 1, Some(9)));
        assert_eq!(between(&BoxStatus::default(), &running), []);
        assert_eq!(between(&running, &warned), [over(PreflightState::Warned)]);
        assert_eq!(between(&warned, &warned), []);
        // Another one that was over before anybody looked.
        let cancelled = test(PreflightState::Cancelled, 10, Some(11));
        assert_eq!(between(&warned, &cancelled), [over(PreflightState::Cancelled)]);
    }

    #[test]
    fn what_happens_to_a_recording_is_told_once() {
        let mark = |number: u64, label: &str| MarkStatus {
            number,
            file: "a.mp4".into(),
            at_ms: number * 1_000,
            label: Some(label.into()),
        };
        let marked = |number: u64, label: &str| EventBody::RecordingMarked {
            file: "a.mp4".into(),
            at_ms: number * 1_000,
            label: Some(label.into()),
        };
        let mut before = BoxStatus::default();
        before.recording.state = RecordingState::Recording;
        before.recording.disk = Some("USB STICK".into());
        before.recording.marks = vec![mark(3, "a"), mark(4, "b")];
        let mut after = before.clone();
        assert_eq!(between(&before, &after), []);
        after.recording.marks = vec![mark(4, "b"), mark(5, "c"), mark(6, "d")];
        assert_eq!(between(&before, &after), [marked(5, "c"), marked(6, "d")]);
        before = after.clone();
        after.recording.marks.clear();
        after.recording.slow = Some("use a faster disk".into());
        assert_eq!(
            between(&before, &after),
            [EventBody::RecordingSlow { error: "use a faster disk".into() }]
        );
        before = after.clone();
        after.recording.disk = Some("internal".into());
        after.recording.disk_error = Some("it was taken away".into());
        let moved =
            EventBody::RecordingMoved { disk: "internal".into(), error: Some("it was taken away".into()) };
        assert_eq!(between(&before, &after), [moved]);
    }

    #[test]
    fn a_recording_ends_with_its_length() {
        let mut before = BoxStatus::default();
        before.recording.state = RecordingState::Recording;
        (before.recording.duration_ms, before.recording.bytes) = (5_000, 99);
        let stopped = EventBody::RecordingStopped { origin: None, duration_ms: 5_000, bytes: 99 };
        assert_eq!(between(&before, &BoxStatus::default()), [stopped]);
        assert_eq!(between(&BoxStatus::default(), &before), [EventBody::RecordingStarted { origin: None }]);
    }
}
