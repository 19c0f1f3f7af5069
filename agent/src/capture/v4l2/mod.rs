//! A V4L2 capture device, driven as a professional HDMI input is.
//!
//! [`driver`] has a thread of its own for the device; [`watch`] says what it does; the beat only takes the newest picture.
//! A device without timings, such as a grabber at the USB, is judged by the pictures that it delivers.

mod device;
mod driver;
#[cfg(test)]
mod fake;
mod flow;
mod graph;
mod ioctl;
mod media;
mod port;
mod report;
mod shared;
mod stream;
#[cfg(test)]
mod tests;
mod timings;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stagebox_hw::{Edid, board};
use stagebox_hw_probe::{Probe, SystemProbe};
use stagebox_protocol::telemetry::{SignalState, SignalStatus};

use super::{CaptureError, Captured, Mend, PictureFormat, Source, Tick, silence};
use crate::config::EdidSetting;
use driver::{Driver, Open};
use port::HdmiPort;
use shared::{Shared, Told};
use stream::Head;
use watch::{Lock, State};

pub use report::{HdmiInput, examine};

/// Milliseconds without a picture after which the signal counts as lost.
const LOST_MS: u64 = 250;
/// Seconds without an answer after which a driver is told of as one that hangs.
const HUNG_S: u64 = 5;
/// How long the device's thread may take to end; one that hangs in a driver is left behind.
const STOP_LIMIT: Duration = Duration::from_secs(2);

pub(super) struct V4l2Source {
    shared: Arc<Shared>,
    /// As errors call it.
    device: String,
    format: PictureFormat,
    edid: Option<Edid>,
    /// The tick that was asked for last.
    now: u64,
    /// The one that had a picture last.
    last_picture: Option<u64>,
    /// How often the device's thread had come round, and the tick at which that was new.
    answered: (u64, u64),
}

impl V4l2Source {
    pub(super) fn new(device: &Path, edid: EdidSetting, format: PictureFormat) -> Self {
        let (path, name) = (device.to_owned(), device.display().to_string());
        let open = move || device::open(&path).map(|device| Box::new(device) as Box<dyn HdmiPort>);
        Self::with(name, Box::new(open), stream::device(device), chosen(edid), format)
    }

    fn with(device: String, open: Open, head: Head, edid: Option<Edid>, format: PictureFormat) -> Self {
        let shared = Arc::new(Shared::new());
        let driver = Driver { shared: shared.clone(), open, head, format, device: device.clone(), edid };
        let spawned = std::thread::Builder::new().name("capture".to_owned()).spawn(move || driver.run());
        if let Err(error) = spawned {
            shared.tell(Told::Absent(format!("source.device: {device}: no thread for it: {error}")));
            shared.end();
        }
        Self { shared, device, format, edid, now: 0, last_picture: None, answered: (0, 0) }
    }

    /// Ticks without a picture, if there ever was one.
    fn quiet(&self) -> Option<u64> {
        self.last_picture.map(|last| self.now.saturating_sub(last))
    }

    fn is_hung(&self) -> bool {
        self.now.saturating_sub(self.answered.1) > HUNG_S * u64::from(self.format.fps)
    }

    fn is_fresh(&self) -> bool {
        // Three pictures, where these are slow.
        let lost = (u64::from(self.format.fps) * LOST_MS / 1000).max(3);
        self.quiet().is_some_and(|quiet| quiet < lost)
    }

    fn state(&self, state: &State) -> SignalState {
        match state {
            State::NoCable => SignalState::NoCable,
            State::NoSignal => SignalState::None,
            State::OutOfRange(_) => SignalState::OutOfRange,
            State::Protected => SignalState::Protected,
            State::Locked(_) if self.is_fresh() => SignalState::Locked,
            // All that is known of a device without timings is that nothing comes any more.
            State::Locked(Lock::Free) if self.last_picture.is_some() => SignalState::None,
            State::NotLocked | State::Locked(_) => SignalState::Unstable,
        }
    }

    fn out_of_range(&self, measured: Option<timings::Timings>) -> String {
        let what = measured.map_or("What the source sends".to_owned(), |timings| timings.words());
        let limit = self.edid.unwrap_or(Edid::P1080At60);
        format!("{what} is more than the box takes: set the source to {limit} or less")
    }
}

impl Source for V4l2Source {
    fn capture(&mut self, tick: &Tick) -> Result<Captured, CaptureError> {
        self.now = tick.index;
        let turns = self.shared.turns();
        if turns != self.answered.0 {
            self.answered = (turns, tick.index);
        }
        let picture = self.shared.take_picture();
        if picture.is_some() {
            self.last_picture = Some(tick.index);
        }
        Ok(Captured { picture, sound: silence(tick) })
    }

    fn signal(&self) -> SignalStatus {
        let seen = self.shared.lock();
        let source = self.device.clone();
        let Told::Port { state, has_audio, .. } = &seen.told else {
            return SignalStatus { source, ..SignalStatus::default() };
        };
        let (width, height, fps) = match state {
            State::Locked(Lock::Timings(timings)) | State::OutOfRange(Some(timings)) => {
                (timings.width(), timings.height(), timings.fps())
            }
            State::Locked(Lock::Free) => seen
                .incoming
                .map_or((self.format.width, self.format.height, self.format.fps as f32), |incoming| {
                    (incoming.width, incoming.height, incoming.fps)
                }),
            _ => (0, 0, 0.0),
        };
        let reason = match state {
            State::OutOfRange(measured) => Some(self.out_of_range(*measured)),
            _ => None,
        };
        let (state, audio) = (self.state(state), *has_audio);
        SignalStatus { state, source, width, height, fps, audio, reason, alarms: Vec::new() }
    }

    fn trouble(&self) -> Option<String> {
        let device = &self.device;
        match &self.shared.lock().told {
            Told::Absent(trouble) => Some(trouble.clone()),
            _ if self.is_hung() => Some(format!(
                "source.device: {device} does not answer: its driver hangs; unplug it or restart the box"
            )),
            Told::Port { trouble: Some(trouble), .. } => Some(trouble.clone()),
            Told::Port { state: State::Locked(_), .. }
                if self.quiet().is_some_and(|quiet| quiet > u64::from(self.format.fps)) =>
            {
                Some(format!(
                    "source.device: {device} delivers no picture any more: look at the cable and the camera"
                ))
            }
            Told::Port { .. } => None,
        }
    }

    fn fails(&self) -> bool {
        matches!(self.shared.lock().told, Told::Absent(_) | Told::Port { trouble: Some(_), .. })
            || self.is_hung()
    }

    fn mend(&mut self, how: Mend) {
        self.shared.ask(how);
    }
}

impl Drop for V4l2Source {
    fn drop(&mut self) {
        self.shared.stop(STOP_LIMIT);
    }
}

/// The EDID to load: as configured, or the board's.
fn chosen(setting: EdidSetting) -> Option<Edid> {
    let boards = board::shipped();
    let machine = SystemProbe::default().machine();
    let board = board::detect(&boards, &machine.identity());
    let own = board.and_then(|board| board.capture.edid);
    let edid = setting.edid(own);
    if let (Some(edid), Some(board)) = (edid, board)
        && !edid.fits(board.capture.max)
    {
        let (max, title) = (board.capture.max, &board.title);
        tracing::warn!("source.edid: {edid} asks sources for more than a {title} takes ({max}); use `auto`");
    }
    edid
}
