//! The device's own thread: calls that may take their time or hang never keep the beat waiting.

use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use stagebox_hw::Edid;

use super::super::{Mend, PictureFormat};
use super::flow::Flow;
use super::port::{Audio, HdmiPort, News, Reading, is_gone, look};
use super::shared::{Shared, Told, now_ms};
use super::stream::{Head, Stream};
use super::watch::{Action, Input, Lock, SetError, State, Watch};

/// Until a device that is gone is opened again.
const REOPEN: Duration = Duration::from_secs(1);
/// Orders, and a capture that fails, are looked for this often.
const TURN: Duration = Duration::from_millis(50);
/// How long hotplug is away for a source to notice (HDMI 1.4b, section 8.5: at least 100 ms).
const UNPLUGGED: Duration = Duration::from_millis(250);

/// How often an EDID is loaded that a chip's bus does not take at once: without one no source sends anything.
const LOAD_TRIES: usize = 3;

pub(super) type Open = Box<dyn FnMut() -> Result<Box<dyn HdmiPort>, String> + Send>;

/// What the thread works with.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) open: Open,
    pub(super) head: Head,
    pub(super) format: PictureFormat,
    /// As errors call it.
    pub(super) device: String,
    pub(super) edid: Option<Edid>,
}

impl Driver {
    /// Opens the device again and again, until it is stopped.
    pub(super) fn run(mut self) {
        while !self.shared.is_stopped() {
            self.shared.turn();
            let trouble = match (self.open)() {
                Ok(mut port) => Serving::new(&self, port.as_mut()).run(),
                Err(trouble) => Some(trouble),
            };
            let Some(trouble) = trouble else { break };
            tracing::warn!("{trouble}");
            self.shared.tell(Told::Absent(trouble));
            self.shared.rest(REOPEN);
        }
        self.shared.end();
    }
}

/// A device that is open.
struct Serving<'a> {
    driver: &'a Driver,
    port: &'a mut dyn HdmiPort,
    watch: Watch,
    flow: Flow,
    stream: Option<Stream>,
    has_audio: bool,
    /// What went wrong last, until it works.
    trouble: Option<String>,
    gone: Option<Errno>,
}

impl<'a> Serving<'a> {
    fn new(driver: &'a Driver, port: &'a mut dyn HdmiPort) -> Self {
        let device = &driver.device;
        if let Some(edid) = driver.edid
            && let Err(errno) = ensure_edid(port, edid)
        {
            tracing::warn!("source.edid: {device} does not take the EDID {edid}: {errno}");
        }
        let has_events = match port.subscribe() {
            Ok(()) => true,
            Err(errno) => {
                tracing::info!("{device} tells of no changes ({errno}): it is asked four times a second");
                false
            }
        };
        Self {
            watch: Watch::new(now_ms(), has_events),
            flow: Flow::new(),
            stream: None,
            has_audio: false,
            trouble: None,
            gone: None,
            driver,
            port,
        }
    }

    /// Until the device is gone, which is told in words, or it is to stop.
    fn run(mut self) -> Option<String> {
        let device = &self.driver.device;
        while !self.driver.shared.is_stopped() {
            self.driver.shared.turn();
            let rest = Duration::from_millis(self.watch.due_ms().saturating_sub(now_ms())).min(TURN);
            let news = match self.port.wait(rest) {
                Ok(news) => news,
                Err(errno) => return Some(absent(device, errno)),
            };
            for news in news {
                self.input(match news {
                    News::Source => Input::SourceChanged,
                    News::Control => Input::Nudged,
                });
            }
            match self.driver.shared.take_wanted() {
                Some(Mend::Replug) => self.input(Input::Replug),
                Some(Mend::Reopen) => return Some(format!("source.device: {device} is opened anew")),
                None => {}
            }
            if let Some(failure) = self.stream.as_ref().and_then(Stream::failure) {
                self.trouble = Some(failure);
                self.flow.stopped();
                self.input(Input::Failed);
            }
            if let Some(input) = self.flow.look(now_ms(), self.driver.shared.picture_ms()) {
                self.input(input);
            }
            self.input(Input::Due);
            if let Some(errno) = self.gone {
                return Some(absent(device, errno));
            }
            self.tell();
        }
        None
    }

