//! A port made of data: what it shows is changed from outside, as a source and a cable do.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;

use super::port::{Audio, HdmiPort, News, QueryError};
use super::timings::samples::FULL_HD;
use super::timings::{Limits, Timings};

/// What the chip shows, and what was done to it.
#[derive(Debug, Clone)]
pub(super) struct Chip {
    pub(super) power: Option<bool>,
    pub(super) status: Option<u32>,
    pub(super) query: Result<Timings, Errno>,
    /// What goes with ERANGE.
    pub(super) measured: Option<Timings>,
    pub(super) limits: Option<Limits>,
    pub(super) audio: Option<Audio>,
    /// Why timings are not set.
    pub(super) refuses: Option<Errno>,
    pub(super) subscribes: Result<(), Errno>,
    pub(super) edid: Result<Vec<u8>, Errno>,
    pub(super) is_gone: bool,
    /// Its driver does not come back from a query while this is so.
    pub(super) hangs: bool,
    news: Vec<News>,
    /// Timings that were set, in order.
    pub(super) set: Vec<Timings>,
    /// How long the EDIDs were that were loaded, in order.
    pub(super) loaded: Vec<usize>,
}

/// A chip that ports and tests share.
#[derive(Clone)]
pub(super) struct FakeChip(Arc<(Mutex<Chip>, Condvar)>);

impl Default for FakeChip {
    /// One as the TC358743: with events, an EDID to load, and no cable.
    fn default() -> Self {
        let chip = Chip {
            power: Some(false),
            status: Some(0),
            query: Err(Errno::ENOLINK),
            measured: None,
            limits: Some(FULL_HD),
            audio: None,
            refuses: None,
            subscribes: Ok(()),
            edid: Err(Errno::ENODATA),
            is_gone: false,
            hangs: false,
            news: Vec::new(),
            set: Vec::new(),
            loaded: Vec::new(),
        };
        Self(Arc::new((Mutex::new(chip), Condvar::new())))
    }
}

impl FakeChip {
    pub(super) fn port(&self) -> FakePort {
        FakePort(self.clone())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Chip> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it, and tells if anybody asked for events.
    pub(super) fn change(&self, change: impl FnOnce(&mut Chip)) {
        let mut chip = self.lock();
        change(&mut chip);
        if chip.subscribes.is_ok() {
            chip.news.push(News::Source);
        }
        self.0.1.notify_all();
    }

    pub(super) fn plug(&self, timings: Timings) {
        self.change(|chip| (chip.power, chip.query) = (Some(true), Ok(timings)));
    }

    pub(super) fn unplug(&self) {
        self.change(|chip| (chip.power, chip.query) = (Some(false), Err(Errno::ENOLINK)));
    }
}

pub(super) struct FakePort(FakeChip);

impl HdmiPort for FakePort {
    fn power_present(&mut self) -> Option<bool> {
        self.0.lock().power
    }

    fn input_status(&mut self) -> Option<u32> {
        self.0.lock().status
    }

    fn query_timings(&mut self) -> Result<Timings, QueryError> {
        let condvar = &self.0.0.1;
        let chip =
            condvar.wait_while(self.0.lock(), |chip| chip.hangs).unwrap_or_else(PoisonError::into_inner);
        chip.query.map_err(|errno| QueryError { errno, measured: chip.measured.map(Box::new) })
    }

    fn limits(&mut self) -> Option<Limits> {
        self.0.lock().limits
    }

    fn set_timings(&mut self, timings: &Timings) -> Result<Timings, Errno> {
        let mut chip = self.0.lock();
        if let Some(errno) = chip.refuses {
            return Err(errno);
        }
        chip.set.push(*timings);
        Ok(*timings)
    }

    fn edid(&mut self) -> Result<Vec<u8>, Errno> {
        self.0.lock().edid.clone()
    }

    fn load_edid(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let mut chip = self.0.lock();
        if chip.edid == Err(Errno::ENOTTY) {
            return Err(Errno::ENOTTY);
        }
        chip.loaded.push(bytes.len());
        chip.edid = if bytes.is_empty() { Err(Errno::ENODATA) } else { Ok(placed(bytes)) };
        Ok(())
    }

    fn subscribe(&mut self) -> Result<(), Errno> {
        self.0.lock().subscribes
    }

    fn wait(&mut self, at_most: Duration) -> Result<Vec<News>, Errno> {
        let FakeChip(shared) = &self.0;
        let waiting = |chip: &mut Chip| chip.news.is_empty() && !chip.is_gone;
        let (mut chip, _) = shared
            .1
            .wait_timeout_while(self.0.lock(), at_most, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if chip.is_gone { Err(Errno::ENODEV) } else { Ok(std::mem::take(&mut chip.news)) }
    }

    fn audio(&mut self) -> Option<Audio> {
        self.0.lock().audio
    }

    fn raw_format(&self) -> Option<&'static str> {
        None
    }
}

/// An EDID as drivers hand it back: with another physical address than it had, as vivid does.
fn placed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (at, last) = (bytes.windows(4).position(|bytes| bytes == [0x03, 0x0c, 0x00, 0x10]), bytes.len() - 1);
    if let Some(at) = at {
        bytes[at + 3] = 0;
        bytes[last] = bytes[last].wrapping_add(0x10);
    }
    bytes
}
