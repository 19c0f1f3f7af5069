//! The panel on any Linux board: GPIO character device and I²C device file.

use embedded_hal::digital::{self, ErrorKind, ErrorType, InputPin, OutputPin, PinState};
use gpiocdev::{
    Request,
    line::{Bias, Offset, Value},
};
use linux_embedded_hal::I2cdev;
use stagebox_hw::board::PanelWiring;

use super::{ShellError, device, oled};
use crate::{Button, light::Light, link::Link};

/// Runs the panel until the program is asked to end.
///
/// # Errors
/// The chip or a line is missing or taken. A missing display is no error: it is tried again.
pub fn run(mut link: Link, wiring: &PanelWiring) -> Result<(), ShellError> {
    let stop = device::asked_to_end()?;
    let chip = chip_path(&wiring.gpio_chip)?;
    let mut button = Button::new(input(&chip, wiring)?, wiring.button.active_low);
    let led = wiring.led;
    let lamp = |line| output(&chip, line, led.active_low);
    let mut light = Light::new(lamp(led.red)?, lamp(led.green)?, lamp(led.blue)?, led.active_low);
    let mut open = || {
        let bus = I2cdev::new(&wiring.display.i2c)
            .map_err(|error| ShellError::hardware(format!("I2C bus {}", wiring.display.i2c), error))?;
        oled::open(bus, &wiring.display)
    };
    device::run(&mut link, &mut button, &mut light, &mut open, stop);
    Ok(())
}

/// Finds a chip by its label: the numbers of chips differ between kernels.
fn chip_path(label: &str) -> Result<std::path::PathBuf, ShellError> {
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    let mut found = Vec::new();
    for path in chips {
        let Ok(info) = gpiocdev::chip::Chip::from_path(&path).and_then(|chip| chip.info()) else { continue };
        if info.label == label {
            return Ok(path);
        }
        found.push(info.label);
    }
    let found = if found.is_empty() { "none at all".to_owned() } else { found.join(", ") };
    Err(ShellError::NoChip { label: label.to_owned(), found })
}

fn input(chip: &std::path::Path, wiring: &PanelWiring) -> Result<Pin, ShellError> {
    let bias = if wiring.button.active_low { Bias::PullUp } else { Bias::PullDown };
    let line = wiring.button.line;
    let request = Request::builder()
        .on_chip(chip)
        .with_consumer("stagebox-panel")
        .with_line(line)
        .as_input()
        .with_bias(bias)
        .request()
        .map_err(|error| ShellError::hardware(format!("button on line {line}"), error))?;
    Ok(Pin { request, line })
}

fn output(chip: &std::path::Path, line: u32, active_low: bool) -> Result<Pin, ShellError> {
    let dark = if active_low { Value::Active } else { Value::Inactive };
    let request = Request::builder()
        .on_chip(chip)
        .with_consumer("stagebox-panel")
        .with_line(line)
        .as_output(dark)
        .request()
        .map_err(|error| ShellError::hardware(format!("light on line {line}"), error))?;
    Ok(Pin { request, line })
}

/// One requested line as embedded-hal sees pins; levels are the electrical ones.
struct Pin {
    request: Request,
    line: Offset,
}

#[derive(Debug)]
struct PinError(#[expect(dead_code, reason = "shown by Debug")] gpiocdev::Error);

impl digital::Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Pin {
    type Error = PinError;
}

impl InputPin for Pin {
    fn is_high(&mut self) -> Result<bool, PinError> {
        self.request.value(self.line).map(|value| value == Value::Active).map_err(PinError)
    }

    fn is_low(&mut self) -> Result<bool, PinError> {
        self.is_high().map(|high| !high)
    }
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.set_state(PinState::Low)
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        self.set_state(PinState::High)
    }

    fn set_state(&mut self, state: PinState) -> Result<(), PinError> {
        let value = if state == PinState::High { Value::Active } else { Value::Inactive };
        self.request.set_value(self.line, value).map(|_| ()).map_err(PinError)
    }
}
