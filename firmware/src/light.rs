//! The tally light on three pins.

use embedded_hal::digital::{OutputPin, PinState};

use crate::Color;

/// Three lamps, red, green and blue, each on a pin of its own.
#[derive(Debug)]
pub struct Light<P> {
    red: P,
    green: P,
    blue: P,
    active_low: bool,
    shown: Option<Color>,
}

impl<P: OutputPin> Light<P> {
    /// `active_low`: a lamp lights when its pin is low (common anode).
    pub fn new(red: P, green: P, blue: P, active_low: bool) -> Self {
        Self { red, green, blue, active_low, shown: None }
    }

    /// Shows a colour; does nothing when it is shown already.
    ///
    /// # Errors
    /// A pin's own; the next call tries all three again.
    pub fn show(&mut self, color: Color) -> Result<(), P::Error> {
        if self.shown == Some(color) {
            return Ok(());
        }
        self.shown = None;
        let level = |lit: bool| PinState::from(lit != self.active_low);
        self.red.set_state(level(color.red))?;
        self.green.set_state(level(color.green))?;
        self.blue.set_state(level(color.blue))?;
        self.shown = Some(color);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::digital::{Error, ErrorKind, ErrorType};

    use super::*;

    #[derive(Debug)]
    struct Broken;

    impl Error for Broken {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[derive(Default)]
    struct Lamp {
        high: bool,
        writes: u32,
        fails: u32,
    }

    impl ErrorType for Lamp {
        type Error = Broken;
    }

    impl OutputPin for Lamp {
        fn set_low(&mut self) -> Result<(), Broken> {
            self.set_state(PinState::Low)
        }

        fn set_high(&mut self) -> Result<(), Broken> {
            self.set_state(PinState::High)
        }

        fn set_state(&mut self, state: PinState) -> Result<(), Broken> {
            if self.fails > 0 {
                self.fails -= 1;
                return Err(Broken);
            }
            self.high = state == PinState::High;
            self.writes += 1;
            Ok(())
        }
    }

    #[test]
    fn lamps_follow_the_colour() {
        for active_low in [false, true] {
            let mut light = Light::new(Lamp::default(), Lamp::default(), Lamp::default(), active_low);
            light.show(Color::AMBER).unwrap();
            light.show(Color::AMBER).unwrap();
            let lit = [&light.red, &light.green, &light.blue].map(|lamp| lamp.high != active_low);
            assert_eq!(lit, [true, true, false]);
            assert_eq!(light.red.writes, 1, "an unchanged colour is not written again");
        }
    }

    #[test]
    fn a_pin_that_fails_is_tried_again() {
        let mut light =
            Light::new(Lamp::default(), Lamp { fails: 1, ..Lamp::default() }, Lamp::default(), false);
        assert!(light.show(Color::WHITE).is_err());
        light.show(Color::WHITE).unwrap();
        assert!(light.red.high && light.green.high && light.blue.high);
    }
}
