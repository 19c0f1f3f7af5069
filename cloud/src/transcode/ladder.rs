//! Which smaller renditions a source gets, and at which bit rates: pure arithmetic.

use serde::{Deserialize, Serialize};

/// Level 6.2 ends at this many pixels a side (ITU-T H.264, A.3.1).
const MAX_SIDE: u32 = 16_384;
/// No rendition is larger.
const MAX_SCALED_SIDE: u64 = 4_096;
/// Pixels of a picture, and the kbit/s that they need at 30 frames a second with x264's veryfast.
const RATES: [(u64, u64); 6] = [
    (426 * 240, 400),
    (640 * 360, 800),
    (854 * 480, 1_400),
    (1280 * 720, 2_800),
    (1920 * 1080, 4_500),
    (3840 * 2160, 14_000),
];
/// The smallest bit rate that still shows something.
const MIN_KBPS: u64 = 150;
const USUAL_FPS: f64 = 30.0;
/// How much the encoder may spend at once, as time at its bit rate.
const BUFFER_MS: u32 = 500;

/// The source's picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SourceSize {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixel_aspect: (u32, u32),
    /// Frames a second, where the source says so.
    pub(crate) frame_rate: Option<f64>,
}

/// A picture to encode beside the source, with square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

    pub(crate) fn rate_control(self) -> RateControl {
        RateControl { bitrate_kbps: self.bitrate_kbps, buffer_ms: BUFFER_MS }
    }
}

/// A constant bit rate with a buffer that evens out what single pictures need
/// (the hypothetical reference decoder of ITU-T H.264, annex C).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateControl {
    pub(crate) bitrate_kbps: u32,
    /// The buffer's size, as time at the bit rate.
    pub(crate) buffer_ms: u32,
}

impl RateControl {
    /// The most kbit/s that a segment of at least this length can have: what fits for `BANDWIDTH`
    /// (RFC 8216bis, 4.4.6.2), headers of the container not counted.
    pub(crate) fn peak_kbps(self, segment_ms: u32) -> u32 {
        // The buffer was full before the segment and is empty behind it.
        let extra = u64::from(self.bitrate_kbps) * u64::from(self.buffer_ms) / u64::from(segment_ms.max(1));
        u32::try_from(u64::from(self.bitrate_kbps) + extra).unwrap_or(u32::MAX)
    }
}

/// The renditions of a source: those of the `wanted` short sides that are smaller than its own, largest first.
pub(crate) fn ladder(source: SourceSize, wanted: &[u16]) -> Vec<Scaled> {
    if source.width == 0 || source.height == 0 || source.width > MAX_SIDE || source.height > MAX_SIDE {
        return Vec::new();
    }
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    let mut renditions: Vec<Scaled> = wanted.iter().filter_map(|lines| scaled(source, *lines)).collect();
    renditions.dedup_by_key(|scaled| scaled.lines());
    renditions
}

/// The source's own picture encoded anew: as large as it is shown, or as large as renditions are at most.
pub(crate) fn anew(source: SourceSize) -> Option<Scaled> {
    if source.width == 0 || source.height == 0 || source.width > MAX_SIDE || source.height > MAX_SIDE {
        return None;
    }
    let (width, height) = shown(source);
    let longest = width.max(height);
    let side = |side: u64| even(side, longest.min(MAX_SCALED_SIDE), longest);
    let (width, height) = (side(width)?, side(height)?);
    let pixels = u64::from(width) * u64::from(height);
    let bitrate_kbps = u32::try_from(kbps(pixels, source.frame_rate)).unwrap_or(u32::MAX);
    Some(Scaled { width, height, bitrate_kbps })
}

/// Its sides with square pixels, so that nobody has to know the source's aspect.
fn shown(source: SourceSize) -> (u64, u64) {
    let (x, y) = match source.pixel_aspect {
        (0, _) | (_, 0) => (1, 1),
        aspect => aspect,
    };
    ((u64::from(source.width) * u64::from(x) / u64::from(y)).max(1), u64::from(source.height))
}

fn scaled(source: SourceSize, lines: u16) -> Option<Scaled> {
    let lines = u64::from(lines);
    let (shown_width, shown_height) = shown(source);
    let short = shown_width.min(shown_height);
    if lines < 2 || lines >= short {
        return None;
    }
    let width = even(shown_width, lines, short)?;
    let height = even(shown_height, lines, short)?;
    let pixels = u64::from(width) * u64::from(height);
    // Broad pixels can make a picture of fewer lines that has more pixels than the source.
    if pixels >= u64::from(source.width) * u64::from(source.height) {
        return None;
    }
    let bitrate_kbps = u32::try_from(kbps(pixels, source.frame_rate)).unwrap_or(u32::MAX);
    Some(Scaled { width, height, bitrate_kbps })
}

/// The even number nearest to `side × lines ÷ short`: 4:2:0 wants even sides.
fn even(side: u64, lines: u64, short: u64) -> Option<u32> {
    let half = (side * lines + short) / (2 * short);
    u32::try_from(half.max(1) * 2).ok().filter(|side| u64::from(*side) <= MAX_SCALED_SIDE)
}

fn kbps(pixels: u64, frame_rate: Option<f64>) -> u64 {
    let fps = frame_rate.filter(|rate| (1.0..=240.0).contains(rate)).unwrap_or(USUAL_FPS);
    // Half the frames need more than half the bits: they differ more from each other.
    let factor = if fps <= USUAL_FPS {
        (fps + 10.0) / (USUAL_FPS + 10.0)
    } else {
        1.0 + (fps - USUAL_FPS) / (2.0 * USUAL_FPS)
    };
    let factor_milli = (factor * 1000.0).round() as u64;
    (at_usual_rate(pixels) * factor_milli / 1000).max(MIN_KBPS)
}

