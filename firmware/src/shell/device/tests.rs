use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    rc::Rc,
};

use embedded_hal::{
    digital::ErrorType,
    i2c::{self, ErrorKind, I2c, Operation},
};
use stagebox_hw::board::Display as Wiring;
use stagebox_protocol::panel::{Decoder, FromAgent, Intent, ToAgent, encode};

use super::*;
use crate::{
    Panel,
    panel::tests::{idle, on_air},
    shell::oled,
};

#[derive(Clone, Default)]
struct Level(Rc<Cell<bool>>);

impl ErrorType for Level {
    type Error = Infallible;
}

impl InputPin for Level {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.get())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.get())
    }
}

impl OutputPin for Level {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.set(true);
        Ok(())
    }
}

/// A bus with one display on it, which can be pulled out.
#[derive(Clone, Default)]
struct Bus {
    written: Rc<RefCell<Vec<u8>>>,
    loose: Rc<Cell<bool>>,
}

impl i2c::ErrorType for Bus {
    type Error = ErrorKind;
}

impl I2c for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        if self.loose.get() || address != 0x3d {
            return Err(ErrorKind::NoAcknowledge(i2c::NoAcknowledgeSource::Address));
        }
        for operation in operations {
            if let Operation::Write(bytes) = operation {
                self.written.borrow_mut().extend_from_slice(bytes);
            }
        }
        Ok(())
    }
}

fn display() -> Wiring {
    Wiring { i2c: "/dev/i2c-7".into(), address: 0x3d, rotated: false }
}

#[test]
fn pins_lamps_and_display_work_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panel.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut link = Link::new(path, Panel::new(2_000));
    let (pressed, lamps, bus) = (Level::default(), [(); 3].map(|()| Level::default()), Bus::default());
    let mut button = Button::new(pressed.clone(), false);
    let [red, green, blue] = lamps.clone();
    let mut light = Light::new(red, green, blue, false);

    let mut agent: Option<UnixStream> = None;
    let mut decoder = Decoder::<ToAgent>::new();
    let (mut steps, mut live, mut green_seen, mut drawn) = (0, false, false, 0);
    let stop = || {
        steps += 1;
        let agent = agent.get_or_insert_with(|| {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        });
        let mut buffer = [0; 512];
        let length = agent.read(&mut buffer).unwrap_or(0);
        let mut bytes = &buffer[..length];
        while let Some(frame) = decoder.next(&mut bytes) {
            live |= matches!(frame, Ok(ToAgent::Intent { intent: Intent::GoLive, .. }));
        }
        let status = if live { on_air() } else { idle() };
        agent.write_all(&encode(&FromAgent::Status(status))).unwrap();
        // A press of 40 ms, once the light says that the box is ready.
        green_seen |= lamps[1].0.get();
        pressed.0.set(green_seen && (40..80).contains(&steps));
        drawn = bus.written.borrow().len();
        steps > 2_000 || (live && lamps[0].0.get())
    };
    // The first step must find the agent, so the line is opened before `stop` accepts.
    link.step(0, None);
    run(&mut link, &mut button, &mut light, &mut || oled::open(bus.clone(), &display()), stop);

    assert!(green_seen && live, "ready was shown and the press arrived");
    assert!(drawn > 1_000, "pages went to the display");
    assert!(lamps.iter().all(|lamp| !lamp.0.get()), "the light goes out at the end");
}

#[test]
fn a_loose_display_is_named_and_tried_again() {
    let bus = Bus::default();
    bus.loose.set(true);
    let error = oled::open(bus.clone(), &display()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("/dev/i2c-7") && error.contains("0x3d"), "{error}");

    let (mut oled, mut said, mut opened) = (Oled::Missing { retry_ms: 0 }, Said::default(), 0);
    let mut open = || {
        opened += 1;
        oled::open(bus.clone(), &display())
    };
    oled.show(Screen::new(), 0, &mut open, &mut said);
    oled.show(Screen::new(), 4_999, &mut open, &mut said);
    bus.loose.set(false);
    oled.show(Screen::new(), 5_000, &mut open, &mut said);
    let once = bus.written.borrow().len();
    oled.show(Screen::new(), 5_050, &mut open, &mut said);
    assert_eq!(bus.written.borrow().len(), once, "the same screen is not sent again");
    let mut other = Screen::new();
    other.invert();
    bus.loose.set(true);
    oled.show(other.clone(), 5_100, &mut open, &mut said);
    bus.loose.set(false);
    oled.show(other, 10_100, &mut open, &mut said);
    assert!(matches!(oled, Oled::Open { .. }) && opened == 3);
    assert_eq!(said.0.len(), 1);
}
