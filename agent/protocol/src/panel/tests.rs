use std::{fmt::Write as _, fs, path::PathBuf};

use proptest::prelude::*;

use super::*;

fn locked() -> Input {
    Input::Locked(VideoMode { width: 1920, height: 1080, rate_milli: 29_970, interlaced: false })
}

fn full_status() -> Status {
    Status {
        device: text("Stage left"),
        broadcast: Broadcast::OnAir { elapsed_s: 4_521 },
        recording: Recording::On { elapsed_s: 4_530 },
        input: locked(),
        main: Output { state: OutputState::Streaming, bitrate_kbps: 6_012, dropped_frames: 0 },
        backup: Output {
            state: OutputState::Waiting { retry_ms: 1_500 },
            bitrate_kbps: 0,
            dropped_frames: 75,
        },
        audio: Some(AudioPeaks { left_dbfs: -12, right_dbfs: -14 }),
        storage: Some(Storage { free_mb: 118_000, left_min: Some(2_620) }),
        cloud: Cloud::Online,
        address: text("192.0.2.17"),
        claim: text(""),
        trouble: text("backup server is away"),
    }
}

fn from_agent() -> Vec<(&'static str, FromAgent)> {
    vec![
        ("from_agent_hello", FromAgent::Hello(Hello { program: text("agent 0.1.0") })),
        ("from_agent_status_idle", FromAgent::Status(Status::default())),
        ("from_agent_status_on_air", FromAgent::Status(full_status())),
        ("from_agent_identify", FromAgent::Identify { duration_ms: 10_000 }),
        ("from_agent_ping", FromAgent::Ping),
        ("from_agent_outcome_done", FromAgent::Outcome { id: 7, outcome: Outcome::Done }),
        (
            "from_agent_outcome_rejected",
            FromAgent::Outcome { id: 300, outcome: Outcome::Rejected { reason: text("no server is set") } },
        ),
    ]
}

fn tests_before_going_live() -> Vec<(&'static str, FromAgent)> {
    let frame = |state, what: &str| FromAgent::Preflight(Preflight { state, what: text(what) });
    vec![
        ("from_agent_preflight_running", frame(PreflightState::Running { percent: 40 }, "upload")),
        ("from_agent_preflight_passed", frame(PreflightState::Passed { ago_s: 61 }, "")),
        ("from_agent_preflight_warned", frame(PreflightState::Warned { ago_s: 0 }, "clock")),
        ("from_agent_preflight_failed", frame(PreflightState::Failed { ago_s: 7_200 }, "main server")),
        ("from_agent_preflight_cancelled", frame(PreflightState::Cancelled, "")),
    ]
}

fn to_agent() -> Vec<(&'static str, ToAgent)> {
    vec![
        ("to_agent_hello", ToAgent::Hello(Hello { program: text("panel 0.1.0") })),
        ("to_agent_go_live", ToAgent::Intent { id: 7, intent: Intent::GoLive }),
        ("to_agent_stop", ToAgent::Intent { id: 8, intent: Intent::Stop }),
        ("to_agent_start_recording", ToAgent::Intent { id: 9, intent: Intent::StartRecording }),
        ("to_agent_stop_recording", ToAgent::Intent { id: 10, intent: Intent::StopRecording }),
        ("to_agent_reconnect", ToAgent::Intent { id: 65_535, intent: Intent::Reconnect }),
        ("to_agent_ping", ToAgent::Ping),
        ("to_agent_preflight", ToAgent::Intent { id: 11, intent: Intent::Preflight }),
        ("to_agent_cancel_preflight", ToAgent::Intent { id: 12, intent: Intent::CancelPreflight }),
    ]
}

/// Compares with `golden/panel-v1/<name>.hex`; a file that is missing is written when
/// `STAGEBOX_WRITE_GOLDEN` is set, one that differs never is.
fn check_golden<T: PanelFrame + PartialEq + std::fmt::Debug>(name: &str, frame: &T) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/panel-v1").join(format!("{name}.hex"));
    let bytes = encode(frame);
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    if !path.exists() && std::env::var_os("STAGEBOX_WRITE_GOLDEN").is_some() {
        fs::write(&path, format!("{hex}\n")).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(golden.trim(), hex, "{name} changed on the wire: old panels would not understand it");
    assert_eq!(all::<T>(&bytes), [Ok(golden_frame(golden.trim()))]);
}

fn golden_frame<T: PanelFrame>(hex: &str) -> T {
    let bytes: Vec<u8> =
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    all(&bytes).remove(0).unwrap()
}

fn all<T: PanelFrame>(mut bytes: &[u8]) -> Vec<Result<T, FrameError>> {
    let mut decoder = Decoder::<T>::new();
    std::iter::from_fn(|| decoder.next(&mut bytes)).collect()
}

