//! Reads media devices into graphs, and carries a route out: thin.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::graph::{End, Graph, Interface, Link, MEDIA_LNK_FL_ENABLED, Node, Pad, Route};
use super::ioctl::{self, LinkDescription, MediaDeviceInfo, PadDescription, SubdevFormat};
use super::timings::Timings;

const MEDIA_BUS_FMT_UYVY8_1X16: u32 = 0x200f;
const MEDIA_PAD_FL_SINK: u32 = 1;
const MEDIA_PAD_FL_SOURCE: u32 = 2;
const V4L2_FIELD_NONE: u32 = 1;
/// More than a machine has.
const MOST_DEVICES: u32 = 64;

/// A media device and the way through it to a video node.
pub(super) struct Found {
    pub(super) device: File,
    pub(super) driver: String,
    pub(super) route: Route,
}

/// Looks for the media device that a video node belongs to.
pub(super) fn find(video: Node) -> Option<Found> {
    (0..MOST_DEVICES).map(|number| PathBuf::from(format!("/dev/media{number}"))).find_map(|path| {
        let device = File::options().read(true).write(true).open(path).ok()?;
        let graph = read(&device).ok().filter(|graph| graph.has_video(video))?;
        let mut info = MediaDeviceInfo::default();
        // Only for people to read.
        let _ = ioctl::call(&device, &ioctl::MEDIA_DEVICE_INFO, &mut info);
        let route = graph.route(video)?;
        Some(Found { device, driver: text(&info.driver), route })
    })
}

fn read(device: &File) -> Result<Graph, Errno> {
    let topology = ioctl::topology(device)?;
    let interface = |found: &ioctl::MediaInterface| Interface {
        id: found.id,
        kind: found.kind,
        node: Node { major: found.major, minor: found.minor },
    };
    let pad = |found: &ioctl::MediaPad| Pad {
        id: found.id,
        entity: found.entity,
        flags: found.flags,
        index: found.index,
    };
    let link = |found: &ioctl::MediaLink| Link { source: found.source, sink: found.sink, flags: found.flags };
    Ok(Graph {
        interfaces: topology.interfaces.iter().map(interface).collect(),
        pads: topology.pads.iter().map(pad).collect(),
        links: topology.links.iter().map(link).collect(),
    })
}

/// The file of a device, as the kernel names it.
pub(super) fn device_file(node: Node) -> Option<PathBuf> {
    let Node { major, minor } = node;
    let link = std::fs::read_link(format!("/sys/dev/char/{major}:{minor}")).ok()?;
    Some(Path::new("/dev").join(link.file_name()?))
}

/// Switches a route on and sets the picture's size and format on every pad of it; GStreamer's name of the format.
/// Only where the driver leaves that to programs.
pub(super) fn prepare(found: &Found, timings: &Timings) -> Result<Option<&'static str>, Errno> {
    for hop in found.route.hops.iter().filter(|hop| hop.is_off) {
        let end = |end: End, flags| PadDescription {
            entity: end.entity,
            index: u16::try_from(end.pad).unwrap_or(u16::MAX),
            flags,
            ..PadDescription::default()
        };
        let (source, sink) = (end(hop.source, MEDIA_PAD_FL_SOURCE), end(hop.sink, MEDIA_PAD_FL_SINK));
        let mut link =
            LinkDescription { source, sink, flags: MEDIA_LNK_FL_ENABLED, ..LinkDescription::default() };
        ioctl::call(&found.device, &ioctl::MEDIA_SETUP_LINK, &mut link)?;
    }
    // The bridge is asked for 16 bits a pixel, which two lanes carry further than 24; it may answer otherwise.
    let mut format = SubdevFormat { code: MEDIA_BUS_FMT_UYVY8_1X16, ..SubdevFormat::default() };
    for hop in &found.route.hops {
        for end in [hop.source, hop.sink] {
            if let Some(subdevice) = end.subdevice.and_then(device_file) {
                format = set_format(&subdevice, end.pad, timings, format)?;
            }
        }
    }
    Ok((format.code == MEDIA_BUS_FMT_UYVY8_1X16).then_some("UYVY"))
}

fn set_format(
    subdevice: &Path,
    pad: u32,
    timings: &Timings,
    wanted: SubdevFormat,
) -> Result<SubdevFormat, Errno> {
    let opened = File::options().read(true).write(true).open(subdevice);
    let device = opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let which = ioctl::V4L2_SUBDEV_FORMAT_ACTIVE;
    let mut format = SubdevFormat { which, pad, ..SubdevFormat::default() };
    ioctl::call(&device, &ioctl::SUBDEV_G_FMT, &mut format)?;
    (format.width, format.height) = (timings.width(), timings.height());
    (format.code, format.field) = (wanted.code, V4L2_FIELD_NONE);
    if wanted.colorspace != 0 {
        format.colorspace = wanted.colorspace;
    }
    ioctl::call(&device, &ioctl::SUBDEV_S_FMT, &mut format)?;
    Ok(format)
}

/// Text of a fixed length, up to its first zero.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
