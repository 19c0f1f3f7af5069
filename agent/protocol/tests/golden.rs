//! Golden payloads per version, read and written: a change that breaks one breaks boxes in the field.
//!
//! A file of a version that was released is never edited; new fields get new files beside it.

#![allow(clippy::unwrap_used, reason = "a test: what is wrong in it may stop it")]
#[path = "golden/before_live.rs"]
mod before_live;
#[path = "golden/recorded.rs"]
mod recorded;

use before_live::{preflight, preflight_commands, running_preflight};
use recorded::{encoded_twice, marks, recorded};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use stagebox_protocol::{
    command::*, configured::*, desired::*, event::*, logs::*, machine::*, payload, preflight::*, status::*,
    telemetry::*, *,
};
use std::{collections::BTreeSet, fmt::Debug, fs, path::PathBuf};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1");

fn ts() -> Timestamp {
    Timestamp::parse("2026-05-01T18:30:00.250Z").unwrap()
}

fn boot() -> BootId {
    "5f0c1e6a".parse().unwrap()
}

/// Compares with the golden bytes in both directions, and once more with a field of a later version added.
fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    seen: &mut BTreeSet<String>,
    name: &str,
    value: &T,
) {
    let file = format!("{name}.json");
    let path = PathBuf::from(DIR).join(&file);
    let written = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    let golden =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}\n{written}", path.display()));
    assert_eq!(written, golden, "{file}: writing changed");
    assert_eq!(&payload::decode::<T>(golden.as_bytes()).unwrap(), value, "{file}: reading changed");
    let again: Value = serde_json::from_slice(&payload::encode(value)).unwrap();
    assert_eq!(again, serde_json::from_str::<Value>(&golden).unwrap(), "{file}");
    assert!(seen.insert(file), "{name} is there twice");
}

/// A reader of this version takes a payload of a later one.
fn tolerates<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let mut later = serde_json::to_value(value).unwrap();
    later.as_object_mut().unwrap().insert("a_later_field".into(), serde_json::json!({"x": [1]}));
    assert_eq!(&serde_json::from_value::<T>(later).unwrap(), value);
}

fn box_state() -> BoxState {
    BoxState {
        software: "stagebox-agent 0.1.0".into(),
        name: Some("Hall A".into()),
        event_id: Some("evt_01".into()),
        targets_version: Some(3),
        outputs: vec![ReportedOutput {
            role: OutputRole::Main,
            url: "rtmp://127.0.0.1:1935/live".into(),
            key: mask_key("0123456789abcdef"),
        }],
        live: true,
        recording: false,
        config: None,
    }
}

fn machine() -> BoxStatus {
    BoxStatus {
        memory: Some(MemoryStatus {
            total_bytes: 1 << 32,
            available_bytes: 1 << 31,
            agent_bytes: Some(40 << 20),
            media_bytes: None,
        }),
        power: Some(PowerStatus { under_voltage: Some(true), throttled: None, since_boot: Some(true) }),
        network: vec![InterfaceStatus {
            name: "eth0".into(),
            kind: InterfaceKind::Wired,
            speed_mbps: Some(1000),
            addresses: vec!["192.0.2.7".into()],
            received_kbps: 12,
            sent_kbps: 6_200,
            errors: 3,
        }],
        warnings: vec![MachineWarning { kind: WarningKind::UnderVoltage, words: "too weak".into() }],
        ..BoxStatus::default()
    }
}

fn config() -> ReportedConfig {
    let problem = |field: &str| ConfigProblem {
        field: field.into(),
        problem: "0 is out of range".into(),
        fix: "give 1 to 60".into(),
    };
    ReportedConfig {
        version: 9,
        applied: false,
        waits: Some("until the stream has stopped".into()),
        errors: vec![problem("video.fps")],
        notes: vec!["the file is wrong".into()],
        running: serde_json::json!({ "video": { "fps": 30 } }).as_object().unwrap().clone(),
    }
}

