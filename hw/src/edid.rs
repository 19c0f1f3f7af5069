//! What a box tells a source about itself through the HDMI cable (EDID 1.3 with a CTA-861 extension).
//!
//! The files in `boards/edid` are what is loaded into a capture chip; [`build`] makes them from a picture's timing, and a
//! test compares the two.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::VideoMode;

/// Bytes of an EDID with one extension.
pub const EDID_BYTES: usize = 256;
const BLOCK: usize = EDID_BYTES / 2;
/// Whose data block the one of HDMI is, low byte first.
const HDMI_OUI: [u8; 3] = [0x03, 0x0c, 0x00];
/// What a source shows as the display's name.
const MONITOR_NAME: &[u8; 8] = b"Stagebox";

/// An EDID that ships, by the mode that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Edid {
    #[serde(rename = "1080p60")]
    P1080At60,
    #[serde(rename = "1080p30")]
    P1080At30,
    #[serde(rename = "720p60")]
    P720At60,
}

/// A picture's timing as a source sends it (CTA-861, table 1): positive sync, progressive.
struct Timing {
    clock_khz: u32,
    /// Active, front porch, sync, back porch.
    across: [u16; 4],
    down: [u16; 4],
}

impl Edid {
    /// All that ship, most first.
    pub const ALL: [Self; 3] = [Self::P1080At60, Self::P1080At30, Self::P720At60];

    /// As configuration and files call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P1080At60 => "1080p60",
            Self::P1080At30 => "1080p30",
            Self::P720At60 => "720p60",
        }
    }

    /// The mode that a source is asked for; the others on offer are smaller or slower.
    #[must_use]
    pub fn mode(self) -> VideoMode {
        let (width, height, fps) = match self {
            Self::P1080At60 => (1920, 1080, 60),
            Self::P1080At30 => (1920, 1080, 30),
            Self::P720At60 => (1280, 720, 60),
        };
        VideoMode { width, height, fps }
    }

    /// The file in `boards/edid`.
    #[must_use]
    pub fn bytes(self) -> &'static [u8; EDID_BYTES] {
        match self {
            Self::P1080At60 => include_bytes!("../boards/edid/1080p60.bin"),
            Self::P1080At30 => include_bytes!("../boards/edid/1080p30.bin"),
            Self::P720At60 => include_bytes!("../boards/edid/720p60.bin"),
        }
    }

    /// The one that a device says it has; drivers put the place in the tree of HDMI devices into it.
    #[must_use]
    pub fn of(loaded: &[u8]) -> Option<Self> {
        let is_same = |edid: &Self| {
            let own = edid.bytes();
            // The extension's checksum differs with the place.
            let places = edid.physical_address_at().chain([EDID_BYTES - 1]).collect::<Vec<_>>();
            loaded.len() == own.len()
                && (0..own.len()).all(|at| loaded[at] == own[at] || places.contains(&at))
        };
        Self::ALL.into_iter().find(is_same)
    }

    /// Where the physical address lies (HDMI 1.4b, section 8.7).
    fn physical_address_at(self) -> std::ops::Range<usize> {
        let at = self.bytes().windows(HDMI_OUI.len()).position(|bytes| bytes == HDMI_OUI);
        at.map_or(0..0, |at| at + HDMI_OUI.len()..at + HDMI_OUI.len() + 2)
    }

    /// Whether a board that takes in no more than `max` may load it.
    #[must_use]
    pub fn fits(self, max: VideoMode) -> bool {
        let mode = self.mode();
        mode.width <= max.width
            && mode.height <= max.height
            && mode.macroblocks_per_s() <= max.macroblocks_per_s()
    }

    fn timing(self) -> Timing {
        match self {
            Self::P1080At60 => {
                Timing { clock_khz: 148_500, across: [1920, 88, 44, 148], down: [1080, 4, 5, 36] }
            }
            Self::P1080At30 => {
                Timing { clock_khz: 74_250, across: [1920, 88, 44, 148], down: [1080, 4, 5, 36] }
            }
            Self::P720At60 => {
                Timing { clock_khz: 74_250, across: [1280, 110, 40, 220], down: [720, 5, 5, 20] }
            }
        }
    }

    /// What a source may send, by its video identification code, the mode itself first (CTA-861, table 3).
    /// Nothing interlaced: bridges to CSI do not take it.
    fn codes(self) -> &'static [u8] {
        match self {
            // 1080p at 60, 50, 30, 25, 24; 720p at 60, 50; 480p, 576p in 16:9; 640x480.
            Self::P1080At60 => &[16, 31, 34, 33, 32, 4, 19, 3, 18, 1],
            Self::P1080At30 => &[34, 33, 32, 4, 19, 3, 18, 1],
            Self::P720At60 => &[4, 19, 3, 18, 1],
        }
    }
}

impl std::fmt::Display for Edid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Makes an EDID from its mode.
#[must_use]
pub fn build(edid: Edid) -> [u8; EDID_BYTES] {
    let mut bytes = [0; EDID_BYTES];
    let (base, extension) = bytes.split_at_mut(BLOCK);
    fill_base(base, edid);
    fill_extension(extension, edid);
    for block in [base, extension] {
        let sum = block[..BLOCK - 1].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        block[BLOCK - 1] = sum.wrapping_neg();
    }
    bytes
}