/// On straight lines between the known sizes, and through zero below them.
fn at_usual_rate(pixels: u64) -> u64 {
    let mut below = (0, 0);
    for above in RATES {
        if pixels <= above.0 {
            return below.1 + (pixels - below.0) * (above.1 - below.1) / (above.0 - below.0);
        }
        below = above;
    }
    below.1
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [u16; 5] = [1080, 720, 480, 360, 240];

    fn source(width: u32, height: u32, pixel_aspect: (u32, u32), fps: f64) -> SourceSize {
        SourceSize { width, height, pixel_aspect, frame_rate: Some(fps) }
    }

    fn sizes(width: u32, height: u32, aspect: (u32, u32)) -> Vec<(u32, u32)> {
        let ladder = ladder(source(width, height, aspect, 30.0), &WANTED);
        ladder.iter().map(|scaled| (scaled.width, scaled.height)).collect()
    }

    #[test]
    fn only_smaller_ones_and_the_largest_first() {
        let hd = vec![(1280, 720), (854, 480), (640, 360), (426, 240)];
        assert_eq!(sizes(1920, 1080, (1, 1)), hd);
        assert_eq!(sizes(1280, 720, (1, 1)), hd[1..], "none equal to the source");
        assert_eq!(sizes(1280, 800, (1, 1))[0], (1152, 720));
        assert_eq!(sizes(720, 1280, (1, 1)), [(480, 854), (360, 640), (240, 426)], "portrait");
        assert_eq!(sizes(640, 360, (1, 1)), [(426, 240)]);
        assert_eq!(sizes(320, 240, (1, 1)), [], "never larger, nor the same again");
        let mixed = ladder(source(1920, 1080, (1, 1), 30.0), &[240, 720, 240, 241, 9000, 0, 1]);
        assert_eq!(mixed.iter().map(|scaled| scaled.lines()).collect::<Vec<_>>(), [720, 242, 240]);
    }

    #[test]
    fn pixels_become_square_without_growing() {
        assert_eq!(sizes(720, 576, (64, 45)), [(854, 480), (640, 360), (426, 240)]);
        assert_eq!(sizes(480, 576, (32, 15)), [(640, 360), (426, 240)], "480 lines would be more pixels");
        assert_eq!(sizes(1440, 1080, (4, 3))[0], (1280, 720));
    }

    #[test]
    fn a_source_that_is_encoded_anew_keeps_its_size() {
        let size = |width, height, aspect| {
            anew(source(width, height, aspect, 30.0)).map(|made| (made.width, made.height))
        };
        assert_eq!(size(1920, 1080, (1, 1)), Some((1920, 1080)));
        assert_eq!(size(721, 577, (1, 1)), Some((722, 578)), "sides are even");
        assert_eq!(size(720, 576, (64, 45)), Some((1024, 576)), "pixels are square");
        assert_eq!(size(8192, 4320, (1, 1)), Some((4096, 2160)));
        assert_eq!(size(0, 1, (1, 1)), None);
        assert_eq!(anew(source(1280, 720, (1, 1), 30.0)).unwrap().bitrate_kbps, 2_800);
    }

    #[test]
    fn bit_rates() {
        let rates = |fps| -> Vec<u32> {
            let ladder = ladder(source(3840, 2160, (1, 1), fps), &WANTED);
            ladder.iter().map(|scaled| scaled.bitrate_kbps).collect()
        };
        assert_eq!(rates(30.0), [4_500, 2_800, 1_400, 800, 400]);
        assert_eq!(rates(60.0), [6_750, 4_200, 2_100, 1_200, 600]);
        assert_eq!(rates(25.0), [3_937, 2_450, 1_225, 700, 350]);
        assert_eq!(rates(15.0)[3], 500);
        assert_eq!(rates(f64::NAN), rates(30.0));
        assert_eq!(at_usual_rate(u64::MAX), 14_000);
    }

    #[test]
    fn a_segment_has_the_bit_rate_and_one_buffer_at_most() {
        let control = RateControl { bitrate_kbps: 800, buffer_ms: 500 };
        assert_eq!(control.peak_kbps(2_000), 1_000);
        assert_eq!(control.peak_kbps(500), 1_600);
        assert_eq!(control.peak_kbps(0), 400_800);
    }

    #[test]
    fn nonsense_is_survived() {
        for (width, height, aspect, rate) in [
            (16_384, 400, (1, 1), None),
            (400, 16_384, (u32::MAX, 1), Some(f64::NAN)),
            (400, 400, (1, u32::MAX), Some(-1.0)),
            (u32::MAX, u32::MAX, (0, 0), None),
            (0, 0, (0, 0), Some(f64::INFINITY)),
        ] {
            let source = SourceSize { width, height, pixel_aspect: aspect, frame_rate: rate };
            for scaled in ladder(source, &[0, 1, 2, 3, 240, u16::MAX]) {
                assert!(scaled.width >= 2 && scaled.height >= 2 && scaled.width <= 4096, "{scaled:?}");
                assert!(scaled.width % 2 == 0 && scaled.height % 2 == 0, "{scaled:?}");
                assert!(scaled.bitrate_kbps >= 150, "{scaled:?}");
            }
        }
    }
}
