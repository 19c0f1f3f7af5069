//! An HDMI input as the driver shows it, real or made of data, and what is to be read from it.

use std::time::Duration;

use nix::errno::Errno;

use super::timings::{Limits, Timings};

/// Bits of an input's status (`v4l2_input.status`).
pub(super) mod status {
    pub(in super::super) const NO_POWER: u32 = 0x1;
    pub(in super::super) const NO_SIGNAL: u32 = 0x2;
    pub(in super::super) const NO_H_LOCK: u32 = 0x100;
    pub(in super::super) const NO_V_LOCK: u32 = 0x400;
    pub(in super::super) const NO_SYNC: u32 = 0x1_0000;
    pub(in super::super) const COPY_PROTECTED: u32 = 0x100_0000;
    pub(in super::super) const NO_ACCESS: u32 = 0x200_0000;
}

/// An input of a capture device. Calls take as long as the driver takes: they belong into a thread of their own.
pub(super) trait HdmiPort: Send {
    /// Whether the source's 5 V are there, if the driver tells.
    fn power_present(&mut self) -> Option<bool>;
    /// The input's status bits, if there are any.
    fn input_status(&mut self) -> Option<u32>;
    /// What comes in now.
    fn query_timings(&mut self) -> Result<Timings, QueryError>;
    /// What the chip takes, if the driver tells.
    fn limits(&mut self) -> Option<Limits>;
    /// Switches to timings; says what the driver made of them. Nothing may stream.
    fn set_timings(&mut self, timings: &Timings) -> Result<Timings, Errno>;
    /// The EDID that is loaded.
    fn edid(&mut self) -> Result<Vec<u8>, Errno>;
    /// Loads an EDID; an empty one takes hotplug away.
    fn load_edid(&mut self, bytes: &[u8]) -> Result<(), Errno>;
    /// Asks to be told of changes; a driver may refuse.
    fn subscribe(&mut self) -> Result<(), Errno>;
    /// Waits for news. An error says that the device is gone.
    fn wait(&mut self, at_most: Duration) -> Result<Vec<News>, Errno>;
    /// The sound in the cable, if the driver tells.
    fn audio(&mut self) -> Option<Audio>;
    /// GStreamer's name of the pixel format that has to be asked for, where not every one will do.
    fn raw_format(&self) -> Option<&'static str>;
}

/// Why no timings were measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryError {
    pub(super) errno: Errno,
    /// What was measured all the same.
    pub(super) measured: Option<Box<Timings>>,
}

/// What a driver tells by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Another signal comes in, or none any more.
    Source,
    /// Power or sound came or went.
    Control,
}

/// Sound in the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Audio {
    pub(super) is_present: bool,
    pub(super) rate_hz: Option<u32>,
}

/// What one look at a port shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reading {
    NoCable,
    /// A cable, if the driver can tell, and nothing in it.
    NoSignal,
    NotLocked,
    OutOfRange(Option<Timings>),
    Protected,
    Timings(Timings),
    /// The device has no timings: its pictures are taken as they come.
    Free,
}

impl Reading {
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Timings(one), Self::Timings(other))
            | (Self::OutOfRange(Some(one)), Self::OutOfRange(Some(other))) => one.is_alike(other),
            _ => self == other,
        }
    }
}

/// Looks at a port once.
///
/// # Errors
/// The driver's own, where it says nothing about the signal.
pub(super) fn look(port: &mut dyn HdmiPort) -> Result<Reading, Errno> {
    let status = port.input_status().unwrap_or(0);
    let query = port.query_timings();
    // The rest is asked for only where it matters: a call may take the chip's bus for milliseconds.
    let has_power = if query.is_ok() { None } else { port.power_present() };
    let limits = if query.is_ok() { port.limits() } else { None };
    reading(status, query, has_power, limits)
}

fn reading(
    status: u32,
    query: Result<Timings, QueryError>,
    has_power: Option<bool>,
    limits: Option<Limits>,
) -> Result<Reading, Errno> {
    if status & (status::COPY_PROTECTED | status::NO_ACCESS) != 0 {
        return Ok(Reading::Protected);
    }
    let without_cable = |otherwise| if has_power == Some(false) { Reading::NoCable } else { otherwise };
    match query {
        Ok(timings) if limits.is_some_and(|limits| !limits.take(&timings)) => {
            Ok(Reading::OutOfRange(Some(timings)))
        }
        Ok(timings) => Ok(Reading::Timings(timings)),
        Err(QueryError { errno, measured }) => match errno {
            Errno::ENOLINK => Ok(without_cable(Reading::NoSignal)),
            Errno::ENOLCK => Ok(without_cable(Reading::NotLocked)),
            Errno::ERANGE => Ok(Reading::OutOfRange(measured.map(|timings| *timings))),
            Errno::ENOTTY | Errno::ENODATA => Ok(without_cable(by_status(status))),
            other => Err(other),
        },
    }
}

