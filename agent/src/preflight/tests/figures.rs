use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use stagebox_protocol::preflight::PreflightVerdict::{self, Fail, Pass, Skipped, Warn};
use stagebox_protocol::telemetry::{SignalAlarm, SignalState, SignalStatus};
use tokio_util::sync::CancellationToken;

use super::super::Finding;
use super::super::disk::{BESIDE_A_RECORDING, WHOLE, left_bytes, measure, tidy};
use super::super::judge::{self, Encoded, Stream};
use crate::clock::Clock;
use crate::record::{Room, Taken, WhenFull};

fn is(finding: &Finding, verdict: PreflightVerdict, words: &str) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.said.contains(words), "{words}: {finding:?}");
    assert_eq!(finding.fix.is_some(), matches!(verdict, Warn | Fail), "{finding:?}");
}

fn signal(state: SignalState) -> SignalStatus {
    SignalStatus {
        state,
        source: "HDMI".to_owned(),
        width: 1920,
        height: 1080,
        fps: 29.97,
        audio: true,
        ..SignalStatus::default()
    }
}

#[test]
fn the_source_has_to_be_there_and_to_show_something() {
    let locked = signal(SignalState::Locked);
    is(&judge::source(&locked), Pass, "1920×1080 at 29.97 pictures a second from HDMI");
    let black = SignalStatus { alarms: vec![SignalAlarm::Silent, SignalAlarm::Black], ..locked };
    is(&judge::source(&black), Warn, "the picture is black");
    for (state, words) in [
        (SignalState::NoCable, "no cable"),
        (SignalState::None, "nothing comes"),
        (SignalState::Unstable, "not stable"),
        (SignalState::OutOfRange, "size or rate"),
        (SignalState::Protected, "HDCP"),
        (SignalState::Unknown, "nothing comes"),
    ] {
        is(&judge::source(&signal(state)), Fail, words);
    }
    let told =
        SignalStatus { reason: Some("4096×2160 is too large".into()), ..signal(SignalState::OutOfRange) };
    is(&judge::source(&told), Fail, "4096×2160 is too large");
}

#[test]
fn sound_has_to_be_heard() {
    let locked = signal(SignalState::Locked);
    let sound = |signal: &SignalStatus, peak| judge::sound(signal, false, peak, -60, Duration::from_secs(3));
    is(&sound(&locked, Some(-18.4)), Pass, "up to -18 dB");
    is(&sound(&locked, Some(-60.0)), Warn, "nothing above -60 dB in 3 s; the loudest moment was -60 dB");
    is(&sound(&locked, None), Warn, "nothing was measured");
    let silent = SignalStatus { audio: false, ..locked };
    is(&sound(&silent, Some(-120.0)), Warn, "no sound comes in");
    is(
        &sound(&SignalStatus { reason: Some("hw:1,0 is away".into()), ..silent }, None),
        Warn,
        "hw:1,0 is away",
    );
    // An input of its own is heard without a picture.
    let gone = SignalStatus { audio: false, reason: Some("no cable".into()), ..signal(SignalState::NoCable) };
    let apart = |peak| judge::sound(&gone, true, peak, -60, Duration::from_secs(3));
    is(&apart(Some(-18.4)), Pass, "up to -18 dB");
    is(&apart(None), Warn, "no sound comes in");
    is(&sound(&signal(SignalState::NoCable), Some(-120.0)), Skipped, "no signal");
}

