//! A push button: debounced, short presses told from long ones.
//!
//! ```text
//!         down 20 ms            1.5 s
//!   Up ───────────────► Down ───────────► Held
//!    ▲                   │ up 20 ms: Press │ (fires Hold)
//!    └───────────────────┴─────────────────┘ up 20 ms
//! ```

use embedded_hal::digital::InputPin;

/// A level counts once it has lasted this long.
pub const DEBOUNCE_MS: u64 = 20;
/// A press this long is a hold.
pub const HOLD_MS: u64 = 1_500;
/// A press shorter than this shows no progress yet: it may be a short one.
const PROGRESS_AFTER_MS: u64 = 250;

/// What somebody did with the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    /// Pressed and let go.
    Press,
    /// Held down for [`HOLD_MS`]; comes while it is still down.
    Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Down { since_ms: u64 },
    Held,
}

/// Turns a bouncing level into gestures; time is an argument.
#[derive(Debug, Clone, Copy)]
pub struct Gestures {
    state: State,
    /// Since when the level differs from the state.
    differs_since_ms: Option<u64>,
}

impl Default for Gestures {
    fn default() -> Self {
        Self { state: State::Up, differs_since_ms: None }
    }
}

impl Gestures {
    /// Takes the button's level; call it every few milliseconds.
    pub fn sample(&mut self, now_ms: u64, pressed: bool) -> Option<Gesture> {
        if pressed == (self.state != State::Up) {
            self.differs_since_ms = None;
        } else {
            let since_ms = *self.differs_since_ms.get_or_insert(now_ms);
            if now_ms.saturating_sub(since_ms) >= DEBOUNCE_MS {
                self.differs_since_ms = None;
                let before = self.state;
                // The time of the first contact counts, not that of the decision.
                self.state = if pressed { State::Down { since_ms } } else { State::Up };
                return matches!(before, State::Down { .. }).then_some(Gesture::Press);
            }
        }
        match self.state {
            State::Down { since_ms } if pressed && now_ms.saturating_sub(since_ms) >= HOLD_MS => {
                self.state = State::Held;
                Some(Gesture::Hold)
            }
            _ => None,
        }
    }

    /// How much of a hold is done, in per cent, while the button is down.
    #[must_use]
    pub fn hold_percent(&self, now_ms: u64) -> Option<u8> {
        match self.state {
            State::Down { since_ms } => {
                let held_ms = now_ms.saturating_sub(since_ms);
                (held_ms >= PROGRESS_AFTER_MS).then(|| (held_ms * 100 / HOLD_MS).min(100) as u8)
            }
            State::Up | State::Held => None,
        }
    }
}

/// A button on a pin.
#[derive(Debug)]
pub struct Button<P> {
    pin: P,
    active_low: bool,
    gestures: Gestures,
}

impl<P: InputPin> Button<P> {
    /// `active_low`: the pin is pulled up and the button connects it to ground.
    pub fn new(pin: P, active_low: bool) -> Self {
        Self { pin, active_low, gestures: Gestures::default() }
    }

    /// Reads the pin.
    ///
    /// # Errors
    /// The pin's own; the state stays as it was.
    pub fn poll(&mut self, now_ms: u64) -> Result<Option<Gesture>, P::Error> {
        let pressed = self.pin.is_high()? != self.active_low;
        Ok(self.gestures.sample(now_ms, pressed))
    }

    #[must_use]
    pub fn hold_percent(&self, now_ms: u64) -> Option<u8> {
        self.gestures.hold_percent(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use embedded_hal::digital::ErrorType;

    use super::*;

    /// From when on, and whether the button is pressed then.
    type Edge = (u64, bool);
    type Seen = (u64, Gesture);

    /// A pin whose level follows a list of edges.
    struct Script {
        now_ms: std::rc::Rc<std::cell::Cell<u64>>,
        edges: &'static [Edge],
    }

    impl ErrorType for Script {
        type Error = Infallible;
    }

    impl InputPin for Script {
        fn is_high(&mut self) -> Result<bool, Infallible> {
            let now_ms = self.now_ms.get();
            // Active low: high while it is not pressed.
            Ok(!self
                .edges
                .iter()
                .rev()
                .find(|(from_ms, _)| *from_ms <= now_ms)
                .is_some_and(|(_, down)| *down))
        }

        fn is_low(&mut self) -> Result<bool, Infallible> {
            self.is_high().map(|high| !high)
        }
    }

    fn play(edges: &'static [Edge], until_ms: u64) -> Vec<(u64, Gesture)> {
        let now_ms = std::rc::Rc::new(std::cell::Cell::new(0));
        let mut button = Button::new(Script { now_ms: now_ms.clone(), edges }, true);
        let mut seen = Vec::new();
        for at_ms in (0..until_ms).step_by(5) {
            now_ms.set(at_ms);
            if let Ok(Some(gesture)) = button.poll(at_ms) {
                seen.push((at_ms, gesture));
            }
        }
        seen
    }

    #[test]
    fn gestures_from_levels() {
        let table: &[(&str, &'static [Edge], &[Seen])] = &[
            ("a press", &[(100, true), (300, false)], &[(320, Gesture::Press)]),
            ("a glitch", &[(100, true), (110, false)], &[]),
            (
                "a bouncing press",
                &[(100, true), (105, false), (110, true), (300, false), (305, true), (310, false)],
                &[(330, Gesture::Press)],
            ),
            ("a hold fires while down, and once", &[(100, true), (5_000, false)], &[(1_600, Gesture::Hold)]),
            (
                "a contact that opens briefly does not end a hold",
                &[(100, true), (900, false), (910, true), (2_000, false)],
                &[(1_600, Gesture::Hold)],
            ),
            ("let go just before", &[(100, true), (1_590, false)], &[(1_610, Gesture::Press)]),
            (
                "let go right at the end, still bouncing",
                &[(100, true), (1_595, false), (1_600, true), (1_700, false)],
                &[(1_600, Gesture::Hold)],
            ),
            (
                "two presses",
                &[(100, true), (200, false), (300, true), (400, false)],
                &[(220, Gesture::Press), (420, Gesture::Press)],
            ),
            ("down from the start", &[(0, true)], &[(1_500, Gesture::Hold)]),
        ];
        for (what, edges, expected) in table {
            assert_eq!(play(edges, 6_000), *expected, "{what}");
        }
    }

    #[test]
    fn progress_runs_while_down() {
        let mut gestures = Gestures::default();
        for at_ms in (0..=1_480).step_by(10) {
            assert_eq!(gestures.sample(at_ms, true), None, "at {at_ms}");
        }
        assert_eq!(gestures.hold_percent(100), None, "may be a short press yet");
        assert_eq!(gestures.hold_percent(750), Some(50));
        assert_eq!(gestures.hold_percent(9_000), Some(100));
        assert_eq!(gestures.sample(1_500, true), Some(Gesture::Hold));
        assert_eq!(gestures.hold_percent(1_510), None);
    }

    #[test]
    fn a_clock_that_jumps_back_harms_nothing() {
        let mut gestures = Gestures::default();
        gestures.sample(10_000, true);
        gestures.sample(10_030, true);
        assert_eq!(gestures.sample(5, true), None);
        assert_eq!(gestures.hold_percent(5), None);
    }
}
