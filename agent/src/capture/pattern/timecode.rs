//! The wall clock in the picture, to be read by machines.
//!
//! Along the top lies a row of [`BLOCKS`] blocks, black or white, each
//! `width / 64` wide and `height / 12` high, most significant bit first:
//!
//! | blocks | meaning |
//! |---|---|
//! | 0–3 | `1010`, where it begins |
//! | 4–51 | milliseconds since 1970, 48 bits |
//! | 52–59 | CRC-8 (polynomial 0x07, start 0) of these six bytes |
//! | 60–63 | `0101`, where it ends |
//!
//! To read block `n`, average some pixels around its middle, at
//! `x = (n + 0.5) * width / 64`, `y = height / 24`; above half grey is 1. Ten
//! pixels a block at 640×360 survive H.264 and scaling.

use super::PictureFormat;

/// Blocks in the row.
pub const BLOCKS: usize = 64;
const START: u64 = 0b1010;
const END: u64 = 0b0101;
const BLACK: u8 = 16;
const WHITE: u8 = 235;
const MIDDLE: u32 = 126;

/// Rows of pixels that the timecode covers.
pub(super) fn height(format: &PictureFormat) -> usize {
    (format.height / 12) as usize
}

/// Draws the timecode into a plane of luma.
pub fn draw(luma: &mut [u8], stride: usize, format: &PictureFormat, unix_ms: i64) {
    let code = encode(unix_ms);
    let width = format.width as usize;
    let mut row = vec![BLACK; width];
    for block in 0..BLOCKS {
        if code >> (BLOCKS - 1 - block) & 1 == 1 {
            row[block * width / BLOCKS..(block + 1) * width / BLOCKS].fill(WHITE);
        }
    }
    for line in luma.chunks_mut(stride).take(height(format)) {
        line[..width].copy_from_slice(&row);
    }
}

/// Reads the timecode from a plane of luma; `None` if there is none or it is damaged.
#[must_use]
pub fn read(luma: &[u8], stride: usize, format: &PictureFormat) -> Option<i64> {
    let (width, height) = (format.width as usize, format.height as usize);
    let y = height / 24;
    let reach = (width / BLOCKS / 4).max(1);
    let mut code = 0;
    for block in 0..BLOCKS {
        let x = (2 * block + 1) * width / (2 * BLOCKS);
        let (mut sum, mut count) = (0, 0);
        for row in y.saturating_sub(reach)..=y + reach {
            for column in x.saturating_sub(reach)..x + reach {
                sum += u32::from(*luma.get(row * stride + column)?);
                count += 1;
            }
        }
        code = code << 1 | u64::from(sum > MIDDLE * count);
    }
    decode(code)
}

fn encode(unix_ms: i64) -> u64 {
    let time = unix_ms.unsigned_abs() & ((1 << 48) - 1);
    START << 60 | time << 12 | u64::from(crc8(time)) << 4 | END
}

fn decode(code: u64) -> Option<i64> {
    let time = code >> 12 & ((1 << 48) - 1);
    let whole = code >> 60 == START && code & 0xf == END && (code >> 4) as u8 == crc8(time);
    whole.then(|| i64::try_from(time).ok()).flatten()
}

fn crc8(time: u64) -> u8 {
    time.to_be_bytes()[2..].iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}
