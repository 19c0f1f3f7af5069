use super::*;
use crate::board::shipped;

const HD: VideoMode = VideoMode { width: 1280, height: 720, fps: 30 };
const FULL_HD: VideoMode = VideoMode { width: 1920, height: 1080, fps: 30 };
const FULL_HD_60: VideoMode = VideoMode { width: 1920, height: 1080, fps: 60 };
const PORTRAIT: VideoMode = VideoMode { width: 1080, height: 1920, fps: 30 };

fn board(name: &str) -> Board {
    shipped().into_iter().find(|board| board.name == name).unwrap()
}

fn works(speed_percent: u32) -> Option<TrialOutcome> {
    Some(TrialOutcome::Works { speed_percent })
}

fn slow(speed_percent: u32) -> Option<TrialOutcome> {
    Some(TrialOutcome::TooSlow { speed_percent })
}

fn failed() -> Option<TrialOutcome> {
    Some(TrialOutcome::Failed { reason: "no device".into() })
}

fn observed(mode: VideoMode, installed: &[(Encoder, Option<TrialOutcome>)]) -> Observed {
    let installed = installed
        .iter()
        .map(|(encoder, trial)| ObservedEncoder { encoder: *encoder, trial: trial.clone() })
        .collect();
    Observed { mode, installed }
}

#[test]
fn ranking_by_board_and_what_was_seen() {
    use Encoder::{Mpph264enc, Nvh264enc, Nvv4l2h264enc, Qsvh264enc, V4l2h264enc, Vah264enc, X264enc};
    let table: &[(&str, &str, Observed, &[Encoder])] = &[
        (
            "hardware before software",
            "rpi4",
            observed(FULL_HD, &[(X264enc, None), (V4l2h264enc, None)]),
            &[V4l2h264enc, X264enc],
        ),
        (
            "a failed trial leaves software",
            "rpi4",
            observed(HD, &[(V4l2h264enc, failed()), (X264enc, works(140))]),
            &[X264enc],
        ),
        (
            "beyond the chip's limit, slow software still shows something",
            "rpi4",
            observed(FULL_HD_60, &[(V4l2h264enc, None), (X264enc, None)]),
            &[X264enc],
        ),
        (
            "portrait counts as landscape does",
            "rpi4",
            observed(PORTRAIT, &[(V4l2h264enc, None), (X264enc, None)]),
            &[V4l2h264enc, X264enc],
        ),
        (
            "no H.264 encoder on a Raspberry Pi 5, whatever the element is called",
            "rpi5",
            observed(HD, &[(V4l2h264enc, works(300)), (X264enc, None)]),
            &[X264enc],
        ),
        (
            "a PC takes what passed, in the board's order",
            "x86",
            observed(
                FULL_HD,
                &[
                    (X264enc, works(150)),
                    (Nvh264enc, works(900)),
                    (Vah264enc, failed()),
                    (Qsvh264enc, works(400)),
                ],
            ),
            &[Qsvh264enc, Nvh264enc, X264enc],
        ),
        (
            "hardware that is too slow is no use",
            "x86",
            observed(FULL_HD_60, &[(Vah264enc, slow(70)), (X264enc, slow(60))]),
            &[X264enc],
        ),
        (
            "untried ones keep their place",
            "x86",
            observed(HD, &[(X264enc, works(200)), (Vah264enc, None)]),
            &[Vah264enc, X264enc],
        ),
        (
            "an unknown machine may be a Jetson or a Rockchip",
            "virtual",
            observed(HD, &[(Nvv4l2h264enc, None), (Mpph264enc, None), (X264enc, None)]),
            &[Nvv4l2h264enc, Mpph264enc, X264enc],
        ),
        ("nothing installed, nothing to offer", "x86", observed(HD, &[]), &[]),
    ];
    for (why, name, observed, expected) in table {
        let got: Vec<Encoder> =
            rank(&board(name), observed).iter().map(|candidate| candidate.encoder).collect();
        assert_eq!(got, *expected, "{why}");
    }
}

