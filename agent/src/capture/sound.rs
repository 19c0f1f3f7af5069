//! A source with the sound that is wanted for it: its own or that of an ALSA input, on the box's clock, and adjusted.
//!
//! Sound that has a clock of its own ([`Follow`]) comes later than it was recorded, by a time that does not change. The
//! picture is held back by as much, a whole number of pictures, so that both are of one moment.

use std::collections::VecDeque;

use gstreamer as gst;
use stagebox_protocol::telemetry::SignalStatus;

use super::adjust::Adjust;
use super::alsa::Device;
use super::drift::Drift;
use super::follow::{Follow, Slip};
use super::{CHANNELS, CaptureError, Captured, Mend, PictureFormat, SAMPLE_RATE, Script, Source, Tick};
use crate::config::AudioConfig;

/// Blocks may come so late: their own length, and what the machine lets them wait.
const HEADROOM_MS: u32 = 60;
/// Sound that did not come for so long is not there.
const AWAY_NS: i64 = 500_000_000;
/// How long it is told that sound was lost.
const TOLD_NS: i64 = 10_000_000_000;
/// Sound that comes, but cannot be followed for so long, is told of.
const PATIENCE_NS: i64 = 3_000_000_000;

/// The source with its sound as configured.
pub(super) fn join(
    inner: Box<dyn Source>,
    script: &Script,
    audio: &AudioConfig,
    format: PictureFormat,
    origin_ns: i64,
) -> Box<dyn Source> {
    let input = match &audio.device {
        Some(name) => Input::Device(Device::open(name, audio.channels.unwrap_or_default(), origin_ns)),
        None if script.has_clock() => Input::Drift(Drift::new(script.clone())),
        None => Input::Own,
    };
    let adjust = Adjust::new(audio);
    if matches!(input, Input::Own) && adjust.is_none() {
        return inner;
    }
    Box::new(Sound::new(inner, input, adjust, format.fps))
}

/// Where sound comes from.
#[derive(Debug)]
enum Input {
    /// The source gives as much as is asked for.
    Own,
    Device(Device),
    /// The source's own, through a clock that is off.
    Drift(Drift),
}

struct Sound {
    inner: Box<dyn Source>,
    input: Input,
    adjust: Option<Adjust>,
    follow: Follow,
    /// Pictures that are held back, and how many have to be.
    held: VecDeque<Option<gst::Buffer>>,
    hold: usize,
    now_ns: i64,
    /// When sound came last, and when it was last followed.
    came_ns: Option<i64>,
    followed_ns: i64,
    slips: u64,
    slipped_ns: Option<i64>,
}

impl Sound {
    fn new(inner: Box<dyn Source>, input: Input, adjust: Option<Adjust>, fps: u32) -> Self {
        // One for the samples that are asked for at once, and as many as there have to be for what comes late.
        let hold = (1 + (HEADROOM_MS * fps).div_ceil(1000)) as usize;
        Self {
            inner,
            input,
            adjust,
            follow: Follow::new(CHANNELS, hold * SAMPLE_RATE as usize / fps.max(1) as usize),
            held: VecDeque::new(),
            hold,
            now_ns: 0,
            came_ns: None,
            followed_ns: 0,
            slips: 0,
            slipped_ns: None,
        }
    }

    fn follow(&mut self, tick: &Tick, captured: &mut Captured) {
        let (follow, came_ns) = (&mut self.follow, &mut self.came_ns);
        let mut push = |at_ns: i64, samples: &[f32]| {
            follow.push(at_ns, samples.len() / CHANNELS, samples);
            *came_ns = Some(at_ns);
        };
        match &mut self.input {
            Input::Own => return,
            Input::Device(device) => device.blocks().for_each(|block| push(block.at_ns, &block.samples)),
            Input::Drift(drift) => drift.record(tick, &captured.sound, |at_ns, block| push(at_ns, &block)),
        }
        captured.sound.clear();
        let slip = self.follow.take(tick.at_ns, tick.samples, &mut captured.sound);
        if let Some(slip) = slip {
            self.slips += 1;
            self.slipped_ns = Some(tick.at_ns);
            let why = match slip {
                Slip::Dry => "nothing came",
                Slip::Off => "its clock cannot be followed",
            };
            tracing::warn!(times = self.slips, "sound was lost for a moment: {why}");
        }
        if self.follow.is_running() || !self.comes() {
            self.followed_ns = tick.at_ns;
        }
        self.held.push_back(captured.picture.take());
        if self.held.len() > self.hold {
            captured.picture = self.held.pop_front().flatten();
        }
    }

    /// Whether sound with a clock of its own comes.
    fn comes(&self) -> bool {
        self.came_ns.is_some_and(|came_ns| self.now_ns - came_ns < AWAY_NS)
    }

    fn lost(&self) -> Option<String> {
        if self.now_ns - self.followed_ns > PATIENCE_NS {
            let words = "audio.device: its sound comes in blocks that are too large, or at no steady rate; use another device";
            return Some(words.to_owned());
        }
        let is_new = self.slipped_ns.is_some_and(|slipped_ns| self.now_ns - slipped_ns < TOLD_NS);
        is_new.then(|| {
            format!("Sound was lost for a moment, {} times so far: look at the sound device", self.slips)
        })
    }
}

