//! Which smaller renditions a source gets: pure arithmetic.

use serde::{Deserialize, Serialize};

/// The shorter side of the small rendition.
const LINES: u32 = 360;
/// Bits per pixel and frame that a small picture needs at x264's veryfast.
const BITS_PER_PIXEL_MILLI: u64 = 115;
/// Bit rate limits in kbit/s.
const MIN_KBPS: u32 = 200;
const MAX_KBPS: u32 = 1_500;

/// A picture to encode beside the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scaled {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bitrate_kbps: u32,
}

impl Scaled {
    /// What its rendition is called: the shorter side, whichever way up.
    pub(crate) fn lines(self) -> u16 {
        self.width.min(self.height).try_into().unwrap_or(u16::MAX)
    }
}

/// The small rendition of a source of this size; none if it would not be smaller.
pub(crate) fn scaled(
    width: u32,
    height: u32,
    pixel_aspect: (u32, u32),
    frame_rate: Option<f64>,
) -> Option<Scaled> {
    let short = width.min(height);
    if short <= LINES || width > 16_384 || height > 16_384 {
        return None;
    }
    // With square pixels, so that nobody has to know the source's aspect.
    let (x, y) = if pixel_aspect.0 == 0 || pixel_aspect.1 == 0 { (1, 1) } else { pixel_aspect };
    let shown_width = u64::from(width) * u64::from(x) / u64::from(y);
    let (shown_width, shown_height) = (shown_width.max(1), u64::from(height));
    let shown_short = shown_width.min(shown_height);
    let to_scale = |side: u64| -> u32 {
        let scaled = (side * u64::from(LINES) + shown_short / 2) / shown_short;
        // x264 wants even sides for 4:2:0.
        (u32::try_from(scaled).unwrap_or(u32::MAX).min(4096) / 2 * 2).max(2)
    };
    let (width, height) = (to_scale(shown_width), to_scale(shown_height));
    let rate = frame_rate.filter(|rate| (1.0..=120.0).contains(rate)).unwrap_or(30.0);
    let pixels_per_second = u64::from(width) * u64::from(height) * (rate.round() as u64);
    let kbps = pixels_per_second * BITS_PER_PIXEL_MILLI / 1_000_000;
    let bitrate_kbps = u32::try_from(kbps).unwrap_or(MAX_KBPS).clamp(MIN_KBPS, MAX_KBPS);
    Some(Scaled { width, height, bitrate_kbps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = |width, height, aspect| {
            scaled(width, height, aspect, Some(30.0))
                .map(|scaled| (scaled.width, scaled.height, scaled.lines()))
        };
        assert_eq!(size(1280, 720, (1, 1)), Some((640, 360, 360)));
        assert_eq!(size(1920, 1080, (1, 1)), Some((640, 360, 360)));
        assert_eq!(size(720, 1280, (1, 1)), Some((360, 640, 360)));
        assert_eq!(size(720, 576, (64, 45)), Some((640, 360, 360)));
        assert_eq!(size(640, 360, (1, 1)), None, "never larger, nor the same again");
        assert_eq!(size(320, 240, (1, 1)), None);
        assert_eq!(scaled(1280, 720, (1, 1), Some(30.0)).unwrap().bitrate_kbps, 794);
    }

    #[test]
    fn nonsense_is_survived() {
        for (width, height, aspect, rate) in [
            (16_384, 400, (1, 1), None),
            (400, 16_384, (u32::MAX, 1), Some(f64::NAN)),
            (400, 400, (1, u32::MAX), Some(-1.0)),
            (u32::MAX, u32::MAX, (0, 0), None),
        ] {
            if let Some(scaled) = scaled(width, height, aspect, rate) {
                assert!(scaled.width >= 2 && scaled.height >= 2 && scaled.width <= 4096, "{scaled:?}");
            }
        }
    }
}
