//! The panel on a Raspberry Pi through its registers (rppal): a thin adapter.
//!
//! rppal knows real Raspberry Pis only; everywhere else there is [`super::linux`].

use ::rppal::{
    gpio::{Gpio, OutputPin},
    i2c::I2c,
};
use stagebox_hw::board::PanelWiring;

use super::{ShellError, device, oled};
use crate::{Button, light::Light, link::Link};

/// Runs the panel until the program is asked to end.
///
/// # Errors
/// This is no Raspberry Pi, or a pin is taken. A missing display is no error: it is tried again.
pub fn run(mut link: Link, wiring: &PanelWiring) -> Result<(), ShellError> {
    let stop = device::asked_to_end()?;
    let gpio = Gpio::new().map_err(|error| ShellError::hardware("Raspberry Pi's GPIO", error))?;
    let line = pin_number(wiring.button.line)?;
    let pin = gpio
        .get(line)
        .map(|pin| if wiring.button.active_low { pin.into_input_pullup() } else { pin.into_input_pulldown() })
        .map_err(|error| ShellError::hardware(format!("button on BCM pin {line}"), error))?;
    let mut button = Button::new(pin, wiring.button.active_low);
    let led = wiring.led;
    let lamp = |line| lamp(&gpio, line, led.active_low);
    let mut light = Light::new(lamp(led.red)?, lamp(led.green)?, lamp(led.blue)?, led.active_low);
    let mut open = || {
        let bus = I2c::with_bus(bus_number(&wiring.display.i2c)?)
            .map_err(|error| ShellError::hardware(format!("I2C bus {}", wiring.display.i2c), error))?;
        oled::open(bus, &wiring.display)
    };
    device::run(&mut link, &mut button, &mut light, &mut open, stop);
    Ok(())
}

fn lamp(gpio: &Gpio, line: u32, active_low: bool) -> Result<OutputPin, ShellError> {
    let line = pin_number(line)?;
    gpio.get(line)
        .map(|pin| if active_low { pin.into_output_high() } else { pin.into_output_low() })
        .map_err(|error| ShellError::hardware(format!("light on BCM pin {line}"), error))
}

fn pin_number(line: u32) -> Result<u8, ShellError> {
    u8::try_from(line).map_err(|error| ShellError::hardware(format!("BCM pin {line}"), error))
}

/// `/dev/i2c-1` is bus 1.
fn bus_number(path: &str) -> Result<u8, ShellError> {
    path.rsplit('-').next().unwrap_or_default().parse().map_err(|error| {
        ShellError::hardware(format!("I2C bus {path}, which should end in its number"), error)
    })
}