#[test]
fn the_encoder_has_to_keep_up() {
    let good = Encoded {
        name: "vah264enc".to_owned(),
        is_hardware: true,
        wanted_fps: 30,
        frames: 90,
        lasted: Duration::from_secs(3),
        ..Encoded::default()
    };
    is(&judge::encoder(&good), Pass, "vah264enc in hardware: 30 of 30 pictures a second, 0 left out");
    // Between which pictures is counted costs one or two of them.
    is(&judge::encoder(&Encoded { frames: 88, ..good.clone() }), Pass, "29.33 of 30");
    is(&judge::encoder(&Encoded { frames: 84, ..good.clone() }), Warn, "28 of 30");
    is(&judge::encoder(&Encoded { frames: 60, ..good.clone() }), Fail, "20 of 30");
    is(&judge::encoder(&Encoded { frames: 0, ..good.clone() }), Fail, "0 of 30");
    is(&judge::encoder(&Encoded { dropped_frames: 1, ..good.clone() }), Warn, "1 left out");
    let stands_in = Some("qsvh264enc: hangs".to_owned());
    let degraded = judge::encoder(&Encoded { stands_in, ..good.clone() });
    is(&degraded, Warn, "0 left out; it stands in (qsvh264enc: hangs)");
    assert!(degraded.fix.unwrap().contains("retry_encoder"));
    is(&judge::encoder(&Encoded { restarted: Some("it hung".into()), ..good.clone() }), Fail, "it hung");
    let software = Encoded { name: "x264enc".to_owned(), is_hardware: false, ..good };
    is(&judge::encoder(&software), Warn, "x264enc in software");
    is(&judge::encoder(&Encoded { is_chosen: true, ..software }), Pass, "in software");
}

#[test]
fn recordings_need_room_and_a_disk_that_is_quick_enough() {
    let minute = 4_000 * 1000 / 8 * 60;
    for (minutes, verdict, words) in [
        (0, Fail, "0 min"),
        (4, Fail, "4 min"),
        (5, Warn, "5 min"),
        (59, Warn, "59 min at 4000 kbit/s (1770 MB)"),
        (60, Pass, "60 min"),
        (6_000, Pass, "100 h at 4000 kbit/s (180 GB)"),
    ] {
        is(&judge::room(Some(minutes * minute), 4_000, "/r"), verdict, words);
    }
    is(&judge::room(None, 4_000, "/media/usb"), Fail, "/media/usb");
    let second = Duration::from_secs(1);
    for (bytes, verdict, words) in [
        (100_000, Fail, "0.1 MB/s written and synced, 0.2 times"),
        (749_000, Fail, "1.4 times"),
        (750_000, Warn, "1.5 times"),
        (1_999_000, Warn, "3.9 times"),
        (2_000_000, Pass, "4.0 times"),
        (64 << 20, Pass, "67.1 MB/s written and synced, 134 times"),
    ] {
        is(&judge::disk(bytes, second, 4_000), verdict, words);
    }
    is(&judge::clock(true), Pass, "time service");
    is(&judge::clock(false), Warn, "no time service");
}

#[test]
fn the_line_has_to_carry_all_outputs_together() {
    let stream = |outputs| Stream {
        video_kbps: 3_000,
        audio_kbps: 128,
        overhead_percent: 5,
        outputs,
        backup_beside_main: outputs > 1,
    };
    let upload = |kbps, outputs| judge::upload(kbps, stream(outputs));
    is(&upload(5_000, 1), Pass, "carries 5000 kbit/s; the stream takes 3284");
    is(&upload(4_926, 1), Pass, "4926");
    is(&upload(4_925, 1), Warn, "4925");
    is(&upload(3_613, 1), Warn, "3613");
    let short = upload(3_612, 1);
    is(&short, Fail, "3612");
    assert_eq!(short.fix.as_deref(), Some("set video.bitrate_kbps = 2150"));
    assert_eq!(short.upload_kbps, Some(3_612));
    // A hot backup takes as much again.
    let both = upload(5_000, 2);
    is(&both, Fail, "the stream takes 6568 (2 outputs of 3284)");
    assert!(
        both.fix.as_deref().is_some_and(|fix| fix.contains("= 1450") && fix.contains("push = \"cold\"")),
        "{both:?}"
    );
    is(&upload(9_852, 2), Pass, "9852");
    // A third server is none that could stand by.
    let own = judge::upload(5_000, Stream { backup_beside_main: false, ..stream(2) });
    assert_eq!(own.fix.as_deref(), Some("set video.bitrate_kbps = 1450"));
    let nothing = upload(150, 1);
    is(&nothing, Fail, "150");
    assert!(nothing.fix.is_some_and(|fix| fix.contains("no picture fits")));
}

