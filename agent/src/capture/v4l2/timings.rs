//! What a source sends, as a capture chip measures it: pure.

use super::ioctl::{BtTimings, DvTimings, DvTimingsCap, V4L2_DV_BT_656_1120};

const V4L2_DV_FL_HAS_PICTURE_ASPECT: u32 = 1 << 6;
/// Chips measure the pixel clock: up to this difference it is the same, while 59.94 and 60 are not.
const CLOCK_PER_MILLION: u64 = 500;

/// Measured timings; the kernel's own form is kept, as it goes back into the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timings(DvTimings);

/// What a chip takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) width: (u32, u32),
    pub(super) height: (u32, u32),
    /// Hertz.
    pub(super) pixel_clock: (u64, u64),
}

impl Timings {
    /// Nothing where there is no picture in it: drivers clear what they could not measure.
    pub(super) fn of(raw: DvTimings) -> Option<Self> {
        let BtTimings { width, height, .. } = raw.bt;
        let is_picture = raw.kind == V4L2_DV_BT_656_1120 && width > 0 && height > 0;
        is_picture.then_some(Self(raw))
    }

    pub(super) fn raw(&self) -> DvTimings {
        self.0
    }

    pub(super) fn width(&self) -> u32 {
        self.0.bt.width
    }

    /// Lines of a whole picture, of both fields where it is interlaced.
    pub(super) fn height(&self) -> u32 {
        self.0.bt.height
    }

    pub(super) fn is_interlaced(&self) -> bool {
        self.0.bt.interlaced != 0
    }

    /// Hertz.
    pub(super) fn pixel_clock(&self) -> u64 {
        whole(self.0.bt.pixelclock)
    }

    /// Whole pictures a second, to a hundredth; 0 where the chip does not measure it.
    pub(super) fn fps(&self) -> f32 {
        let (across, down) = self.total();
        let total = u128::from(across) * u128::from(down);
        if total == 0 {
            return 0.0;
        }
        let hundredths = (u128::from(self.pixel_clock()) * 100 + total / 2) / total;
        hundredths as f32 / 100.0
    }

    /// Pixels of a line and lines of a picture, with what is not shown.
    fn total(&self) -> (u64, u64) {
        let sum = |first: u32, rest: [u32; 3]| {
            u64::from(first) + rest.iter().map(|part| u64::from(*part)).sum::<u64>()
        };
        let BtTimings { width, height, across, down, second, .. } = self.0.bt;
        let second = if self.is_interlaced() { sum(0, second) } else { 0 };
        (sum(width, across), sum(height, down) + second)
    }

    /// Whether it is the same signal, as far as a chip can measure.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let shape =
            |timings: &Self| (timings.width(), timings.height(), timings.is_interlaced(), timings.total());
        let (clock, other_clock) = (self.pixel_clock(), other.pixel_clock());
        shape(self) == shape(other)
            && clock.abs_diff(other_clock) <= clock.max(other_clock) / 1_000_000 * CLOCK_PER_MILLION
    }

    /// Width to height of a pixel. DVD sizes are wide where the source does not say: the box's EDIDs offer no other.
    pub(super) fn pixel_aspect(&self) -> (u32, u32) {
        let BtTimings { width, height, flags, picture_aspect: [across, down], .. } = self.0.bt;
        let told = flags & V4L2_DV_FL_HAS_PICTURE_ASPECT != 0 && across > 0 && down > 0;
        let (across, down) = match (told, width, height) {
            (true, ..) => (across, down),
            (false, 720, 480 | 576) => (16, 9),
            _ => return (1, 1),
        };
        let (x, y) = (u64::from(across) * u64::from(height), u64::from(down) * u64::from(width));
        let divisor = greatest_divisor(x, y);
        match (u32::try_from(x / divisor), u32::try_from(y / divisor)) {
            // Nothing sends pixels that are more stretched than that.
            (Ok(x), Ok(y)) if x <= 4 * y && y <= 4 * x => (x, y),
            _ => (1, 1),
        }
    }

    /// Such as `1920x1080 at 59.94 pictures a second, pixel clock 148.35 MHz`.
    pub(super) fn words(&self) -> String {
        let interlaced = if self.is_interlaced() { ", interlaced" } else { "" };
        let mhz = self.pixel_clock() as f64 / 1e6;
        let (width, height, fps) = (self.width(), self.height(), self.fps());
        format!("{width}x{height} at {fps} pictures a second{interlaced}, pixel clock {mhz:.2} MHz")
    }
}

impl Limits {
    /// Nothing where the driver leaves them out.
    pub(super) fn of(raw: &DvTimingsCap) -> Option<Self> {
        let ([min_width, max_width], [min_height, max_height]) = (raw.width, raw.height);
        let is_told = raw.kind == V4L2_DV_BT_656_1120 && max_width > 0 && max_height > 0;
        is_told.then(|| Self {
            width: (min_width, max_width),
            height: (min_height, max_height),
            pixel_clock: (whole(raw.min_pixelclock), whole(raw.max_pixelclock)),
        })
    }

    pub(super) fn take(&self, timings: &Timings) -> bool {
        let within = |value: u64, (least, most): (u64, u64)| value >= least && (most == 0 || value <= most);
        let wide = |(least, most): (u32, u32)| (u64::from(least), u64::from(most));
        within(timings.width().into(), wide(self.width))
            && within(timings.height().into(), wide(self.height))
            && within(timings.pixel_clock(), self.pixel_clock)
    }
}