fn telemetry() -> Telemetry {
    let output = OutputStatus {
        role: OutputRole::Backup,
        state: OutputState::Waiting,
        url: Some("rtmp://127.0.0.1:1936/live".into()),
        bitrate_kbps: 0,
        queued_ms: 120,
        sent_bytes: 4_000_000,
        dropped_frames: 30,
        reconnects: 2,
        error: Some("connect: refused".into()),
    };
    let status = BoxStatus {
        live: LiveStatus { state: LiveState::Degraded, since_ms: Some(61_000), origin: Some(Origin::Panel) },
        recording: RecordingStatus {
            state: RecordingState::Recording,
            origin: None,
            file: Some("rec_01-0001.mp4".into()),
            duration_ms: 60_500,
            bytes: 22_000_000,
            error: None,
            ..RecordingStatus::default()
        },
        signal: SignalStatus {
            state: SignalState::Locked,
            source: "HDMI".into(),
            width: 1280,
            height: 720,
            fps: 29.5,
            audio: true,
            reason: None,
            alarms: Vec::new(),
        },
        encoder: EncoderStatus {
            state: EncoderState::Running,
            name: "x264enc".into(),
            bitrate_kbps: 3000,
            fps: 29.5,
            frames: 1815,
            dropped_frames: 0,
            restarts: 1,
            error: None,
            ..EncoderStatus::default()
        },
        outputs: vec![output],
        audio: vec![
            AudioLevel { peak_dbfs: -6.5, rms_dbfs: -18.25 },
            AudioLevel { peak_dbfs: -120.0, rms_dbfs: -120.0 },
        ],
        storage: StorageStatus { free_bytes: 1 << 40, total_bytes: 1 << 41, remaining_s: Some(86_400) },
        temperature_c: Some(51.5),
        cpu_percent: Some(37.5),
        identify_ms: 0,
        ..BoxStatus::default()
    };
    Telemetry { boot_id: boot(), mono_ms: 61_250, ts: ts(), clock_synced: true, status }
}

fn envelope(command: &Command) -> CommandEnvelope {
    CommandEnvelope { id: "cmd_01".parse().unwrap(), issued_at: ts(), expires_at: None, args: command.args() }
}

fn commands() -> [Command; 11] {
    [
        Command::StartStream,
        Command::StopStream,
        Command::StartRecording,
        Command::StopRecording,
        Command::Reconnect { output: None },
        Command::Reconnect { output: Some(OutputRole::Backup) },
        Command::Identify { duration_ms: IDENTIFY_MS },
        Command::Identify { duration_ms: 1 },
        Command::RetryEncoder,
        Command::FetchLogs { minutes: 30, level: LogLevel::Warn },
        Command::FetchMoreLogs { of: "cmd_00".parse().unwrap(), offset: 24_576 },
    ]
}

/// A telemetry with a test in it, beside the one from before there were any.
fn telemetry_with(preflight: Preflight) -> Telemetry {
    let mut telemetry = telemetry();
    telemetry.status.preflight = Some(preflight);
    telemetry
}

fn events() -> Vec<EventBody> {
    vec![
        EventBody::Started { software: "stagebox-agent 0.1.0".into() },
        EventBody::SignalLocked { width: 1280, height: 720, fps: 29.5 },
        EventBody::SignalLost,
        EventBody::LiveStarted { origin: Some(Origin::Panel) },
        EventBody::LiveStopped { origin: Some(Origin::Cloud) },
        EventBody::RecordingStarted { origin: Some(Origin::LocalWeb) },
        EventBody::RecordingStopped { origin: Some(Origin::Resume), duration_ms: 60_500, bytes: 22_000_000 },
        EventBody::RecordingFailed { error: "write: no space left".into() },
        EventBody::OutputConnected { role: OutputRole::Main },
        EventBody::OutputLost { role: OutputRole::Backup, error: "timed out".into() },
        EventBody::EncoderRestarted { error: "exit status 1".into() },
        EventBody::EncoderDegraded { reason: "vah264enc failed twice: reset".into() },
        EventBody::SelfHealing {
            step: HealingStep::ToggleEdid,
            reason: "no picture comes through the cable".into(),
        },
        EventBody::SelfHealed { step: HealingStep::RestartAgent },
        EventBody::SelfHealingExhausted { reason: "source.device: no such device".into() },
        EventBody::CommandRefused { command: "identify".into(), code: 403, error: "elsewhere".into() },
        EventBody::EventsLost { count: 12 },
        EventBody::WarningRaised { warning: WarningKind::Throttled, words: "too weak".into() },
        EventBody::WarningCleared { warning: WarningKind::Hot },
        EventBody::ConfigNotUsed { reason: "the file is wrong".into() },
        EventBody::PreflightFinished {
            state: PreflightState::Failed,
            error: Some("main: the name is not known".into()),
            upload_kbps: Some(8_200),
        },
        EventBody::RecordingMarked { file: "a.mp4".into(), at_ms: 61_040, label: Some("Encore".into()) },
        EventBody::RecordingSlow { error: "use a faster disk".into() },
        EventBody::RecordingMoved { disk: "internal".into(), error: Some("the USB disk was pulled".into()) },
    ]
}

