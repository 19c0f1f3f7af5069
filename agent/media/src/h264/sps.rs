//! The sequence parameter set (ITU-T H.264, 7.3.2.1.1 and annex E).

use super::{H264Error, nal::unescape};
use crate::bits::BitReader;

/// No parameter set that matters here is longer; the rest is not looked at.
const MAX_SPS_BYTES: usize = 4096;
/// Level 6.2 ends at 16384 pixels a side.
const MAX_SIDE: u64 = 16_384;

/// What a sequence parameter set says of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    pub profile: u8,
    pub compatibility: u8,
    /// Ten times the level.
    pub level: u8,
    /// chroma_format_idc: 1 is 4:2:0.
    pub chroma_format: u8,
    pub bit_depth_luma: u8,
    pub bit_depth_chroma: u8,
    /// Pixels after cropping.
    pub width: u32,
    pub height: u32,
    /// Sample aspect ratio, 1:1 unless said.
    pub pixel_aspect: (u32, u32),
    /// Frames per second as a fraction, where the timing is given.
    pub frame_rate: Option<(u32, u32)>,
}

impl Sps {
    /// Reads a NAL unit of type 7, header byte included.
    ///
    /// # Errors
    /// It ends early or holds values that no picture can have.
    pub fn parse(nal: &[u8]) -> Result<Self, H264Error> {
        let payload = unescape(nal.get(1..).unwrap_or_default(), MAX_SPS_BYTES);
        let &[profile, compatibility, level, ref body @ ..] = &payload[..] else {
            return Err(H264Error::TooShort("SPS"));
        };
        let mut bits = BitReader::new(body);
        let mut sps = Self {
            profile,
            compatibility,
            level,
            chroma_format: 1,
            bit_depth_luma: 8,
            bit_depth_chroma: 8,
            width: 0,
            height: 0,
            pixel_aspect: (1, 1),
            frame_rate: None,
        };
        let separate_planes = sps.read_format(&mut bits).ok_or(H264Error::TooShort("SPS"))?;
        skip_order_counts(&mut bits).ok_or(H264Error::TooShort("SPS"))?;
        sps.read_size(&mut bits, separate_planes)?;
        // a VUI that ends early leaves what was read of it
        let _ = sps.read_vui(&mut bits);
        Ok(sps)
    }

    /// Frames per second, where the timing is given.
    #[must_use]
    pub fn fps(&self) -> Option<f64> {
        self.frame_rate.map(|(frames, seconds)| f64::from(frames) / f64::from(seconds))
    }

    /// Returns whether the colour planes are coded separately.
    fn read_format(&mut self, bits: &mut BitReader<'_>) -> Option<bool> {
        bits.ue()?;
        if !matches!(self.profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            return Some(false);
        }
        self.chroma_format = bits.ue()?.min(3) as u8;
        let separate = self.chroma_format == 3 && bits.bit()?;
        self.bit_depth_luma = bits.ue()?.min(6) as u8 + 8;
        self.bit_depth_chroma = bits.ue()?.min(6) as u8 + 8;
        bits.skip(1)?;
        if bits.bit()? {
            for list in 0..if self.chroma_format == 3 { 12 } else { 8 } {
                if bits.bit()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Some(separate)
    }

    fn read_size(&mut self, bits: &mut BitReader<'_>, separate_planes: bool) -> Result<(), H264Error> {
        let mut next = || bits.ue().map(u64::from).ok_or(H264Error::TooShort("SPS"));
        let width = (next()? + 1) * 16;
        let map_units = next()? + 1;
        let end = H264Error::TooShort("SPS");
        let frames_only = bits.bit().ok_or(end.clone())?;
        if !frames_only {
            bits.skip(1).ok_or(end.clone())?;
        }
        bits.skip(1).ok_or(end.clone())?;
        let fields = if frames_only { 1 } else { 2 };
        let height = map_units * 16 * fields;
        let mut crop = [0u64; 4];
        if bits.bit().ok_or(end.clone())? {
            for side in &mut crop {
                *side = u64::from(bits.ue().ok_or(end.clone())?);
            }
        }
        // units of cropping (ITU-T H.264, 7.4.2.1.1)
        let (unit_x, unit_y) = match (self.chroma_format, separate_planes) {
            (1, _) => (2, 2 * fields),
            (2, _) => (2, fields),
            _ => (1, fields),
        };
        self.width = side("width", width, (crop[0] + crop[1]) * unit_x)?;
        self.height = side("height", height, (crop[2] + crop[3]) * unit_y)?;
        Ok(())
    }

    fn read_vui(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        const EXTENDED_SAR: u32 = 255;
        if !bits.bit()? {
            return Some(());
        }
        if bits.bit()? {
            let aspect = match bits.bits(8)? {
                EXTENDED_SAR => (bits.bits(16)?, bits.bits(16)?),
                index => PIXEL_ASPECTS.get(index as usize).copied().unwrap_or((1, 1)),
            };
            if aspect.0 > 0 && aspect.1 > 0 {
                self.pixel_aspect = aspect;
            }
        }
        if bits.bit()? {
            bits.skip(1)?;
        }
        if bits.bit()? {
            bits.skip(4)?;
            if bits.bit()? {
                bits.skip(24)?;
            }
        }
        if bits.bit()? {
            bits.ue()?;
            bits.ue()?;
        }
        if bits.bit()? {
            let units = bits.bits(32)?;
            let scale = bits.bits(32)?;
            // a tick is a field: a frame has two (ITU-T H.264, E.2.1)
            if let Some(seconds) = units.checked_mul(2).filter(|seconds| *seconds > 0 && scale > 0) {
                let common = gcd(scale, seconds);
                self.frame_rate = Some((scale / common, seconds / common));
            }
        }
        Some(())
    }
}

/// Sample aspect ratios by their index (ITU-T H.264, table E-1).
const PIXEL_ASPECTS: [(u32, u32); 17] = [
    (1, 1),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

fn side(field: &'static str, coded: u64, cropped: u64) -> Result<u32, H264Error> {
    match coded.checked_sub(cropped) {
        Some(value @ 1..=MAX_SIDE) => Ok(value as u32),
        other => Err(H264Error::OutOfRange { field, value: other.unwrap_or(coded) }),
    }
}

fn skip_scaling_list(bits: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = last.wrapping_add(bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn skip_order_counts(bits: &mut BitReader<'_>) -> Option<()> {
    bits.ue()?;
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            let cycle = bits.ue()?;
            for _ in 0..cycle.min(255) {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    bits.skip(1)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
