//! Payloads of the recorder's marks and disks.

use stagebox_protocol::{Command, Telemetry, telemetry::MarkStatus};

pub(super) fn marks() -> [(&'static str, Command); 2] {
    let mark = |label: Option<&str>| Command::Mark { label: label.map(str::to_owned) };
    [("command_mark", mark(None)), ("command_mark_labelled", mark(Some("Encore")))]
}

/// A telemetry of a box that records, with all that a recording may say.
pub(super) fn recorded(mut telemetry: Telemetry) -> Telemetry {
    let recording = &mut telemetry.status.recording;
    recording.disk = Some("USB STICK".into());
    recording.disk_error = Some("the disk is full".into());
    recording.slow = Some("use a faster disk".into());
    recording.dropped_frames = 30;
    recording.uploads_waiting = 2;
    let file = "Autumn-Gala_2026-05-01_18-29-00Z_5f0c1e6a_00001.mp4".to_owned();
    recording.marks = vec![MarkStatus { number: 1, file, at_ms: 59_040, label: Some("Encore".into()) }];
    telemetry
}

/// Both fields of a second encode, as no box has them at once.
pub(super) fn encoded_twice(mut telemetry: Telemetry) -> Telemetry {
    telemetry.status.encoder.recording_kbps = Some(11_800);
    telemetry.status.encoder.not_twice =
        Some("record.bitrate_kbps: x264enc does not encode twice at once: it is too slow".into());
    telemetry
}
