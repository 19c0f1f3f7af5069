//! The loop of a shell on real pins, over embedded-hal's traits.

#![allow(clippy::disallowed_methods, reason = "a driver: it waits between two looks at the pins")]

use std::{fmt::Debug, time::Duration};

use embedded_hal::digital::{InputPin, OutputPin};
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

use super::{Clock, ShellError};
use crate::{Button, Color, Screen, light::Light, link::Link, page};

/// The button is read this often; its debouncing needs at least four looks.
const STEP: Duration = Duration::from_millis(5);
/// The agent's line and the display take their turn this often.
const REFRESH_MS: u64 = 50;
/// A display that failed is tried again after this time.
const DISPLAY_RETRY_MS: u64 = 5_000;

/// A display that can show a screen.
pub(super) trait Display {
    fn show(&mut self, screen: &Screen) -> Result<(), ShellError>;
}

/// Opens the display; called again after it failed.
pub(super) type OpenDisplay<'a> = dyn FnMut() -> Result<Box<dyn Display>, ShellError> + 'a;

/// The display, which may be loose: the button and the light work without it.
enum Oled {
    Missing { retry_ms: u64 },
    Open { display: Box<dyn Display>, shown: Option<Box<Screen>> },
}

/// Runs the panel until `stop` says so; then light and display go dark.
pub(super) fn run<I, O>(
    link: &mut Link,
    button: &mut Button<I>,
    light: &mut Light<O>,
    open: &mut OpenDisplay<'_>,
    mut stop: impl FnMut() -> bool,
) where
    I: InputPin,
    I::Error: Debug,
    O: OutputPin,
    O::Error: Debug,
{
    let clock = Clock::start();
    let mut oled = Oled::Missing { retry_ms: 0 };
    let mut refresh_ms = 0;
    let mut said = Said::default();
    while !stop() {
        let now_ms = clock.now_ms();
        let gesture = button.poll(now_ms).unwrap_or_else(|error| {
            said.once("button", &format!("{error:?}"));
            None
        });
        if gesture.is_some() || now_ms >= refresh_ms {
            link.step(now_ms, gesture);
            let mut screen = Screen::new();
            let Ok(()) = page::draw(&link.panel().view(now_ms, button.hold_percent(now_ms)), &mut screen);
            oled.show(screen, now_ms, open, &mut said);
            refresh_ms = now_ms + REFRESH_MS;
        }
        if let Err(error) = light.show(link.panel().light(now_ms)) {
            said.once("light", &format!("{error:?}"));
        }
        std::thread::sleep(STEP);
    }
    let _gone = light.show(Color::DARK);
    oled.show(Screen::new(), 0, open, &mut said);
}

impl Oled {
    fn show(&mut self, screen: Screen, now_ms: u64, open: &mut OpenDisplay<'_>, said: &mut Said) {
        if let Self::Missing { retry_ms } = self {
            if now_ms < *retry_ms {
                return;
            }
            match open() {
                Ok(display) => *self = Self::Open { display, shown: None },
                Err(error) => {
                    said.once("display", &error.to_string());
                    *self = Self::Missing { retry_ms: now_ms + DISPLAY_RETRY_MS };
                    return;
                }
            }
        }
        let Self::Open { display, shown } = self else { return };
        if shown.as_deref() == Some(&screen) {
            return;
        }
        match display.show(&screen) {
            Ok(()) => *shown = Some(Box::new(screen)),
            Err(error) => {
                said.once("display", &error.to_string());
                *self = Self::Missing { retry_ms: now_ms + DISPLAY_RETRY_MS };
            }
        }
    }
}

/// Complaints to standard error, each said once until another one of its part comes.
#[derive(Default)]
struct Said(Vec<(&'static str, String)>);

impl Said {
    fn once(&mut self, part: &'static str, complaint: &str) {
        if self.0.iter().any(|(of, last)| *of == part && last == complaint) {
            return;
        }
        self.0.retain(|(of, _)| *of != part);
        self.0.push((part, complaint.to_owned()));
        eprintln!("stagebox-panel: {part}: {complaint}");
    }
}

/// Says when the program was asked to end (SIGTERM, SIGINT).
pub(super) fn asked_to_end() -> Result<impl FnMut() -> bool, ShellError> {
    let mut asked = SigSet::empty();
    asked.add(Signal::SIGTERM);
    asked.add(Signal::SIGINT);
    asked.thread_block().map_err(|error| ShellError::hardware("signals", error))?;
    let signals = SignalFd::with_flags(&asked, SfdFlags::SFD_NONBLOCK)
        .map_err(|error| ShellError::hardware("signals", error))?;
    Ok(move || matches!(signals.read_signal(), Ok(Some(_))))
}

#[cfg(test)]
mod tests;