impl Source for Sound {
    fn capture(&mut self, tick: &Tick) -> Result<Captured, CaptureError> {
        let mut captured = self.inner.capture(tick)?;
        self.now_ns = tick.at_ns;
        if tick.index == 0 {
            self.followed_ns = tick.at_ns;
        }
        self.follow(tick, &mut captured);
        if let Some(adjust) = &mut self.adjust {
            adjust.apply(&mut captured.sound);
        }
        Ok(captured)
    }

    fn signal(&self) -> SignalStatus {
        let signal = self.inner.signal();
        match self.input {
            Input::Device(_) => SignalStatus { audio: self.comes(), ..signal },
            Input::Own | Input::Drift(_) => signal,
        }
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble()
    }

    fn fails(&self) -> bool {
        self.inner.fails()
    }

    fn sound_trouble(&self) -> Option<String> {
        match &self.input {
            Input::Own => self.inner.sound_trouble(),
            Input::Drift(_) => self.inner.sound_trouble().or_else(|| self.lost()),
            Input::Device(device) => device.trouble().or_else(|| self.lost()),
        }
    }

    fn mend(&mut self, how: Mend) {
        self.inner.mend(how);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    const FPS: u32 = 25;

    fn format() -> PictureFormat {
        gst::init().unwrap();
        PictureFormat { width: 320, height: 180, fps: FPS }
    }

    fn source(script: &[&str], audio: &AudioConfig) -> Box<dyn Source> {
        let script =
            Script::parse(&script.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()).unwrap();
        join(Box::new(Pattern::new(format()).unwrap()), &script, audio, format(), 0)
    }

    fn tick(index: u64) -> Tick {
        let samples = u64::from(SAMPLE_RATE / FPS);
        Tick {
            index,
            at_ns: i64::try_from(index).unwrap() * 1_000_000_000 / i64::from(FPS),
            first_sample: index * samples,
            samples: samples as usize,
            unix_ms: 0,
        }
    }

    /// Plays so many seconds: the samples at which clicks begin and those at which white pictures do.
    fn play(source: &mut dyn Source, seconds: u64) -> (Vec<usize>, Vec<usize>) {
        let (mut clicks, mut flashes) = (Vec::new(), Vec::new());
        for index in 0..seconds * u64::from(FPS) {
            let tick = tick(index);
            let captured = source.capture(&tick).unwrap();
            assert_eq!(captured.sound.len(), tick.samples * CHANNELS);
            for (at, sample) in captured.sound.iter().step_by(CHANNELS).enumerate() {
                let at = tick.first_sample as usize + at;
                if sample.abs() > 0.2 && clicks.last().is_none_or(|last| at > last + 24_000) {
                    clicks.push(at);
                }
            }
            let map = captured.picture.as_ref().map(|picture| picture.map_readable().unwrap());
            if map.is_some_and(|map| map[320 * 179] == 235 && map[320 * 90 + 300] == 235) {
                flashes.push(tick.first_sample as usize);
            }
        }
        (clicks, flashes)
    }

    #[test]
    fn click_and_flash_stay_together_where_the_clock_of_sound_is_off() {
        for clock in ["clock -1000 ppm", "clock +200 ppm at 10 s for 10 s"] {
            let mut source = source(&[clock], &AudioConfig::default());
            let (clicks, flashes) = play(source.as_mut(), 30);
            assert!(flashes.len() >= 29, "{flashes:?}");
            // The first one is before there is enough.
            for flash in &flashes[1..] {
                let nearest = clicks.iter().map(|click| click.abs_diff(*flash)).min().unwrap();
                assert!(nearest < 48 * 4, "{clock}: {nearest} samples apart at {flash}");
            }
            let last = flashes.last().unwrap();
            let nearest = clicks.iter().map(|click| click.abs_diff(*last)).min().unwrap();
            assert!(nearest < 96, "{clock}: {nearest} samples apart in the end");
            assert_eq!(source.sound_trouble(), None);
            assert!(source.signal().audio);
        }
    }

    #[test]
    fn a_delay_holds_sound_back() {
        let audio = AudioConfig { delay_ms: 100, gain_db: -6.0, ..AudioConfig::default() };
        let (clicks, flashes) = play(source(&[], &audio).as_mut(), 3);
        assert_eq!(flashes, [0, 48_000, 96_000]);
        assert_eq!(clicks, [4_800, 52_800, 100_800]);
        assert!(play(source(&[], &AudioConfig { mute: true, ..audio }).as_mut(), 2).0.is_empty());
    }

    #[test]
    fn a_device_that_is_not_there_is_silent_and_told_and_nothing_waits_for_it() {
        let audio = AudioConfig { device: Some("nowhere".to_owned()), ..AudioConfig::default() };
        let mut source = source(&[], &audio);
        let (clicks, flashes) = play(source.as_mut(), 2);
        assert!(clicks.is_empty() && flashes.len() == 2);
        assert!(!source.signal().audio);
        // The thread tells it when it has tried.
        let told = (0..20_000_000).find_map(|_| {
            std::thread::yield_now();
            source.sound_trouble()
        });
        let words = told.expect("it is told soon");
        let missing = words.contains("install the package gstreamer1.0-alsa");
        assert!(words.starts_with("audio.device: ") && (missing || words.contains("arecord -l")), "{words}");
    }
}
