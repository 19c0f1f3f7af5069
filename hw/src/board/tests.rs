use std::path::PathBuf;

use super::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("boards")
}

#[test]
fn every_file_in_the_folder_ships_and_parses() {
    let mut files: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut names: Vec<String> = shipped().into_iter().map(|board| board.name).collect();
    names.sort();
    assert_eq!(names, files, "a board's name is its file's name, and every file is built in");
}

#[test]
fn every_board_can_encode_in_software() {
    for board in shipped() {
        let last = board.encoders.last().unwrap();
        assert_eq!(last.element, Encoder::X264enc, "{}: software comes last", board.name);
        assert!(last.preset.is_some(), "{}: a board knows how fast its processor is", board.name);
    }
}

#[test]
fn a_machine_is_recognised() {
    let pi = |model: &str| Identity {
        device_tree_model: Some(model.into()),
        architecture: "aarch64".into(),
        virtual_machine: false,
    };
    let pc = |virtual_machine| Identity {
        device_tree_model: None,
        architecture: "x86_64".into(),
        virtual_machine,
    };
    let table = [
        (pi("Raspberry Pi 4 Model B Rev 1.5"), "rpi4"),
        (pi("Raspberry Pi Compute Module 4 Rev 1.1"), "rpi4"),
        (pi("Raspberry Pi 5 Model B Rev 1.0"), "rpi5"),
        (pi("Raspberry Pi 3 Model B"), "virtual"),
        (pi("Radxa ROCK 5B"), "virtual"),
        (pc(false), "x86"),
        (pc(true), "virtual"),
    ];
    let boards = shipped();
    for (identity, expected) in table {
        assert_eq!(detect(&boards, &identity).unwrap().name, expected, "{identity:?}");
    }
    assert_eq!(detect(&[], &pc(false)), None);
}

#[test]
fn a_board_that_takes_an_edid_has_one() {
    for board in shipped() {
        assert_eq!(board.capture.edid.is_some(), board.capture.dv_timings, "{}", board.name);
    }
}

#[test]
fn a_raspberry_pi_5_is_not_given_a_hardware_encoder() {
    assert!(Board::load("rpi5").unwrap().encoders.iter().all(|rule| !rule.element.is_hardware()));
}

#[test]
fn what_is_wrong_is_named() {
    let good = include_str!("../../boards/rpi4.toml");
    let table = [
        (good.replace("gpio_chip", "gpio_chp"), "gpio_chp"),
        (good.replace("line = 17", "line = 5"), "uses line 5 twice"),
        (good.replace("0x3c", "0x78"), "panel.display.address"),
        (good.replace("\"v4l2h264enc\"", "\"x264enc\""), "names x264enc twice"),
        (good.replace("preset = \"ultrafast\"", "").replace("x264enc", "h264enc"), "h264enc"),
        (good.replace("\"rpi4\"", "\"rpi 4\""), "`name`"),
        (good.replace("\"1080p30\"", "\"1080p60\""), "`capture.edid` asks for 1920x1080@60"),
        (good.replace("\"1080p30\"", "\"4k\""), "unknown variant `4k`"),
        (good.replace("dv_timings = true", "dv_timings = false"), "`capture.edid` is 1080p30"),
    ];
    for (text, expected) in table {
        let error = Board::parse("rpi4", &text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} should name {expected}");
    }
    let unknown = Board::load("rpi9").unwrap_err().to_string();
    assert!(unknown.contains("rpi4, rpi5, x86, virtual"), "{unknown}");
    let missing = Board::load("/nowhere/board.toml").unwrap_err().to_string();
    assert!(missing.contains("/nowhere/board.toml"), "{missing}");
}

#[test]
fn a_file_can_describe_another_board() {
    let path = folder().join("rpi4.toml");
    assert_eq!(Board::load(path.to_str().unwrap()).unwrap(), Board::load("rpi4").unwrap());
}