#[test]
fn every_refusal_has_a_reason() {
    let seen = observed(FULL_HD_60, &[(Encoder::V4l2h264enc, None), (Encoder::X264enc, slow(40))]);
    assert_eq!(
        assess(&board("rpi4"), &seen),
        [
            (Encoder::V4l2h264enc, Verdict::BeyondLimit { limit: FULL_HD }),
            (Encoder::X264enc, Verdict::Candidate(Proof::LastResort)),
        ]
    );
    let seen = observed(HD, &[(Encoder::Vah264enc, failed()), (Encoder::Nvh264enc, slow(80))]);
    assert_eq!(
        assess(&board("x86"), &seen),
        [
            (Encoder::Vah264enc, Verdict::Failed { reason: "no device".into() }),
            (Encoder::Qsvh264enc, Verdict::NotInstalled),
            (Encoder::Nvh264enc, Verdict::TooSlow { speed_percent: 80 }),
            (Encoder::X264enc, Verdict::NotInstalled),
        ]
    );
}

#[test]
fn trials_stop_at_the_first_that_works() {
    let x86 = board("x86");
    let mut seen =
        observed(HD, &[(Encoder::Vah264enc, None), (Encoder::Nvh264enc, None), (Encoder::X264enc, None)]);
    let mut tried = Vec::new();
    while let Some(candidate) = next_trial(&rank(&x86, &seen)) {
        let encoder = candidate.encoder;
        tried.push(encoder);
        let found = seen.installed.iter_mut().find(|found| found.encoder == encoder).unwrap();
        found.trial = if encoder == Encoder::Nvh264enc { works(500) } else { failed() };
    }
    assert_eq!(tried, [Encoder::Vah264enc, Encoder::Nvh264enc], "x264enc needs no trial behind a proven one");
    let best = rank(&x86, &seen).remove(0);
    assert_eq!((best.encoder, best.proof), (Encoder::Nvh264enc, Proof::Tried { speed_percent: 500 }));
}

#[test]
fn the_board_gives_software_its_preset() {
    for (name, preset) in [("rpi5", "superfast"), ("x86", "veryfast")] {
        let best = rank(&board(name), &observed(HD, &[(Encoder::X264enc, None)])).remove(0);
        assert_eq!(best.preset.as_deref(), Some(preset), "{name}");
    }
}

#[test]
fn each_encoder_gets_its_own_unit() {
    let target = EncodeTarget { bitrate_kbps: 6_000, gop_frames: 60, preset: None };
    let table = [
        (Encoder::V4l2h264enc, "extra-controls", None),
        (Encoder::Vah264enc, "bitrate", Some("6000")),
        (Encoder::Qsvh264enc, "bitrate", Some("6000")),
        (Encoder::Nvh264enc, "bitrate", Some("6000")),
        (Encoder::Nvv4l2h264enc, "bitrate", Some("6000000")),
        (Encoder::Mpph264enc, "bps", Some("6000000")),
        (Encoder::X264enc, "bitrate", Some("6000")),
    ];
    for (encoder, property, value) in table {
        let settings = encoder.settings(&target);
        let setting = settings.iter().find(|setting| setting.property == property).unwrap();
        match value {
            Some(value) => {
                assert_eq!(setting.value, value, "{encoder}");
                assert_eq!(encoder.bitrate_setting(6_000).as_ref(), Some(setting), "{encoder}");
            }
            None => assert!(setting.value.contains("video_bitrate=6000000,"), "{}", setting.value),
        }
    }
    // The largest rate that can be configured does not wrap in bit/s.
    let largest = EncodeTarget { bitrate_kbps: u32::MAX, gop_frames: 1, preset: None };
    assert!(Encoder::Mpph264enc.settings(&largest).iter().any(|setting| setting.value == "4294967295000"));
}

#[test]
fn names_are_the_elements() {
    for encoder in Encoder::ALL {
        assert_eq!(toml::Value::try_from(encoder).unwrap().as_str(), Some(encoder.element()));
    }
}
