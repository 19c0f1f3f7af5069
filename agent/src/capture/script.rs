//! What befalls a source, and when: so that anybody can try what the box does about it.
//!
//! A script is a list of lines such as `no signal at 10 s for 5 s`, `1920x1080@60 at 20 s` or `crash at 30 s`. Times count
//! from the start of the box, and go on when the media process is started anew.

use stagebox_protocol::telemetry::{SignalState, SignalStatus};

use super::{CaptureError, Captured, Mend, PictureFormat, Source, Tick, silence};

/// Whoever changes the picture's size has no picture for so long.
const RELOCK_MS: u64 = 400;

/// What a clock can be off.
const MOST_PPM: f64 = 1_000.0;

/// Faults with their times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script(Vec<Step>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    from_ms: u64,
    /// Absent for one that stays.
    to_ms: Option<u64>,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// There is no picture, for this reason.
    Signal(SignalState),
    /// Another size, and another rate where that is said.
    Mode {
        width: u32,
        height: u32,
        fps: Option<f32>,
    },
    Silence,
    Black,
    Frozen,
    /// The media process dies as it does when a driver fails.
    Crash,
    /// The clock of its sound is fast by so many millionths.
    Clock {
        ppm: f64,
    },
}

const NAMES: [(&str, Fault); 9] = [
    ("no cable", Fault::Signal(SignalState::NoCable)),
    ("no signal", Fault::Signal(SignalState::None)),
    ("not locked", Fault::Signal(SignalState::Unstable)),
    ("out of range", Fault::Signal(SignalState::OutOfRange)),
    ("protected", Fault::Signal(SignalState::Protected)),
    ("silence", Fault::Silence),
    ("black", Fault::Black),
    ("frozen", Fault::Frozen),
    ("crash", Fault::Crash),
];

impl Script {
    /// Reads its lines.
    ///
    /// # Errors
    /// The number of the line that makes no sense, and what is wrong with it.
    pub fn parse(lines: &[String]) -> Result<Self, (usize, String)> {
        let steps =
            lines.iter().enumerate().map(|(number, line)| step(line).map_err(|error| (number, error)));
        steps.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the clock of the source's sound is off at this moment, in ppm, where that is set.
    pub(super) fn clock(&self, at_ms: u64) -> Option<f64> {
        self.active(at_ms)
            .find_map(|step| if let Fault::Clock { ppm } = step.fault { Some(ppm) } else { None })
    }

    /// Whether that is set at any time.
    pub(crate) fn has_clock(&self) -> bool {
        self.0.iter().any(|step| matches!(step.fault, Fault::Clock { .. }))
    }

    fn active(&self, at_ms: u64) -> impl Iterator<Item = &Step> {
        self.0
            .iter()
            .filter(move |step| step.from_ms <= at_ms && step.to_ms.is_none_or(|to_ms| at_ms < to_ms))
    }
}

fn step(line: &str) -> Result<Step, String> {
    let (what, when) = match line.split_once(" at ") {
        Some(parts) => parts,
        // A clock is what it is from the start.
        None if line.starts_with("clock ") => (line, "0 s"),
        None => return Err("say what happens and when, such as `no signal at 10 s for 5 s`".to_owned()),
    };
    let (from, lasts) = match when.split_once(" for ") {
        Some((from, lasts)) => (from, Some(ms(lasts)?)),
        None => (when, None),
    };
    let from_ms = ms(from)?;
    let to_ms = lasts.map(|lasts| from_ms.saturating_add(lasts));
    Ok(Step { from_ms, to_ms, fault: fault(what.trim())? })
}

fn ms(text: &str) -> Result<u64, String> {
    let seconds = text.trim().strip_suffix('s').and_then(|number| number.trim().parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| (0.0..=1e6).contains(seconds));
    // Not negative and not too large, as was looked at.
    seconds
        .map(|seconds| (seconds * 1000.0).round() as u64)
        .ok_or(format!("`{text}` is no time such as `10 s`"))
}

fn fault(what: &str) -> Result<Fault, String> {
    if let Some((_, fault)) = NAMES.iter().find(|(name, _)| *name == what) {
        return Ok(*fault);
    }
    if let Some(off) = what.strip_prefix("clock ") {
        let ppm = off.trim().strip_suffix("ppm").and_then(|number| number.trim().parse::<f64>().ok());
        let ppm = ppm.filter(|ppm| ppm.abs() <= MOST_PPM);
        return ppm.map(|ppm| Fault::Clock { ppm }).ok_or(format!(
            "`{off}` is no such clock: say how much it is off, such as `clock +200 ppm`, at most {MOST_PPM} either way"
        ));
    }
    let mode = || {
        let (size, fps) = what.split_once('@').map_or((what, None), |(size, fps)| (size, Some(fps)));
        let (width, height) = size.split_once('x')?;
        let fps = match fps {
            Some(fps) => Some(fps.parse::<f32>().ok().filter(|fps| (1.0..=240.0).contains(fps))?),
            None => None,
        };
        let side = |text: &str| text.parse::<u32>().ok().filter(|side| (16..=16_384).contains(side));
        Some(Fault::Mode { width: side(width)?, height: side(height)?, fps })
    };
    mode().ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        format!(
            "there is no `{what}`: use a size such as `1920x1080@60`, `clock +200 ppm`, or one of {}",
            names.join(", ")
        )
    })
}