fn whole([first, second]: [u32; 2]) -> u64 {
    let halves = if cfg!(target_endian = "little") { (first, second) } else { (second, first) };
    u64::from(halves.0) | u64::from(halves.1) << 32
}

fn greatest_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { greatest_divisor(b, a % b) }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// Progressive timings of a size and rate, with some blanking.
    pub(in super::super) fn progressive(width: u32, height: u32, fps: u32) -> Timings {
        timings(width, height, fps * 1000, false)
    }

    pub(in super::super) fn timings(width: u32, height: u32, fps_milli: u32, is_interlaced: bool) -> Timings {
        let second = if is_interlaced { [2, 5, 15] } else { [0; 3] };
        let mut bt = BtTimings {
            width,
            height,
            across: [88, 44, 148],
            down: [4, 5, 36],
            second,
            ..Default::default()
        };
        bt.interlaced = is_interlaced.into();
        let mut raw = DvTimings { bt, ..Default::default() };
        let (across, down) = Timings(raw).total();
        let clock = across * down * u64::from(fps_milli) / 1000;
        raw.bt.pixelclock = [clock as u32, (clock >> 32) as u32];
        if cfg!(target_endian = "big") {
            raw.bt.pixelclock.reverse();
        }
        Timings(raw)
    }

    pub(in super::super) const FULL_HD: Limits =
        Limits { width: (640, 1920), height: (350, 1200), pixel_clock: (13_000_000, 165_000_000) };
}

#[cfg(test)]
mod tests {
    use super::samples::{FULL_HD, progressive, timings};
    use super::*;

    #[test]
    fn size_rate_and_clock_are_told_in_words() {
        let full_hd = progressive(1920, 1080, 60);
        assert_eq!((full_hd.width(), full_hd.height(), full_hd.fps()), (1920, 1080, 60.0));
        assert_eq!(full_hd.pixel_clock(), 148_500_000);
        assert_eq!(full_hd.words(), "1920x1080 at 60 pictures a second, pixel clock 148.50 MHz");
        let ntsc = timings(1920, 1080, 59_940, false);
        assert_eq!(ntsc.words(), "1920x1080 at 59.94 pictures a second, pixel clock 148.35 MHz");
        let interlaced = timings(1920, 1080, 25_000, true);
        assert!((interlaced.fps() - 25.0).abs() < 0.01 && interlaced.words().contains("interlaced"));
        // 8K at 240 needs more than 32 bits of hertz.
        assert_eq!(timings(7680, 4320, 240_000, false).pixel_clock(), 8_338_896_000);
    }

    #[test]
    fn a_signal_is_itself_within_what_chips_measure() {
        let full_hd = progressive(1920, 1080, 60);
        let mut other = full_hd;
        other.0.bt.pixelclock[0] += 40_000;
        assert!(full_hd.is_alike(&other) && other.is_alike(&full_hd));
        other.0.bt.pixelclock[0] += 60_000;
        assert!(!full_hd.is_alike(&other), "that is nearly 59.94");
        assert!(!full_hd.is_alike(&timings(1920, 1080, 59_940, false)));
        assert!(!full_hd.is_alike(&progressive(1920, 1080, 50)));
        assert!(!timings(1920, 1080, 25_000, true).is_alike(&progressive(1920, 1080, 25)));
    }

    #[test]
    fn what_no_chip_measured_is_nothing() {
        assert_eq!(Timings::of(DvTimings::default()), None);
        let mut raw = progressive(1280, 720, 50).raw();
        assert!(Timings::of(raw).is_some());
        raw.kind = 7;
        assert_eq!(Timings::of(raw), None, "another kind of timings");
        assert_eq!(Limits::of(&DvTimingsCap::default()), None);
        // Without blanking and clock there is no rate, and no division by nothing.
        let mut bare = progressive(1280, 720, 50);
        bare.0.bt.pixelclock = [0; 2];
        assert_eq!(bare.fps(), 0.0);
        bare.0.bt.width = u32::MAX;
        bare.0.bt.across = [u32::MAX; 3];
        bare.0.bt.pixelclock = [u32::MAX; 2];
        assert!(bare.fps().is_finite());
    }

    #[test]
    fn limits_are_looked_at() {
        for (timings, taken) in [
            (progressive(1920, 1080, 60), true),
            (progressive(1920, 1200, 50), true),
            (progressive(3840, 2160, 30), false),
            (progressive(1920, 1080, 120), false),
            (progressive(320, 240, 60), false),
        ] {
            assert_eq!(FULL_HD.take(&timings), taken, "{}", timings.words());
        }
    }

    #[test]
    fn pixels_of_dvd_sizes_are_not_square() {
        assert_eq!(progressive(1920, 1080, 60).pixel_aspect(), (1, 1));
        assert_eq!(progressive(720, 576, 50).pixel_aspect(), (64, 45));
        assert_eq!(progressive(720, 480, 60).pixel_aspect(), (32, 27));
        let mut told = progressive(720, 576, 50);
        told.0.bt.flags = V4L2_DV_FL_HAS_PICTURE_ASPECT;
        told.0.bt.picture_aspect = [4, 3];
        assert_eq!(told.pixel_aspect(), (16, 15));
        told.0.bt.picture_aspect = [1000, 1];
        assert_eq!(told.pixel_aspect(), (1, 1), "nonsense");
    }
}
