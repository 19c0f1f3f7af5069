use std::f64::consts::TAU;

use proptest::prelude::*;

use super::follow::{Follow, Slip};

const SECOND_NS: i64 = 1_000_000_000;
const RATE: f64 = 48_000.0;
const HZ: f64 = 997.0;
const LEVEL: f64 = 0.5;

/// A recorder whose clock is off, and a beat that takes what it gave.
struct Room {
    follow: Follow,
    channels: usize,
    ppm: f64,
    block: usize,
    jitter_ns: i64,
    fps: i64,
    target: usize,
    /// Blocks that were given, and when the recorder made the last of them.
    blocks: u64,
    made_ns: f64,
    ticks: i64,
    random: u64,
    slips: Vec<Slip>,
    heard: Vec<f32>,
    /// While it is so, blocks are lost.
    is_away: bool,
}

impl Room {
    fn new(channels: usize, ppm: f64, block: usize, jitter_ms: i64, fps: i64) -> Self {
        // What is asked for at once, and 30 ms.
        let target = (RATE / fps as f64) as usize + 1_440;
        Self {
            follow: Follow::new(channels, target),
            channels,
            ppm,
            block,
            jitter_ns: jitter_ms * 1_000_000,
            fps,
            target,
            blocks: 0,
            made_ns: 0.0,
            ticks: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            slips: Vec::new(),
            heard: Vec::new(),
            is_away: false,
        }
    }

    /// A block comes up to the jitter late, most of them little.
    fn late_ns(&mut self) -> i64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let unit = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        (unit * unit * self.jitter_ns as f64) as i64
    }

    fn now_ns(&self) -> i64 {
        self.ticks * SECOND_NS / self.fps
    }

    /// Plays so many seconds; calls `look` after each beat.
    fn play(&mut self, seconds: i64, mut look: impl FnMut(&Self)) {
        for _ in 0..seconds * self.fps {
            let (now_ns, lasts_ns) = (self.now_ns(), self.block as f64 / RATE / (1.0 + self.ppm / 1e6) * 1e9);
            while (self.made_ns + lasts_ns) as i64 <= now_ns {
                let first_s = self.made_ns / 1e9;
                self.made_ns += lasts_ns;
                let late_ns = self.late_ns();
                let came_ns = (self.made_ns as i64 + late_ns).min(now_ns);
                let at = |index: usize| first_s + index as f64 / RATE / (1.0 + self.ppm / 1e6);
                let sample = |index: usize| (LEVEL * (TAU * HZ * at(index)).sin()) as f32;
                let samples: Vec<f32> = match self.channels {
                    0 => Vec::new(),
                    _ => (0..self.block).map(sample).collect(),
                };
                if !self.is_away {
                    self.follow.push(came_ns, self.block, &samples);
                }
                self.blocks += 1;
            }
            let frames = (RATE / self.fps as f64) as usize;
            self.slips.extend(self.follow.take(now_ns, frames, &mut self.heard));
            look(self);
            self.ticks += 1;
        }
    }

    /// How much later than meant what comes next is heard; `beats` of the present moment are taken already.
    fn error_ms(&self, beats: i64) -> f64 {
        let taken = (RATE / self.fps as f64) as i64 * beats;
        (self.follow.delay(self.now_ns()) + taken as f64 - self.target as f64) / RATE * 1e3
    }
}

