use std::path::PathBuf;
use std::process::Command;

use super::*;

fn file(edid: Edid) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("boards/edid/{edid}.bin"))
}

/// `STAGEBOX_WRITE_EDID=1 cargo test -p stagebox-hw edid` writes the files anew.
#[test]
fn the_files_are_what_the_generator_makes() {
    for edid in Edid::ALL {
        if std::env::var_os("STAGEBOX_WRITE_EDID").is_some() {
            std::fs::write(file(edid), build(edid)).unwrap();
        }
        let shipped = std::fs::read(file(edid)).unwrap();
        assert!(shipped == build(edid), "{edid}: boards/edid/{edid}.bin is another one");
    }
    let mut files: Vec<String> = std::fs::read_dir(file(Edid::P720At60).parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut names: Vec<_> = Edid::ALL.map(|edid| edid.name().to_owned()).to_vec();
    files.sort();
    names.sort();
    assert_eq!(files, names, "every file in the folder ships");
}

#[test]
fn header_checksums_and_length_are_right() {
    for edid in Edid::ALL {
        let bytes = edid.bytes();
        assert_eq!(bytes[..8], [0, 255, 255, 255, 255, 255, 255, 0], "{edid}");
        for block in bytes.chunks(BLOCK) {
            assert_eq!(block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0, "{edid}");
        }
        assert_eq!((bytes[18], bytes[19], bytes[126]), (1, 3, 1), "{edid}: 1.3 with one extension");
        assert_eq!((bytes[128], bytes[129]), (2, 3), "{edid}: CTA-861, third revision");
    }
}

/// Width, height and pictures a second of a detailed timing, read by its bits.
fn timing(bytes: &[u8]) -> VideoMode {
    let part = |low: usize, high: u8| u32::from(bytes[low]) | u32::from(high) << 8;
    let (width, h_blank) = (part(2, bytes[4] >> 4), part(3, bytes[4] & 15));
    let (height, v_blank) = (part(5, bytes[7] >> 4), part(6, bytes[7] & 15));
    let clock = (u32::from(bytes[0]) | u32::from(bytes[1]) << 8) * 10_000;
    let total = (width + h_blank) * (height + v_blank);
    assert_eq!(clock % total, 0, "a whole number of pictures a second");
    assert_eq!(bytes[17] & 0x80, 0, "not interlaced");
    VideoMode { width, height, fps: clock / total }
}

#[test]
fn the_preferred_timing_is_the_modes() {
    for edid in Edid::ALL {
        let bytes = edid.bytes();
        assert_eq!(timing(&bytes[54..72]), edid.mode());
        assert_eq!(bytes[24] & 2, 2, "{edid}: the first timing is the preferred one");
        let clock_mhz = u32::from(bytes[90 + 9]) * 10;
        assert!(edid.timing().clock_khz <= clock_mhz * 1000, "{edid}: its own limit takes it");
    }
    // As CTA-861 and every monitor have it.
    let known = [0x02, 0x3a, 0x80, 0x18, 0x71, 0x38, 0x2d, 0x40, 0x58, 0x2c, 0x45];
    assert_eq!(Edid::P1080At60.bytes()[54..65], known);
    let known = [0x01, 0x1d, 0x00, 0x72, 0x51, 0xd0, 0x1e, 0x20, 0x6e, 0x28, 0x55];
    assert_eq!(Edid::P720At60.bytes()[54..65], known);
}

#[test]
fn name_sound_and_hdmi_are_in_it() {
    for edid in Edid::ALL {
        let bytes = edid.bytes();
        assert_eq!(bytes[72..90], *b"\0\0\0\xfc\0Stagebox\n    ", "{edid}");
        assert_eq!(bytes[131] & 0x40, 0x40, "{edid}: basic audio");
        let (mut at, end) = (132, 128 + usize::from(bytes[130]));
        let mut blocks = Vec::new();
        while at < end {
            let length = usize::from(bytes[at] & 0x1f);
            blocks.push((bytes[at] >> 5, &bytes[at + 1..=at + length]));
            at += length + 1;
        }
        assert_eq!(at, end, "{edid}: the blocks end where the extension says");
        let find = |tag: u8| blocks.iter().find(|(known, _)| *known == tag).unwrap().1;
        assert_eq!(find(1), [0x09, 0x04, 0x07], "{edid}: LPCM, two channels, 48 kHz");
        assert_eq!(find(4), [1, 0, 0], "{edid}: left and right");
        assert_eq!(find(3)[..5], [0x03, 0x0c, 0x00, 0x10, 0x00], "{edid}: HDMI");
        assert!(u32::from(find(3)[6]) * 5_000 >= edid.timing().clock_khz, "{edid}");
        assert_eq!(find(7), [0, 0xca], "{edid}: either range, no overscan");
        let codes = find(2);
        assert_eq!(codes, edid.codes());
        assert!(codes.contains(&1), "{edid}: 640x480, which all have");
    }
}

#[test]
fn one_that_a_driver_has_placed_is_known_again() {
    for edid in Edid::ALL {
        let mut bytes = *edid.bytes();
        assert_eq!(Edid::of(&bytes), Some(edid));
        assert_eq!(bytes[edid.physical_address_at()], [0x10, 0x00]);
        // As vivid does.
        bytes[edid.physical_address_at()].fill(0);
        bytes[EDID_BYTES - 1] = bytes[EDID_BYTES - 1].wrapping_add(0x10);
        assert_eq!(Edid::of(&bytes), Some(edid));
        bytes[140] ^= 1;
        assert_eq!(Edid::of(&bytes), None);
        assert_eq!((Edid::of(&bytes[..128]), Edid::of(&[])), (None, None));
    }
}

#[test]
fn a_board_is_not_asked_for_more_than_it_takes() {
    let mode = |width, height, fps| VideoMode { width, height, fps };
    for (edid, max, fits) in [
        (Edid::P1080At60, mode(1920, 1080, 60), true),
        (Edid::P1080At60, mode(1920, 1080, 50), false),
        (Edid::P1080At60, mode(3840, 2160, 30), true),
        (Edid::P1080At30, mode(1920, 1080, 50), true),
        (Edid::P1080At30, mode(1280, 720, 60), false),
        // 720p60 is fewer blocks a second than 1080p30.
        (Edid::P720At60, mode(1920, 1080, 30), true),
    ] {
        assert_eq!(edid.fits(max), fits, "{edid} on {max}");
    }
}

#[test]
fn edid_decode_has_nothing_to_say() {
    for edid in Edid::ALL {
        let Ok(decoded) = Command::new("edid-decode").arg("--check").arg(file(edid)).output() else {
            eprintln!("skipped: edid-decode is not on this machine");
            return;
        };
        let said = String::from_utf8_lossy(&decoded.stdout);
        assert!(said.contains("EDID conformity: PASS") && !said.contains("Warnings:"), "{edid}: {said}");
    }
}