fn event(body: EventBody) -> BoxEvent {
    let outbox = "0a1b2c".parse().unwrap();
    BoxEvent {
        seq: 42,
        outbox,
        oldest: 40,
        boot_id: boot(),
        mono_ms: 61_250,
        ts: ts(),
        clock_synced: false,
        body,
    }
}

#[test]
fn version_1_is_read_and_written_as_ever() {
    let seen = &mut BTreeSet::new();
    golden(seen, "status_online", &Status { state: Presence::Online, boot_id: boot(), ts: ts() });
    golden(seen, "status_offline", &Status { state: Presence::Offline, boot_id: boot(), ts: ts() });
    let state = DesiredState {
        name: Some("Hall A".into()),
        event_id: Some("evt_01".into()),
        event_title: None,
        targets_version: Some(3),
        unknown: [("overlay".to_owned(), serde_json::json!("logo"))].into(),
        ..DesiredState::default()
    };
    golden(seen, "desired", &Desired { version: 8, state: state.clone() });
    let titled = DesiredState { event_title: Some("Autumn Gala".into()), ..state.clone() };
    golden(seen, "desired_titled", &Desired { version: 9, state: titled });
    golden(seen, "desired_empty", &Desired { version: 1, state: DesiredState::default() });
    let state = DesiredState {
        config: serde_json::json!({ "video": { "fps": 25 } }).as_object().cloned(),
        config_version: Some(9),
        config_now: true,
        ..DesiredState::default()
    };
    golden(seen, "desired_config", &Desired { version: 9, state });
    let state = BoxState { config: Some(config()), ..box_state() };
    golden(seen, "reported_config", &Reported { desired_version: 9, code: CODE_PARTLY, error: None, state });
    golden(
        seen,
        "reported",
        &Reported { desired_version: 8, code: CODE_APPLIED, error: None, state: box_state() },
    );
    let error = Some("not applied: overlay".to_owned());
    golden(
        seen,
        "reported_partly",
        &Reported { desired_version: 8, code: CODE_PARTLY, error, state: box_state() },
    );
    for (index, command) in commands().iter().enumerate() {
        golden(seen, &format!("command_{index}_{}", command.name()), &envelope(command));
    }
    for (name, command) in marks() {
        golden(seen, name, &envelope(&command));
        assert_eq!(Command::parse(command.name(), &command.args()), Ok(command));
    }
    let mut expiring = envelope(&Command::StartStream);
    expiring.expires_at = Some(Timestamp::from_unix_ms(ts().unix_ms() + 10_000));
    golden(seen, "command_expiring", &expiring);
    let id: CommandId = "cmd_01".parse().unwrap();
    golden(seen, "response_accepted", &Outcome::Accepted.response(id.clone()));
    golden(seen, "response_done", &Outcome::Done.response(id.clone()));
    let data = "H4sIAAAA".to_owned();
    let piece = LogPiece { of: id.clone(), lines: 7, total_bytes: 24_582, offset: 24_576, data };
    golden(seen, "response_log_piece", &Outcome::Told(piece.result()).response(id.clone()));
    let refused = Outcome::Rejected { code: 409, error: "no targets".into() };
    golden(seen, "response_rejected", &refused.response(id));
    for body in events() {
        golden(seen, &format!("event_{}", body.kind()), &event(body));
    }
    golden(seen, "ack", &Ack { seq: 42, outbox: "0a1b2c".parse().unwrap() });
    golden(seen, "telemetry", &telemetry());
    golden(seen, "telemetry_machine", &Telemetry { status: machine(), ..telemetry() });
    golden(seen, "telemetry_preflight", &telemetry_with(preflight()));
    golden(seen, "telemetry_preflight_running", &telemetry_with(running_preflight()));
    for (name, command) in preflight_commands() {
        golden(seen, name, &envelope(&command));
    }
    golden(seen, "telemetry_recording", &recorded(telemetry()));
    golden(seen, "telemetry_encoded_twice", &encoded_twice(telemetry()));
    let there: BTreeSet<String> =
        fs::read_dir(DIR).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(seen, &there, "each golden file is tested");
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    tolerates(&Status { state: Presence::Online, boot_id: boot(), ts: ts() });
    tolerates(&Reported { desired_version: 8, code: 200, error: None, state: box_state() });
    tolerates(&envelope(&Command::StartStream));
    tolerates(&Outcome::Done.response("cmd_01".parse().unwrap()));
    tolerates(&Ack { seq: 42, outbox: "0a1b2c".parse().unwrap() });
    tolerates(&telemetry());
    tolerates(&Telemetry { status: machine(), ..telemetry() });
    let later = r#"{"name":"x0","kind":"satellite"}"#;
    assert_eq!(serde_json::from_str::<InterfaceStatus>(later).unwrap().kind, InterfaceKind::Other);
    tolerates(&preflight());
    for body in events() {
        tolerates(&event(body));
    }
    let later = r#"{"state":"half_live","since_ms":null}"#;
    assert_eq!(serde_json::from_str::<LiveStatus>(later).unwrap().state, LiveState::Unknown);
}