/// Amplitude, phase and residual (against it, in dB) of a sine in these samples, the first of which is heard at `first`.
fn fit(heard: &[f32], first: usize, hz: f64) -> (f64, f64, f64) {
    // By least squares: the window need not hold whole periods.
    let angle = |index: usize| TAU * HZ * first as f64 / RATE + TAU * hz * index as f64 / RATE;
    let (mut ss, mut sc, mut cc, mut ys, mut yc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (index, sample) in heard.iter().enumerate() {
        let (sine, cosine) = angle(index).sin_cos();
        (ss, sc, cc) = (ss + sine * sine, sc + sine * cosine, cc + cosine * cosine);
        (ys, yc) = (ys + f64::from(*sample) * sine, yc + f64::from(*sample) * cosine);
    }
    let whole = ss * cc - sc * sc;
    let (sines, cosines) = ((ys * cc - yc * sc) / whole, (yc * ss - ys * sc) / whole);
    let rest: f64 = heard
        .iter()
        .enumerate()
        .map(|(index, sample)| {
            let (sine, cosine) = angle(index).sin_cos();
            (f64::from(*sample) - sines * sine - cosines * cosine).powi(2)
        })
        .sum();
    let level = sines.hypot(cosines);
    let rest_db = 10.0 * (2.0 * rest / heard.len() as f64 / (level * level)).log10();
    (level, cosines.atan2(sines), rest_db)
}

/// From one phase to the other, the shorter way.
fn turn(from: f64, to: f64) -> f64 {
    (to - from + TAU * 1.5).rem_euclid(TAU) - TAU / 2.0
}

/// A sine through clocks that are apart: whole, clean and always as late.
fn assert_clean(ppm: f64, block: usize, jitter_ms: i64, fps: i64, seconds: i64) {
    let mut room = Room::new(1, ppm, block, jitter_ms, fps);
    room.play(30, |_| {});
    room.heard.clear();
    let first = (room.now_ns() as f64 / 1e9 * RATE).round() as usize;
    room.play(seconds, |_| {});
    assert_eq!(room.slips, []);
    // No step beyond what the sine's own slope allows.
    let steepest = LEVEL * TAU * HZ / RATE * 1.01;
    let step = room.heard.windows(2).map(|pair| f64::from((pair[1] - pair[0]).abs())).fold(0.0, f64::max);
    assert!(step < steepest, "a step of {step} at {ppm} ppm");
    let window = RATE as usize / 10;
    let tuned = |(index, heard): (usize, &[f32])| {
        // As an analyser does it, the notch is tuned: the halves' phases tell how far the tone is off.
        let (first, half) = (first + index * window, window / 2);
        let (early, late) = (fit(&heard[..half], first, HZ), fit(&heard[half..], first + half, HZ));
        let off_hz = turn(early.1, late.1) / TAU / (half as f64 / RATE);
        let (level, _, rest_db) = fit(heard, first, HZ + off_hz);
        (level, early.1, rest_db)
    };
    let fits: Vec<_> = room.heard.chunks_exact(window).enumerate().map(tuned).collect();
    let worst_db = fits.iter().map(|fit| fit.2).fold(f64::MIN, f64::max);
    assert!(worst_db < -80.0, "{worst_db} dB at {ppm} ppm");
    assert!(fits.iter().all(|fit| (fit.0 / LEVEL - 1.0).abs() < 0.001), "the level stays");
    // What the phase moves from window to window, added up, is what the delay moves.
    let mut moved_s = 0.0;
    let (mut least_s, mut most_s) = (0.0_f64, 0.0_f64);
    for pair in fits.windows(2) {
        moved_s += turn(pair[0].1, pair[1].1) / (TAU * HZ);
        (least_s, most_s) = (least_s.min(moved_s), most_s.max(moved_s));
    }
    assert!(most_s - least_s < 0.001, "the delay moved by {} s at {ppm} ppm", most_s - least_s);
}

#[test]
fn a_sine_is_whole_and_clean_at_clocks_that_are_apart() {
    assert_clean(200.0, 480, 4, 30, 12);
    assert_clean(-200.0, 480, 4, 30, 12);
    assert_clean(35.0, 1_024, 8, 50, 8);
    assert_clean(-1_000.0, 441, 0, 25, 12);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    /// Two hours, without the samples themselves.
    #[test]
    fn the_line_keeps_its_length_for_hours(
        ppm in -200.0..200.0_f64,
        block in 240..1_100_usize,
        jitter_ms in 0..8_i64,
        fps in prop::sample::select(vec![15_i64, 24, 25, 30, 50, 60]),
    ) {
        let mut room = Room::new(0, ppm, block, jitter_ms, fps);
        room.play(60, |_| {});
        let (mut least_ms, mut most_ms) = (f64::MAX, f64::MIN);
        room.play(7_200, |room| {
            // Far more often than the line's length can change.
            if room.ticks % 7 != 0 {
                return;
            }
            let error_ms = room.error_ms(1);
            (least_ms, most_ms) = (least_ms.min(error_ms), most_ms.max(error_ms));
            let fill = room.follow.fill();
            assert!((0.0..room.target as f64).contains(&fill), "{fill}");
        });
        prop_assert_eq!(&room.slips, &[]);
        prop_assert!(-0.5 < least_ms && most_ms < 0.5, "from {} to {} ms", least_ms, most_ms);
    }
}

#[test]
fn a_clock_that_changes_is_followed() {
    let mut room = Room::new(0, 1_000.0, 480, 3, 25);
    let mut worst_ms = 0.0_f64;
    for ppm in [1_000.0, -1_000.0, 200.0] {
        room.ppm = ppm;
        room.play(120, |room| {
            let running = room.follow.is_running();
            worst_ms = worst_ms.max(if running { room.error_ms(1).abs() } else { 0.0 });
        });
        assert!(room.error_ms(0).abs() < 1.0, "{} ms after {ppm} ppm", room.error_ms(0));
    }
    assert_eq!(room.slips, []);
    assert!(worst_ms < 8.0, "{worst_ms} ms");
}

#[test]
fn it_begins_anew_once_when_nothing_comes_and_when_what_came_is_lost() {
    let mut room = Room::new(1, 100.0, 480, 2, 30);
    room.play(20, |_| {});
    assert!(room.follow.is_running());
    room.is_away = true;
    room.heard.clear();
    room.play(5, |_| {});
    assert_eq!(room.slips, [Slip::Dry], "told once, however long it takes");
    assert!(!room.follow.is_running());
    assert!(room.heard[24_000..].iter().all(|sample| *sample == 0.0));
    let end = room.heard.iter().rposition(|sample| *sample != 0.0).unwrap();
    assert!(room.heard[end].abs() < 0.01, "it fades out");
    room.is_away = false;
    room.play(1, |_| {});
    assert!(room.follow.is_running());
    room.play(30, |_| {});
    assert_eq!(room.slips.len(), 1);
    assert!(room.error_ms(0).abs() < 1.0, "{}", room.error_ms(0));

    // The beat leaves two seconds out: what waited meanwhile is passed over.
    room.ticks += 60;
    room.play(30, |_| {});
    assert_eq!(room.slips[1..], [Slip::Off]);
    assert!(room.error_ms(0).abs() < 1.0, "{}", room.error_ms(0));

    // A clock that nothing can follow is told of again and again, and never piles up.
    room.ppm = 20_000.0;
    room.play(30, |room| assert!(room.follow.fill() < 10_000.0));
    assert!(room.slips.len() > 10, "{:?}", room.slips);
}

#[test]
fn blocks_that_are_larger_than_the_line_never_begin() {
    let mut room = Room::new(1, 0.0, 4_800, 0, 30);
    room.play(10, |_| {});
    assert!(!room.follow.is_running() && room.slips.is_empty());
    assert!(room.heard.iter().all(|sample| *sample == 0.0));
}