/// The base block (E-EDID release A, section 3).
fn fill_base(block: &mut [u8], edid: Edid) {
    let product = match edid {
        Edid::P1080At60 => 1,
        Edid::P1080At30 => 2,
        Edid::P720At60 => 3,
    };
    put(block, 0, &[0, 255, 255, 255, 255, 255, 255, 0]);
    // Maker `SBX` in five bits a letter, the product, no serial number, made in week 1 of 2025.
    put(block, 8, &[0x4c, 0x58, product, 0, 0, 0, 0, 0, 1, 35]);
    // Version 1.3; digital; no size, as with a projector; gamma 2.2; colour, sRGB, the preferred timing comes first.
    put(block, 18, &[1, 3, 0x80, 0, 0, 120, 0x0e]);
    // sRGB's primaries and white point.
    put(block, 25, &[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    // 640x480 at 60, which every HDMI source can send; no standard timings.
    put(block, 35, &[0x20, 0, 0]);
    put(block, 38, &[1; 16]);
    put(block, 54, &detailed(&edid.timing()));
    put(block, 72, &name_descriptor());
    put(block, 90, &limits(&edid.timing()));
    // The fourth descriptor is empty.
    put(block, 108, &[0, 0, 0, 0x10]);
    block[126] = 1;
}

/// The CTA-861 extension (CTA-861, section 7.5).
fn fill_extension(block: &mut [u8], edid: Edid) {
    // Underscan, basic audio, YCbCr 4:4:4 and 4:2:2, one native timing: the detailed one.
    put(block, 0, &[2, 3, 0, 0x80 | 0x40 | 0x20 | 0x10 | 1]);
    let mut blocks = data_block(2, edid.codes());
    // LPCM, two channels, 48 kHz, of 16, 20 or 24 bits.
    blocks.extend(data_block(1, &[0x09, 0x04, 0x07]));
    // Front left and right.
    blocks.extend(data_block(4, &[0x01, 0, 0]));
    // HDMI: physical address 1.0.0.0, no deep colour, most that the link carries in steps of 5 MHz.
    let most = edid.timing().clock_khz.div_ceil(5_000);
    let most = u8::try_from(most).unwrap_or(u8::MAX);
    blocks.extend(data_block(3, &[&HDMI_OUI[..], &[0x10, 0x00, 0, most]].concat()));
    // Video capabilities: either range, as the source says; never overscanned.
    blocks.extend(data_block(7, &[0x00, 0x80 | 0x40 | 0x08 | 0x02]));
    put(block, 4, &blocks);
    // Detailed timings would begin here; there are none.
    block[2] = u8::try_from(4 + blocks.len()).unwrap_or(0);
}

fn data_block(tag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(0) & 0x1f;
    [&[tag << 5 | length], payload].concat()
}

/// A detailed timing descriptor (E-EDID, section 3.10.2).
fn detailed(timing: &Timing) -> [u8; 18] {
    let [width, h_front, h_sync, h_back] = timing.across;
    let [height, v_front, v_sync, v_back] = timing.down;
    let (h_blank, v_blank) = (h_front + h_sync + h_back, v_front + v_sync + v_back);
    let [clock_low, clock_high, ..] = (timing.clock_khz / 10).to_le_bytes();
    let high = |first: u16, second: u16| (first >> 8 << 4 | second >> 8) as u8;
    let mut out = [0; 18];
    put(&mut out, 0, &[clock_low, clock_high]);
    put(&mut out, 2, &[width as u8, h_blank as u8, high(width, h_blank)]);
    put(&mut out, 5, &[height as u8, v_blank as u8, high(height, v_blank)]);
    put(&mut out, 8, &[h_front as u8, h_sync as u8, (v_front << 4 | v_sync & 15) as u8]);
    out[11] = (h_front >> 8 << 6 | h_sync >> 8 << 4 | v_front >> 4 << 2 | v_sync >> 4) as u8;
    // Separate sync, both positive.
    out[17] = 0x1e;
    out
}

fn name_descriptor() -> [u8; 18] {
    let mut out = [0x20; 18];
    put(&mut out, 0, &[0, 0, 0, 0xfc, 0]);
    put(&mut out, 5, MONITOR_NAME);
    out[5 + MONITOR_NAME.len()] = b'\n';
    out
}

/// Between which rates all that is on offer lies: 24 to 60 pictures, 1080p24 to 1080p60.
fn limits(timing: &Timing) -> [u8; 18] {
    let clock = u8::try_from(timing.clock_khz.div_ceil(10_000)).unwrap_or(u8::MAX);
    let mut out = [0x20; 18];
    put(&mut out, 0, &[0, 0, 0, 0xfd, 0, 23, 61, 26, 68, clock, 0, b'\n']);
    out
}

fn put(target: &mut [u8], at: usize, bytes: &[u8]) {
    target[at..at + bytes.len()].copy_from_slice(bytes);
}
