//! The real port: a video node and, where there is one, the subdevice of the chip at the cable.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits where poll(2) cannot")]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::graph::Node;
use super::ioctl::{
    self, Capability, Control, DvTimings, DvTimingsCap, Event, Input, QueryControl, Subscription,
};
use super::media;
use super::port::{Audio, HdmiPort, News, QueryError};
use super::timings::{Limits, Timings};

/// Events that are taken at once.
const MOST_EVENTS: usize = 64;

pub(super) struct Device {
    video: File,
    /// The chip's own node, where it is reached by that.
    subdevice: Option<File>,
    /// How to get from there to the video node, where programs have to see to it.
    found: Option<media::Found>,
    raw_format: Option<&'static str>,
    power: Option<ControlAt>,
    audio: Option<ControlAt>,
    audio_rate: Option<ControlAt>,
    /// What it is, for people.
    pub(super) driver: String,
}

/// A control, and whether it is at the video node.
#[derive(Debug, Clone, Copy)]
struct ControlAt {
    id: u32,
    is_video: bool,
}

/// Opens a device.
///
/// # Errors
/// In words, with the key of the configuration and what to do.
pub(super) fn open(path: &Path) -> Result<Device, String> {
    let device = path.display();
    let meta = std::fs::metadata(path)
        .map_err(|error| format!("source.device: {device}: {error}; plug it in or give another device"))?;
    let no_video = || format!("source.device: {device} is no video device; give one like /dev/video0");
    if !meta.file_type().is_char_device() {
        return Err(no_video());
    }
    let video = open_node(path).map_err(|error| {
        format!("source.device: {device}: {error}; it has to be readable by the group `video`")
    })?;
    let mut capability = Capability::default();
    ioctl::call(&video, &ioctl::QUERYCAP, &mut capability).map_err(|_| no_video())?;
    let number = meta.rdev();
    let node = Node { major: libc::major(number), minor: libc::minor(number) };
    let is_by_pads = (capability.capabilities | capability.device_caps) & ioctl::V4L2_CAP_IO_MC != 0;
    let found = media::find(node);
    // A driver that hands the calls on itself has to see them: it sets its own format by them.
    let is_own = !is_by_pads && has_timings(&video);
    let subdevice = found
        .as_ref()
        .filter(|_| !is_own)
        .and_then(|found| media::device_file(found.route.bridge))
        .and_then(|path| open_node(&path).ok())
        .filter(has_timings);
    let mut port = Device {
        video,
        subdevice,
        found: found.filter(|_| is_by_pads),
        raw_format: None,
        power: None,
        audio: None,
        audio_rate: None,
        driver: media::text(&capability.driver),
    };
    port.power = port.control(ioctl::V4L2_CID_DV_RX_POWER_PRESENT);
    port.audio = port.control(ioctl::TC358743_CID_AUDIO_PRESENT);
    port.audio_rate = port.control(ioctl::TC358743_CID_AUDIO_SAMPLING_RATE);
    tracing::info!(
        driver = port.driver,
        media = port.found.as_ref().map(|found| found.driver.as_str()),
        bridge = port.subdevice.is_some(),
        power = port.power.is_some(),
        "{device} is open"
    );
    Ok(port)
}

