//! The second that is not over yet.

use std::num::{NonZeroU16, NonZeroU32};

use super::arrival::Arrived;
use super::cadence::Step;
use super::dbfs::Dbfs;
use super::sample::{Flags, Sample};

const NS_PER_MS: i64 = 1_000_000;

/// Sums of what has come since the second began.
#[derive(Debug, Default)]
pub(super) struct Second {
    /// A broadcast was there, if only for a part of it.
    pub(super) is_connected: bool,
    /// A broadcast was there when it began, and has not ended since.
    pub(super) is_whole: bool,
    pub(super) video: Lane,
    pub(super) audio: Lane,
    pub(super) sound: Loudness,
    gaps: u32,
    missing: u32,
    uneven: u32,
    /// What was seen in it; how long it lasted is told when it is over.
    pub(super) flags: Flags,
}

/// What has come of one track.
#[derive(Debug, Default)]
pub(super) struct Lane {
    bytes: u64,
    frames: u32,
    /// The shortest and the longest way from timestamp to arrival.
    ways_ns: Option<(i64, i64)>,
    /// Of the newest frame.
    late_ns: i64,
}

/// How loud the sound was that was listened to.
#[derive(Debug, Default)]
pub(super) struct Loudness {
    squares: f64,
    samples: u32,
    peak: f64,
}

/// What is known of the picture at a second's end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    pub(super) key_interval_ms: Option<NonZeroU32>,
    pub(super) size: Option<(NonZeroU16, NonZeroU16)>,
}

impl Second {
    /// One in which a broadcast is there from the beginning, or none.
    pub(super) fn new(is_connected: bool) -> Self {
        Self { is_connected, is_whole: is_connected, ..Self::default() }
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Usual => {}
            Step::Uneven => self.uneven = self.uneven.saturating_add(1),
            Step::Back => {
                self.uneven = self.uneven.saturating_add(1);
                self.flags.set(Flags::REPEATED, true);
            }
            Step::Gap { missing } => {
                self.gaps = self.gaps.saturating_add(1);
                self.missing = self.missing.saturating_add(missing);
            }
        }
    }

    /// What it was like, now that it is over.
    pub(super) fn close(&self, at_s: u32, standing: Standing) -> Sample {
        let lead = if self.video.frames > 0 { &self.video } else { &self.audio };
        let mut flags = self.flags;
        flags.set(Flags::WHOLE, self.is_whole);
        flags.set(Flags::SOUND, self.audio.frames > 0);
        let standing = if self.video.frames == 0 { Standing::default() } else { standing };
        Sample {
            at_s,
            video_kbps: self.video.kbps(),
            key_interval_ms: standing.key_interval_ms,
            late_ms: u32::try_from(lead.late_ns / NS_PER_MS).unwrap_or(u32::MAX),
            audio_kbps: u16::try_from(self.audio.kbps()).unwrap_or(u16::MAX),
            frames: u16::try_from(self.video.frames).unwrap_or(u16::MAX),
            width: standing.size.map(|(width, _)| width),
            height: standing.size.map(|(_, height)| height),
            rms: self.sound.rms(),
            peak: self.sound.peak(),
            jitter_ms: u16::try_from(lead.spread_ns() / NS_PER_MS).unwrap_or(u16::MAX),
            gaps: u16::try_from(self.gaps).unwrap_or(u16::MAX),
            missing: u16::try_from(self.missing).unwrap_or(u16::MAX),
            uneven: u8::try_from(self.uneven).unwrap_or(u8::MAX),
            flags,
        }
    }
}

impl Lane {
    pub(super) fn take(&mut self, bytes: usize, arrived: Arrived) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.frames = self.frames.saturating_add(1);
        let way = arrived.way_ns;
        self.ways_ns = match self.ways_ns {
            Some((least, most)) if !arrived.is_set_anew => Some((least.min(way), most.max(way))),
            _ => Some((way, way)),
        };
        self.late_ns = arrived.late_ns;
    }

    fn kbps(&self) -> u32 {
        u32::try_from(self.bytes.saturating_mul(8) / 1_000).unwrap_or(u32::MAX)
    }

    fn spread_ns(&self) -> i64 {
        self.ways_ns.map_or(0, |(least, most)| most.saturating_sub(least))
    }
}

impl Loudness {
    /// Takes the samples of one channel.
    pub(super) fn take(&mut self, samples: &[f32]) {
        let (mut squares, mut peak) = (0f32, 0f32);
        for sample in samples {
            squares += sample * sample;
            peak = peak.max(sample.abs());
        }
        // What broken sound is decoded to may be no number.
        if squares.is_finite() {
            self.squares += f64::from(squares);
            self.samples = self.samples.saturating_add(u32::try_from(samples.len()).unwrap_or(0));
            self.peak = self.peak.max(f64::from(peak));
        }
    }

    fn rms(&self) -> Dbfs {
        if self.samples == 0 { Dbfs::NONE } else { Dbfs::of_power(self.squares / f64::from(self.samples)) }
    }

    fn peak(&self) -> Dbfs {
        if self.samples == 0 { Dbfs::NONE } else { Dbfs::of_amplitude(self.peak) }
    }
}