/// What is known of a device without timings.
fn by_status(status: u32) -> Reading {
    if status & (status::NO_SIGNAL | status::NO_POWER) != 0 {
        Reading::NoSignal
    } else if status & (status::NO_SYNC | status::NO_H_LOCK | status::NO_V_LOCK) != 0 {
        Reading::NotLocked
    } else {
        Reading::Free
    }
}

/// Whether an error says that the device is not there any more.
pub(super) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENODEV | Errno::ENXIO | Errno::EBADF)
}

#[cfg(test)]
mod tests {
    use super::super::timings::samples::{FULL_HD, progressive};
    use super::*;

    #[test]
    fn errors_of_drivers_are_reasons() {
        let timings = progressive(1920, 1080, 60);
        let large = progressive(3840, 2160, 60);
        let error = |errno| Err(QueryError { errno, measured: None });
        let measured = Err(QueryError { errno: Errno::ERANGE, measured: Some(Box::new(large)) });
        for (status, query, power, expected) in [
            (0, Ok(timings), None, Ok(Reading::Timings(timings))),
            // A source that gives no 5 V and a picture gives a picture.
            (0, Ok(timings), Some(false), Ok(Reading::Timings(timings))),
            (0, Ok(large), None, Ok(Reading::OutOfRange(Some(large)))),
            (0, error(Errno::ENOLINK), Some(false), Ok(Reading::NoCable)),
            (0, error(Errno::ENOLINK), Some(true), Ok(Reading::NoSignal)),
            (0, error(Errno::ENOLINK), None, Ok(Reading::NoSignal)),
            (status::NO_SIGNAL, error(Errno::ENOLCK), Some(true), Ok(Reading::NotLocked)),
            (0, error(Errno::ENOLCK), Some(false), Ok(Reading::NoCable)),
            (0, measured, Some(true), Ok(Reading::OutOfRange(Some(large)))),
            (0, error(Errno::ERANGE), Some(true), Ok(Reading::OutOfRange(None))),
            (status::COPY_PROTECTED, Ok(timings), None, Ok(Reading::Protected)),
            (status::NO_ACCESS, error(Errno::ENOLCK), Some(true), Ok(Reading::Protected)),
            // Devices without timings: a grabber at the USB, a card that knows its status at least.
            (0, error(Errno::ENOTTY), None, Ok(Reading::Free)),
            (0, error(Errno::ENODATA), None, Ok(Reading::Free)),
            (status::NO_SIGNAL, error(Errno::ENOTTY), None, Ok(Reading::NoSignal)),
            (status::NO_H_LOCK, error(Errno::ENOTTY), None, Ok(Reading::NotLocked)),
            (0, error(Errno::ENOTTY), Some(false), Ok(Reading::NoCable)),
            (0, error(Errno::EIO), Some(true), Err(Errno::EIO)),
            (0, error(Errno::ENODEV), None, Err(Errno::ENODEV)),
        ] {
            assert_eq!(
                reading(status, query.clone(), power, Some(FULL_HD)),
                expected,
                "{status:#x} {query:?} {power:?}"
            );
        }
    }

    #[test]
    fn readings_are_alike_by_what_they_mean() {
        let (one, other) = (progressive(1920, 1080, 60), progressive(1920, 1080, 50));
        let all = [
            Reading::NoCable,
            Reading::NoSignal,
            Reading::NotLocked,
            Reading::OutOfRange(None),
            Reading::OutOfRange(Some(one)),
            Reading::OutOfRange(Some(other)),
            Reading::Protected,
            Reading::Timings(one),
            Reading::Timings(other),
            Reading::Free,
        ];
        for (first, reading) in all.iter().enumerate() {
            for (second, compared) in all.iter().enumerate() {
                assert_eq!(reading.is_alike(compared), first == second, "{reading:?} {compared:?}");
            }
        }
    }
}