proptest! {
    /// A bitrate that is advised passes at the same line.
    #[test]
    fn what_is_advised_fits(
        line in 0_u32..50_000, video_kbps in 50_u32..100_000, audio_kbps in 32_u32..512, outputs in 1_u32..4,
    ) {
        let backup_beside_main = outputs > 1;
        let stream = Stream { video_kbps, audio_kbps, overhead_percent: 5, outputs, backup_beside_main };
        let finding = judge::upload(line, stream);
        let fix = finding.fix.unwrap_or_default();
        let number: String =
            fix.split("= ").nth(1).unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        if let Ok(advised) = number.parse::<u32>() {
            prop_assert!(advised < video_kbps);
            let again = judge::upload(line, Stream { video_kbps: advised, ..stream });
            prop_assert_eq!(again.verdict, Pass, "{} of {}", advised, line);
        }
    }

    /// No figure leads to a panic, and what is bad has a way out.
    #[test]
    fn any_figure_is_judged(left in any::<u64>(), kbps in any::<u32>(), ms in any::<u32>(), fps in 0_u32..240) {
        let lasted = Duration::from_millis(ms.into());
        let findings = [
            judge::room(Some(left), kbps, "/r"),
            judge::disk(left, lasted, kbps),
            judge::encoder(&Encoded { frames: left / 4, wanted_fps: fps, lasted, ..Encoded::default() }),
            judge::upload(
                kbps,
                Stream { video_kbps: ms, audio_kbps: 0, overhead_percent: 5, outputs: fps, backup_beside_main: true },
            ),
        ];
        for finding in findings {
            prop_assert_eq!(finding.fix.is_some(), matches!(finding.verdict, Warn | Fail));
        }
    }
}

#[test]
fn a_disk_is_measured_and_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, stop) = (Clock::new(), CancellationToken::new());
    // What is left of a power cut is in nobody's way, and goes.
    let left = folder.path().join(".stagebox-preflight");
    fs::write(&left, "torn").unwrap();
    let written = measure(folder.path(), WHOLE, 16 << 20, &clock, &stop).unwrap().unwrap();
    assert!((1..=8 << 20).contains(&written.bytes) && !written.took.is_zero(), "{written:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // A recording has most of the disk for itself.
    let written = measure(folder.path(), BESIDE_A_RECORDING, 1 << 40, &clock, &stop).unwrap().unwrap();
    assert!((1..=8 << 20).contains(&written.bytes), "{written:?}");
    fs::write(&left, "torn").unwrap();
    tidy(folder.path()).unwrap();
    tidy(folder.path()).unwrap();
    assert!(!left.exists());
    // No room, nobody who wants to know, no folder.
    assert_eq!(measure(folder.path(), WHOLE, 1 << 20, &clock, &stop).unwrap(), None);
    stop.cancel();
    assert_eq!(measure(folder.path(), WHOLE, 16 << 20, &clock, &stop).unwrap(), None);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(measure(&folder.path().join("away"), WHOLE, 16 << 20, &clock, &stop).is_err());
    assert!(tidy(&folder.path().join("away")).is_ok());
    let room = Room::new(0, Some(5), WhenFull::Stop, None);
    let taken = |dir: std::path::PathBuf| Taken { dir, used_bytes: 2, removable_bytes: 1 };
    assert_eq!(left_bytes(&taken(folder.path().to_owned()), room, false), Some(3));
    assert_eq!(left_bytes(&taken(folder.path().to_owned()), room, true), Some(4));
    assert_eq!(left_bytes(&taken(folder.path().join("away")), room, false), None);
}