/// A source to which its script happens.
pub(super) struct Scripted {
    inner: Box<dyn Source>,
    script: Script,
    format: PictureFormat,
    at_ms: u64,
}

impl Scripted {
    pub(super) fn new(inner: Box<dyn Source>, script: Script, format: PictureFormat) -> Self {
        Self { inner, script, format, at_ms: 0 }
    }

    /// Why there is no picture just now, if there is none.
    fn lost(&self) -> Option<SignalState> {
        self.script.active(self.at_ms).find_map(|step| match step.fault {
            Fault::Signal(state) => Some(state),
            Fault::Mode { .. } if self.at_ms < step.from_ms + RELOCK_MS => Some(SignalState::Unstable),
            _ => None,
        })
    }

    fn has(&self, fault: Fault) -> bool {
        self.script.active(self.at_ms).any(|step| step.fault == fault)
    }
}

impl Source for Scripted {
    fn capture(&mut self, tick: &Tick) -> Result<Captured, CaptureError> {
        let before_ms =
            std::mem::replace(&mut self.at_ms, u64::try_from(tick.at_ns / 1_000_000).unwrap_or(0));
        let is_due = |step: &Step| (before_ms + 1..=self.at_ms).contains(&step.from_ms);
        if tick.index > 0 && self.script.0.iter().any(|step| step.fault == Fault::Crash && is_due(step)) {
            std::process::abort();
        }
        let mut captured = self.inner.capture(tick)?;
        if self.lost().is_some() {
            return Ok(Captured { picture: None, sound: silence(tick) });
        }
        if self.has(Fault::Silence) {
            captured.sound = silence(tick);
        }
        if self.has(Fault::Frozen) {
            captured.picture = None;
        } else if self.has(Fault::Black) {
            captured.picture = Some(self.format.black()?);
        }
        Ok(captured)
    }

    fn signal(&self) -> SignalStatus {
        let mut signal = self.inner.signal();
        for step in self.script.active(self.at_ms) {
            if let Fault::Mode { width, height, fps } = step.fault {
                (signal.width, signal.height, signal.fps) = (width, height, fps.unwrap_or(signal.fps));
            }
        }
        if let Some(state) = self.lost() {
            signal.state = state;
        }
        signal
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble()
    }

    fn fails(&self) -> bool {
        self.inner.fails()
    }

    fn sound_trouble(&self) -> Option<String> {
        self.inner.sound_trouble()
    }

