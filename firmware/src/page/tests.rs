use std::{fs, path::PathBuf};

use stagebox_protocol::panel::{
    AudioPeaks, Broadcast, Input, Output, OutputState, Preflight, PreflightState, Recording, Storage,
    VideoMode, text,
};

use super::*;
use crate::{
    Screen,
    panel::tests::{idle, on_air},
    screen::{HEIGHT, WIDTH},
};

/// Compares with `screens/<name>.txt`; a missing file is written when
/// `STAGEBOX_WRITE_GOLDEN` is set, one that differs never is.
fn check(name: &str, view: &View<'_>) {
    let mut screen = Screen::new();
    draw(view, &mut screen).unwrap();
    let edge = "─".repeat(WIDTH as usize);
    let rows: String = screen.half_blocks().map(|row| format!("│{row}│\n")).collect();
    let drawn = format!("┌{edge}┐\n{rows}└{edge}┘\n");

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("screens").join(format!("{name}.txt"));
    if !path.exists() && std::env::var_os("STAGEBOX_WRITE_GOLDEN").is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(golden == drawn, "the page {name} looks different now:\n{drawn}\ninstead of\n{golden}");
}

fn status_page<'a>(status: &'a Status, footer: Footer<'a>) -> View<'a> {
    View { scene: Scene::Status(status), footer, flash: false, now_ms: 0 }
}

fn troubled() -> Status {
    Status {
        broadcast: Broadcast::OnAir { elapsed_s: 359 },
        backup: Output { state: OutputState::Waiting { retry_ms: 4_200 }, ..Output::default() },
        main: Output { state: OutputState::Streaming, bitrate_kbps: 3_950, dropped_frames: 75 },
        recording: Recording::Failed,
        storage: Some(Storage { free_mb: 12, left_min: Some(0) }),
        audio: Some(AudioPeaks { left_dbfs: 0, right_dbfs: -60 }),
        ..on_air()
    }
}

#[test]
fn pages_look_as_they_did() {
    let bare = Status { audio: None, ..Status::default() };
    let small = Status {
        input: Input::Locked(VideoMode { width: 640, height: 360, rate_milli: 15_000, interlaced: false }),
        broadcast: Broadcast::Starting,
        main: Output { state: OutputState::Connecting, ..Output::default() },
        backup: Output { state: OutputState::Refused, ..Output::default() },
        ..idle()
    };
    check("ready", &status_page(&idle(), Footer::Device("Stage left")));
    check("on_air", &status_page(&on_air(), Footer::Address("192.0.2.17")));
    check("trouble", &status_page(&troubled(), Footer::Trouble("Disk full, recording stopped")));
    check("going_live", &status_page(&small, Footer::Empty));
    check("not_set_up", &status_page(&bare, Footer::Claim("K7QM-2R")));
    check("hold", &status_page(&on_air(), Footer::Hold { percent: 60, to: HoldTo::Stop }));
    let test = |state, what| Preflight { state, what: text(what) };
    let running = test(PreflightState::Running { percent: 40 }, "upload");
    check("testing", &status_page(&idle(), Footer::Test(&running)));
    let failed = test(PreflightState::Failed { ago_s: 0 }, "main server");
    check("test_failed", &status_page(&idle(), Footer::Test(&failed)));
    check("hold_to_test", &status_page(&idle(), Footer::Hold { percent: 40, to: HoldTo::Test }));
    check("notice", &status_page(&on_air(), Footer::Notice { line: "Hold the button to stop", since_ms: 0 }));
    check("identify", &View { flash: true, ..status_page(&idle(), Footer::Device("Stage left")) });
    let dead = Scene::AgentDead { for_s: 72, was_on_air: true };
    check("agent_dead", &View { scene: dead, footer: Footer::Empty, flash: false, now_ms: 0 });
    check("booting", &View { scene: Scene::Booting, footer: Footer::Empty, flash: false, now_ms: 1_300 });
}

