//! An SSD1306 of 128×64 pixels on an I²C bus.

use std::fmt::Debug;

use embedded_graphics::{prelude::*, primitives::Rectangle};
use embedded_hal::i2c::I2c;
use ssd1306::{I2CDisplayInterface, Ssd1306, mode::BufferedGraphicsMode, prelude::*};
use stagebox_hw::board::Display as Wiring;

use super::{ShellError, device::Display};
use crate::Screen;

struct Oled<I> {
    chip: Ssd1306<I2CInterface<I>, DisplaySize128x64, BufferedGraphicsMode<DisplaySize128x64>>,
    wiring: Wiring,
}

/// Wakes the display up.
pub(super) fn open<I: I2c + 'static>(i2c: I, wiring: &Wiring) -> Result<Box<dyn Display>, ShellError> {
    let rotation = if wiring.rotated { DisplayRotation::Rotate180 } else { DisplayRotation::Rotate0 };
    let interface = I2CDisplayInterface::new_custom_address(i2c, wiring.address);
    let mut chip = Ssd1306::new(interface, DisplaySize128x64, rotation).into_buffered_graphics_mode();
    chip.init().map_err(|error| failed(wiring, &error))?;
    Ok(Box::new(Oled { chip, wiring: wiring.clone() }))
}

impl<I: I2c> Display for Oled<I> {
    fn show(&mut self, screen: &Screen) -> Result<(), ShellError> {
        let area = Rectangle::new(Point::zero(), screen.size());
        self.chip
            .fill_contiguous(&area, screen.pixels())
            .and_then(|()| self.chip.flush())
            .map_err(|error| failed(&self.wiring, &error))
    }
}

fn failed(wiring: &Wiring, error: &impl Debug) -> ShellError {
    ShellError::hardware(
        format!("display at {}, address {:#04x}", wiring.i2c, wiring.address),
        format!("{error:?}; is it connected, and is I2C switched on?"),
    )
}