#[test]
fn an_unknown_event_is_kept_as_it_came() {
    let text = r#"{"seq":1,"outbox":"o","oldest":1,"boot_id":"b","mono_ms":5,"ts":"2026-05-01T18:30:00.000Z",
        "clock_synced":true,"kind":"fan_stuck","rpm":0}"#;
    let event: BoxEvent = payload::decode(text.as_bytes()).unwrap();
    assert_eq!(event.body.kind(), "fan_stuck");
    let written: Value = serde_json::from_slice(&payload::encode(&event)).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn commands_read_back_and_what_is_unknown_is_refused() {
    for command in commands().into_iter().chain(preflight_commands().map(|(_, command)| command)) {
        assert_eq!(Command::parse(command.name(), &command.args()), Ok(command));
    }
    let none = serde_json::Map::new();
    assert_eq!(Command::parse("identify", &none), Ok(Command::Identify { duration_ms: IDENTIFY_MS }));
    let unknown = Command::parse("format_disk", &none).unwrap_err();
    assert_eq!(unknown.code(), 404);
    assert!(unknown.to_string().contains("start_stream"), "{unknown}");
    let more = serde_json::json!({"at": "noon"}).as_object().unwrap().clone();
    for name in Command::NAMES {
        let refused = Command::parse(name, &more).unwrap_err();
        assert_eq!(refused.code(), 400);
        assert!(refused.to_string().contains("at"), "{refused}");
    }
    assert_eq!(Command::parse("preflight", &none), Ok(Command::Preflight { upload_s: UPLOAD_S }));
    for upload_s in [0, LONGEST_UPLOAD_S + 1] {
        let args = serde_json::json!({ "upload_s": upload_s }).as_object().unwrap().clone();
        assert!(Command::parse("preflight", &args).unwrap_err().to_string().contains("1 to 30"));
    }
    let label = |text: &str| serde_json::json!({ "label": text }).as_object().unwrap().clone();
    assert_eq!(Command::parse("mark", &label("  ")), Ok(Command::Mark { label: None }));
    for bad in ["two\nlines", &"x".repeat(LONGEST_LABEL + 1)] {
        assert!(Command::parse("mark", &label(bad)).unwrap_err().to_string().contains("label"));
    }
    let zero = serde_json::json!({"duration_ms": 0}).as_object().unwrap().clone();
    assert!(Command::parse("identify", &zero).unwrap_err().to_string().contains("duration_ms"));
    let asked = Command::FetchLogs { minutes: LOG_MINUTES, level: LogLevel::Info };
    assert_eq!(Command::parse("fetch_logs", &none), Ok(asked));
    for minutes in [0, MOST_LOG_MINUTES + 1] {
        let args = serde_json::json!({ "minutes": minutes }).as_object().unwrap().clone();
        assert!(Command::parse("fetch_logs", &args).unwrap_err().to_string().contains("minutes"));
    }
    assert!(Command::parse("fetch_more_logs", &none).unwrap_err().to_string().contains("`of`"));
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let large = vec![b' '; payload::MAX_PAYLOAD_BYTES + 1];
    assert!(payload::decode::<Ack>(&large).unwrap_err().to_string().contains("65537"));
    let missing = payload::decode::<Ack>(br#"{"seq":1}"#).unwrap_err().to_string();
    assert!(missing.contains("outbox"), "{missing}");
}