#[test]
fn words_fit_their_place() {
    let table: &[(OutputState, u32, u32, &str)] = &[
        (OutputState::Streaming, 6_012, 0, "6012 kb/s"),
        (OutputState::Streaming, 40_000, 9_999, "40000 kb/s -9999"),
        (OutputState::Waiting { retry_ms: 250 }, 0, 0, "away, retry 1s"),
        (OutputState::Unset, 0, 0, "not set"),
    ];
    for (state, bitrate_kbps, dropped_frames, expected) in table {
        let mut line = words::Line::new();
        words::output(
            &mut line,
            &Output { state: *state, bitrate_kbps: *bitrate_kbps, dropped_frames: *dropped_frames },
        );
        assert_eq!(line.as_str(), *expected);
        assert!(line.len() <= 17, "{line} runs into the meters");
    }
    let modes = [
        ((1920, 1080, 59_940, true), "1080i59.94"),
        ((1280, 720, 50_000, false), "720p50"),
        ((1080, 1920, 30_000, false), "1080x1920p30"),
    ];
    for ((width, height, rate_milli, interlaced), expected) in modes {
        let mut line = words::Line::new();
        words::input(&mut line, &Input::Locked(VideoMode { width, height, rate_milli, interlaced }));
        assert_eq!(line.as_str(), expected);
    }
    let tests = [
        (PreflightState::Running { percent: 7 }, "", "Testing 7%"),
        (PreflightState::Running { percent: 40 }, "room on the disk", "Testing 40%: room on the disk"),
        (PreflightState::Passed { ago_s: 59 }, "", "Test passed just now"),
        (PreflightState::Passed { ago_s: 61 }, "", "Test passed 1min ago"),
        (PreflightState::Passed { ago_s: 7_200 }, "", "Test passed 2h ago"),
        (PreflightState::Warned { ago_s: 0 }, "clock", "Test: look at clock"),
        (PreflightState::Failed { ago_s: 0 }, "backup server", "Test failed: backup server"),
        (PreflightState::Cancelled, "", "Test cancelled"),
    ];
    for (state, what, expected) in tests {
        let mut line = words::Line::new();
        words::preflight(&mut line, &Preflight { state, what: text(what) });
        assert_eq!(line.as_str(), expected);
    }
    let spaces = [
        (500, None, "500MB"),
        (118_000, None, "118GB"),
        (1_900_000, None, "1.9TB"),
        (118_000, Some(2_620), "43h"),
        (118_000, Some(59), "59min"),
    ];
    for (free_mb, left_min, expected) in spaces {
        let mut line = words::Line::new();
        words::storage(&mut line, Storage { free_mb, left_min });
        assert_eq!(line.as_str(), expected);
    }
}

#[test]
fn a_long_line_shows_its_end_too() {
    let line = "This line is far too long for the display, and it ends HERE";
    let status = on_air();
    let at = |now_ms| {
        let mut screen = Screen::new();
        draw(&View { now_ms, ..status_page(&status, Footer::Trouble(line)) }, &mut screen).unwrap();
        screen
    };
    let (begin, end) = (at(0), at(10_000));
    assert!(begin != end);
    let last_column_lit = |screen: &Screen| (110..WIDTH).any(|x| (55..HEIGHT).any(|y| screen.lit(x, y)));
    assert!(last_column_lit(&begin) && last_column_lit(&end));
}

#[test]
fn nothing_that_an_agent_can_say_breaks_a_page() {
    use proptest::prelude::*;
    proptest!(|(
        now_ms in any::<u64>(), elapsed_s in any::<u32>(), bitrate_kbps in any::<u32>(), left in any::<i8>(),
        width in any::<u16>(), height in any::<u16>(), rate_milli in any::<u32>(), free_mb in any::<u32>(),
        percent in any::<u8>(), words in "\\PC{0,80}", retry_ms in any::<u32>(),
    )| {
        let output = Output { state: OutputState::Streaming, bitrate_kbps, dropped_frames: elapsed_s };
        let status = Status {
            broadcast: Broadcast::Lost { elapsed_s },
            recording: Recording::On { elapsed_s },
            input: Input::Locked(VideoMode { width, height, rate_milli, interlaced: true }),
            main: output,
            backup: Output { state: OutputState::Waiting { retry_ms }, ..output },
            audio: Some(AudioPeaks { left_dbfs: left, right_dbfs: left }),
            storage: Some(Storage { free_mb, left_min: Some(elapsed_s) }),
            trouble: text(&words),
            ..Status::default()
        };
        let test = Preflight { state: PreflightState::Running { percent }, what: text(&words) };
        let hold = Footer::Hold { percent, to: HoldTo::EndTest };
        for footer in [Footer::Trouble(&status.trouble), hold, Footer::Claim(&words), Footer::Test(&test)] {
            draw(&View { now_ms, ..status_page(&status, footer) }, &mut Screen::new()).unwrap();
        }
    });
}