    fn mend(&mut self, how: Mend) {
        self.inner.mend(how);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;
    use gstreamer as gst;

    fn script(lines: &[&str]) -> Result<Script, (usize, String)> {
        Script::parse(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn lines_are_read_or_refused_in_words() {
        let good =
            script(&["no signal at 10 s for 2.5 s", "1920x1080@59.94 at 20s", "crash at 0 s"]).unwrap();
        assert_eq!(
            good.0,
            [
                Step { from_ms: 10_000, to_ms: Some(12_500), fault: Fault::Signal(SignalState::None) },
                Step {
                    from_ms: 20_000,
                    to_ms: None,
                    fault: Fault::Mode { width: 1920, height: 1080, fps: Some(59.94) }
                },
                Step { from_ms: 0, to_ms: None, fault: Fault::Crash },
            ]
        );
        assert_eq!(script(&[]), Ok(Script::default()));
        for (line, words) in [
            ("no signal", "say what happens and when"),
            ("no signal at noon", "`noon` is no time"),
            ("black at 3 s for ever", "`ever` is no time"),
            ("black at -1 s", "is no time"),
            (
                "rain at 3 s",
                "there is no `rain`: use a size such as `1920x1080@60`, `clock +200 ppm`, or one of no cable,",
            ),
            ("clock fast", "`fast` is no such clock: say how much it is off, such as `clock +200 ppm`"),
            ("clock +1001 ppm at 3 s", "at most 1000 either way"),
            ("1920x at 3 s", "there is no `1920x`"),
            ("1920x1080@0 at 3 s", "there is no"),
        ] {
            let (number, error) = script(&["crash at 1 s", line]).unwrap_err();
            assert!(number == 1 && error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn a_clock_is_off_when_and_by_what_is_written() {
        let clock = script(&["clock +200 ppm at 10 s for 60 s", "clock -35.5 ppm"]).unwrap();
        let off: Vec<_> = [0, 10_000, 69_999, 70_000].map(|at_ms| clock.clock(at_ms)).into();
        assert_eq!(off, [Some(-35.5), Some(200.0), Some(200.0), Some(-35.5)]);
        let none = script(&["silence at 1 s"]).unwrap();
        assert!(clock.has_clock() && !none.has_clock() && none.clock(1_000).is_none());
    }

    #[test]
    fn what_is_written_happens_when_it_is_written() {
        gst::init().unwrap();
        let format = PictureFormat { width: 64, height: 64, fps: 10 };
        let inner = Box::new(Pattern::new(format).unwrap());
        let lines = [
            "no cable at 1 s for 1 s",
            "silence at 3 s for 1 s",
            "frozen at 4 s for 1 s",
            "1920x1080 at 6 s",
        ];
        let mut source = Scripted::new(inner, script(&lines).unwrap(), format);
        let mut seen = Vec::new();
        for index in 0..80_u64 {
            let first_sample = index * 4800;
            let at_ns = index as i64 * 100_000_000;
            let tick = Tick { index, at_ns, first_sample, samples: 4800, unix_ms: 0 };
            let captured = source.capture(&tick).unwrap();
            let signal = source.signal();
            let is_silent = captured.sound.iter().all(|sample| *sample == 0.0);
            seen.push((signal.state, captured.picture.is_some(), is_silent, signal.width));
        }
        let locked = SignalState::Locked;
        assert_eq!(seen[9], (locked, true, false, 64));
        assert!(seen[10..20].iter().all(|one| *one == (SignalState::NoCable, false, true, 64)));
        assert_eq!(
            [seen[20], seen[30], seen[40]],
            [(locked, true, false, 64), (locked, true, true, 64), (locked, false, false, 64)]
        );
        assert_eq!(
            [seen[50], seen[60]],
            [(locked, true, false, 64), (SignalState::Unstable, false, true, 1920)]
        );
        assert_eq!([seen[64], seen[79]], [(locked, true, false, 1920); 2]);
    }
}