#[test]
fn frames_are_the_golden_bytes() {
    for (name, frame) in from_agent().into_iter().chain(tests_before_going_live()) {
        check_golden(name, &frame);
        assert_eq!(all::<FromAgent>(&encode(&frame)), [Ok(frame)]);
    }
    for (name, frame) in to_agent() {
        check_golden(name, &frame);
        assert_eq!(all::<ToAgent>(&encode(&frame)), [Ok(frame)]);
    }
}

#[test]
fn kinds_are_counted() {
    assert_eq!(
        postcard::to_slice(&tests_before_going_live().remove(0).1, &mut [0; 64]).unwrap()[0],
        FromAgent::KINDS - 1
    );
    assert_eq!(postcard::to_slice(&ToAgent::Ping, &mut [0; 8]).unwrap()[0], ToAgent::KINDS - 1);
}

#[test]
fn the_largest_status_fits() {
    let output = Output {
        state: OutputState::Waiting { retry_ms: u32::MAX },
        bitrate_kbps: u32::MAX,
        dropped_frames: u32::MAX,
    };
    let long = "x".repeat(200);
    let status = Status {
        device: text(&long),
        broadcast: Broadcast::Lost { elapsed_s: u32::MAX },
        recording: Recording::On { elapsed_s: u32::MAX },
        input: Input::Locked(VideoMode {
            width: u16::MAX,
            height: u16::MAX,
            rate_milli: u32::MAX,
            interlaced: true,
        }),
        main: output,
        backup: output,
        audio: Some(AudioPeaks { left_dbfs: -128, right_dbfs: 127 }),
        storage: Some(Storage { free_mb: u32::MAX, left_min: Some(u32::MAX) }),
        cloud: Cloud::Refused,
        address: text(&long),
        claim: text(&long),
        trouble: text(&long),
    };
    let frame = FromAgent::Status(status);
    let bytes = encode(&frame);
    assert!(bytes.len() < MAX_FRAME * 3 / 4, "{} bytes leave too little room to grow", bytes.len());
    assert_eq!(all::<FromAgent>(&bytes), [Ok(frame)]);
}

#[test]
fn text_is_cut_between_characters() {
    assert_eq!(text::<4>("abö").as_str(), "abö");
    assert_eq!(text::<4>("abcö").as_str(), "abc");
}

/// Frames as another program would write them, valid but for what is asked for.
fn raw(content: &[u8]) -> Vec<u8> {
    let mut plain = content.to_vec();
    plain.extend(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(content).to_le_bytes());
    let mut coded = vec![0; plain.len() + 16];
    let length = cobs::encode(&plain, &mut coded);
    coded.truncate(length);
    coded.push(0);
    coded
}

#[test]
fn what_newer_speakers_say_is_named_or_skipped() {
    assert_eq!(all::<FromAgent>(&raw(&[2, 3])), [Err(FrameError::Version { theirs: 2 })]);
    assert_eq!(all::<FromAgent>(&raw(&[VERSION, 99])), [Err(FrameError::UnknownKind { kind: 99 })]);
    assert_eq!(all::<FromAgent>(&raw(&[VERSION, 3, 1, 2, 3])), [Ok(FromAgent::Ping)]);
    assert_eq!(all::<FromAgent>(&raw(&[VERSION])), [Err(FrameError::Garbled)]);
    assert_eq!(all::<FromAgent>(&raw(&[])), [Err(FrameError::Garbled)]);
}

#[test]
fn a_flood_without_an_end_is_one_error() {
    let mut flood = vec![0x55; 100_000];
    flood.push(0);
    flood.extend(encode(&FromAgent::Ping));
    assert_eq!(all::<FromAgent>(&flood), [Err(FrameError::TooLong), Ok(FromAgent::Ping)]);
}

proptest! {
    #[test]
    fn any_splitting_gives_the_same_frames(cuts in prop::collection::vec(1_usize..40, 1..60)) {
        let frames: Vec<FromAgent> = from_agent().into_iter().map(|(_, frame)| frame).collect();
        let wire: Vec<u8> = frames.iter().flat_map(encode).collect();
        let mut decoder = Decoder::<FromAgent>::new();
        let mut got = Vec::new();
        let mut rest = &wire[..];
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (mut piece, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            rest = later;
            while let Some(frame) = decoder.next(&mut piece) {
                got.push(frame.unwrap());
            }
        }
        prop_assert_eq!(got, frames);
    }

    #[test]
    fn garbage_never_costs_the_next_frame(garbage in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut wire = garbage;
        wire.extend(encode(&FromAgent::Status(full_status())));
        let got = all::<FromAgent>(&wire);
        prop_assert_eq!(got.last(), Some(&Ok(FromAgent::Status(full_status()))));
    }

    #[test]
    fn a_flipped_bit_is_noticed(position in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let frame = FromAgent::Status(full_status());
        let mut wire = encode(&frame);
        let position = position.index(wire.len());
        wire[position] ^= 1 << bit;
        for got in all::<FromAgent>(&wire).into_iter().flatten() {
            // Only a flip of one of the framing zeros can leave the frame whole.
            prop_assert_eq!(&got, &frame);
        }
    }
}