fn open_node(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// The calls for timings are there, if perhaps not for the present input.
fn has_timings(node: &File) -> bool {
    ioctl::call(node, &ioctl::DV_TIMINGS_CAP, &mut DvTimingsCap::default()).is_ok()
        || ioctl::call(node, &ioctl::G_DV_TIMINGS, &mut DvTimings::default()).is_ok()
}

impl Device {
    /// What takes EDID and timings.
    fn chip(&self) -> &File {
        self.subdevice.as_ref().unwrap_or(&self.video)
    }

    /// Whether the input has timings and an EDID can be loaded, for people.
    pub(super) fn abilities(&mut self) -> (bool, Option<Vec<u8>>) {
        let edid = match ioctl::edid(self.chip()) {
            // None is loaded yet.
            Err(Errno::ENODATA) => Some(Vec::new()),
            other => other.ok(),
        };
        (has_timings(self.chip()), edid)
    }

    fn control(&self, id: u32) -> Option<ControlAt> {
        let nodes = [(self.subdevice.as_ref(), false), (Some(&self.video), true)];
        nodes.into_iter().find_map(|(node, is_video)| {
            let mut query = QueryControl { id, ..QueryControl::default() };
            ioctl::call(node?, &ioctl::QUERYCTRL, &mut query).ok()?;
            (query.flags & ioctl::V4L2_CTRL_FLAG_DISABLED == 0).then_some(ControlAt { id, is_video })
        })
    }

    fn node(&self, at: ControlAt) -> &File {
        if at.is_video { &self.video } else { self.chip() }
    }

    fn value(&self, at: Option<ControlAt>) -> Option<i32> {
        let mut control = Control { id: at?.id, value: 0 };
        ioctl::call(self.node(at?), &ioctl::G_CTRL, &mut control).ok()?;
        Some(control.value)
    }
}

impl HdmiPort for Device {
    fn power_present(&mut self) -> Option<bool> {
        // A bit for each input.
        self.value(self.power).map(|inputs| inputs != 0)
    }

    fn input_status(&mut self) -> Option<u32> {
        let mut index = 0;
        ioctl::call(&self.video, &ioctl::G_INPUT, &mut index).ok()?;
        let mut input = Input { index, ..Input::default() };
        ioctl::call(&self.video, &ioctl::ENUMINPUT, &mut input).ok()?;
        Some(input.status)
    }

    fn query_timings(&mut self) -> Result<Timings, QueryError> {
        let mut raw = DvTimings::default();
        let outcome = ioctl::call(self.chip(), &ioctl::QUERY_DV_TIMINGS, &mut raw);
        let measured = Timings::of(raw);
        match (outcome, measured) {
            (Ok(()), Some(timings)) => Ok(timings),
            (Ok(()), None) => Err(QueryError { errno: Errno::ENOLCK, measured: None }),
            (Err(errno), measured) => Err(QueryError { errno, measured: measured.map(Box::new) }),
        }
    }

    fn limits(&mut self) -> Option<Limits> {
        let mut raw = DvTimingsCap::default();
        ioctl::call(self.chip(), &ioctl::DV_TIMINGS_CAP, &mut raw).ok()?;
        Limits::of(&raw)
    }

    fn set_timings(&mut self, timings: &Timings) -> Result<Timings, Errno> {
        let mut raw = timings.raw();
        ioctl::call(self.chip(), &ioctl::S_DV_TIMINGS, &mut raw)?;
        let set = Timings::of(raw).ok_or(Errno::EINVAL)?;
        if let Some(found) = &self.found {
            self.raw_format = media::prepare(found, &set)?;
        }
        Ok(set)
    }

    fn edid(&mut self) -> Result<Vec<u8>, Errno> {
        ioctl::edid(self.chip())
    }

    fn load_edid(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        ioctl::set_edid(self.chip(), bytes)
    }

    fn subscribe(&mut self) -> Result<(), Errno> {
        let subscribe = |node: &File, kind, id| {
            let mut subscription = Subscription { kind, id, ..Subscription::default() };
            ioctl::call(node, &ioctl::SUBSCRIBE_EVENT, &mut subscription)
        };
        for at in [self.power, self.audio].into_iter().flatten() {
            // Without, they are read with each look.
            let _ = subscribe(self.node(at), ioctl::V4L2_EVENT_CTRL, at.id);
        }
        subscribe(self.chip(), ioctl::V4L2_EVENT_SOURCE_CHANGE, 0)
    }

    fn wait(&mut self, at_most: Duration) -> Result<Vec<News>, Errno> {
        let nodes: Vec<&File> = self.subdevice.iter().chain([&self.video]).collect();
        let mut polled: Vec<_> =
            nodes.iter().map(|node| PollFd::new(node.as_fd(), PollFlags::POLLPRI)).collect();
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let mut news = Vec::new();
        let mut has_error = false;
        for (node, polled) in nodes.iter().zip(&polled) {
            let seen = polled.revents().unwrap_or(PollFlags::empty());
            if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLNVAL) {
                return Err(Errno::ENODEV);
            }
            if seen.contains(PollFlags::POLLPRI) {
                take_events(node, &mut news)?;
            }
            has_error |= seen.contains(PollFlags::POLLERR);
        }
        if has_error && news.is_empty() {
            // Drivers without events answer at once, always.
            std::thread::sleep(at_most);
        }
        Ok(news)
    }

    fn audio(&mut self) -> Option<Audio> {
        let is_present = self.value(self.audio)? != 0;
        let rate = self.value(self.audio_rate).and_then(|rate| u32::try_from(rate).ok());
        Some(Audio { is_present, rate_hz: rate.filter(|rate| *rate > 0) })
    }

    fn raw_format(&self) -> Option<&'static str> {
        self.raw_format
    }
}

fn take_events(node: &File, news: &mut Vec<News>) -> Result<(), Errno> {
    for _ in 0..MOST_EVENTS {
        let mut event = Event::default();
        match ioctl::call(node, &ioctl::DQEVENT, &mut event) {
            Ok(()) if event.kind == ioctl::V4L2_EVENT_SOURCE_CHANGE => news.push(News::Source),
            Ok(()) => news.push(News::Control),
            Err(errno) if super::port::is_gone(errno) => return Err(errno),
            // There are no more.
            Err(_) => break,
        }
    }
    Ok(())
}