    /// Does what the watch says, until that has no more consequences.
    fn input(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mut actions = Vec::new();
            self.watch.handle(now_ms(), input, &mut actions);
            for action in actions {
                // Only the last of them has a consequence.
                next = self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Look => self.look(),
            Action::Stop => {
                self.stop();
                None
            }
            Action::Set(timings) => Some(Input::Set(self.port.set_timings(&timings).map_err(|errno| {
                self.fail(format!("does not take {}: {errno}", timings.words()), errno);
                match errno {
                    Errno::EINVAL | Errno::ERANGE | Errno::EDOM => SetError::Refused,
                    _ => SetError::Later,
                }
            }))),
            Action::Start(lock) => Some(Input::Started(self.start(&lock))),
            Action::Replug => {
                self.replug();
                None
            }
        }
    }

    fn look(&mut self) -> Option<Input> {
        let before = self.has_audio;
        let audio = self.port.audio();
        self.has_audio = audio.is_some_and(|audio| audio.is_present);
        if let Some(Audio { is_present: true, rate_hz: Some(rate_hz) }) = audio.filter(|_| !before) {
            tracing::info!("{}: there is sound at {rate_hz} Hz", self.driver.device);
        }
        match look(self.port) {
            Ok(reading) => {
                // Where there is a picture, what keeps it away goes on until capture has started.
                if !matches!(reading, Reading::Timings(_) | Reading::Free) {
                    self.trouble = None;
                }
                Some(Input::Read(reading))
            }
            Err(errno) => {
                self.fail(format!("cannot be asked for its signal: {errno}"), errno);
                Some(Input::Read(Reading::NotLocked))
            }
        }
    }

    fn start(&mut self, lock: &Lock) -> bool {
        let head = (self.driver.head)(lock, self.port.raw_format()).map_err(|error| error.to_string());
        let started = head.and_then(|head| Stream::start(&head, self.driver.format, &self.driver.shared));
        match started {
            Ok(stream) => {
                if let Lock::Timings(timings) = lock {
                    tracing::info!("{}: {}", self.driver.device, timings.words());
                }
                self.stream = Some(stream);
                self.trouble = None;
                self.flow.started(now_ms());
                true
            }
            Err(problem) => {
                self.trouble = Some(problem);
                false
            }
        }
    }

    fn stop(&mut self) {
        self.stream = None;
        self.flow.stopped();
        self.driver.shared.forget_pictures();
    }

    /// Pulls the cable and plugs it, as the source sees it.
    fn replug(&mut self) {
        let own = self.driver.edid.map(|edid| edid.bytes().to_vec());
        let bytes = own.or_else(|| self.port.edid().ok().filter(|bytes| !bytes.is_empty()));
        let Some(bytes) = bytes else { return };
        tracing::info!("{}: hotplug is taken away for {UNPLUGGED:?}", self.driver.device);
        if let Err(errno) = self.port.load_edid(&[]) {
            // A device without an EDID, most likely.
            return tracing::debug!("{}: hotplug stays: {errno}", self.driver.device);
        }
        for _ in 0..LOAD_TRIES {
            self.driver.shared.rest(UNPLUGGED);
            match self.port.load_edid(&bytes) {
                Ok(()) => return,
                Err(errno) => self.fail(format!("does not take its EDID again: {errno}"), errno),
            }
        }
    }

    fn fail(&mut self, problem: String, errno: Errno) {
        if is_gone(errno) {
            self.gone = Some(errno);
        }
        let hint = if errno == Errno::EBUSY { "; end the program that uses it" } else { "" };
        self.trouble = Some(problem + hint);
    }

    fn tell(&mut self) {
        let state = self.watch.told(now_ms());
        // Where the chip has said why there is no picture, nothing else matters.
        let trouble = self.trouble.as_ref().filter(|_| state == State::NotLocked);
        let trouble = trouble.map(|problem| format!("source.device: {}: {problem}", self.driver.device));
        self.driver.shared.tell(Told::Port { state, has_audio: self.has_audio, trouble });
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn absent(device: &str, errno: Errno) -> String {
    format!("source.device: {device} is gone ({errno}); plug it in again")
}

/// Loads an EDID where another one is loaded: the source need not look for the display again after a restart.
fn ensure_edid(port: &mut dyn HdmiPort, edid: Edid) -> Result<(), Errno> {
    let loaded = match port.edid() {
        // A device that has none.
        Err(Errno::ENOTTY) => return Ok(()),
        loaded => loaded.unwrap_or_default(),
    };
    if Edid::of(&loaded) == Some(edid) {
        return Ok(());
    }
    port.load_edid(edid.bytes())?;
    tracing::info!("EDID {edid} is loaded");
    Ok(())
}
