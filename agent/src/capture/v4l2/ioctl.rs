//! The kernel's calls for HDMI inputs, as types: the one place that hands memory to the kernel.
//!
//! Structures and numbers are those of `linux/videodev2.h`, `linux/v4l2-subdev.h` and `linux/media.h`. The kernel's
//! packed structures have whole words only, so that a 64-bit value in them is written as two halves here.
#![allow(unsafe_code, reason = "ioctl(2) takes a pointer; a request's number has its type's size in it")]

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ioctl::ioctl_num_type;

pub(super) const V4L2_DV_BT_656_1120: u32 = 0;
pub(super) const V4L2_CAP_IO_MC: u32 = 0x2000_0000;
pub(super) const V4L2_CID_DV_RX_POWER_PRESENT: u32 = 0x00a0_0964;
/// `include/media/i2c/tc358743.h`: the driver's own controls.
pub(super) const TC358743_CID_AUDIO_SAMPLING_RATE: u32 = 0x0098_1980;
pub(super) const TC358743_CID_AUDIO_PRESENT: u32 = 0x0098_1981;
pub(super) const V4L2_CTRL_FLAG_DISABLED: u32 = 1;
pub(super) const V4L2_EVENT_CTRL: u32 = 3;
pub(super) const V4L2_EVENT_SOURCE_CHANGE: u32 = 5;
pub(super) const V4L2_SUBDEV_FORMAT_ACTIVE: u32 = 1;
/// What an EDID may have at most.
const MOST_BLOCKS: usize = 8;
/// More parts than any media device has.
const MOST_PARTS: u32 = 4096;

/// A call that reads or writes a `T`.
pub(super) struct Request<T> {
    number: ioctl_num_type,
    shape: PhantomData<T>,
}

impl<T> Request<T> {
    const fn read(group: u8, number: u8) -> Self {
        Self { number: nix::request_code_read!(group, number, size_of::<T>()), shape: PhantomData }
    }

    const fn write(group: u8, number: u8) -> Self {
        Self { number: nix::request_code_write!(group, number, size_of::<T>()), shape: PhantomData }
    }

    const fn read_write(group: u8, number: u8) -> Self {
        Self { number: nix::request_code_readwrite!(group, number, size_of::<T>()), shape: PhantomData }
    }
}

pub(super) const QUERYCAP: Request<Capability> = Request::read(b'V', 0);
pub(super) const ENUMINPUT: Request<Input> = Request::read_write(b'V', 26);
pub(super) const G_CTRL: Request<Control> = Request::read_write(b'V', 27);
#[cfg(test)]
pub(super) const S_CTRL: Request<Control> = Request::read_write(b'V', 28);
pub(super) const QUERYCTRL: Request<QueryControl> = Request::read_write(b'V', 36);
pub(super) const G_INPUT: Request<u32> = Request::read(b'V', 38);
const G_EDID: Request<RawEdid> = Request::read_write(b'V', 40);
const S_EDID: Request<RawEdid> = Request::read_write(b'V', 41);
pub(super) const S_DV_TIMINGS: Request<DvTimings> = Request::read_write(b'V', 87);
pub(super) const G_DV_TIMINGS: Request<DvTimings> = Request::read_write(b'V', 88);
pub(super) const DQEVENT: Request<Event> = Request::read(b'V', 89);
pub(super) const SUBSCRIBE_EVENT: Request<Subscription> = Request::write(b'V', 90);
pub(super) const QUERY_DV_TIMINGS: Request<DvTimings> = Request::read(b'V', 99);
pub(super) const DV_TIMINGS_CAP: Request<DvTimingsCap> = Request::read_write(b'V', 100);
pub(super) const SUBDEV_G_FMT: Request<SubdevFormat> = Request::read_write(b'V', 4);
pub(super) const SUBDEV_S_FMT: Request<SubdevFormat> = Request::read_write(b'V', 5);
pub(super) const MEDIA_DEVICE_INFO: Request<MediaDeviceInfo> = Request::read_write(b'|', 0);
pub(super) const MEDIA_SETUP_LINK: Request<LinkDescription> = Request::read_write(b'|', 3);
const MEDIA_G_TOPOLOGY: Request<RawTopology> = Request::read_write(b'|', 4);

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Capability {
    pub(super) driver: [u8; 16],
    pub(super) card: [[u8; 16]; 2],
    pub(super) bus_info: [[u8; 16]; 2],
    pub(super) version: u32,
    pub(super) capabilities: u32,
    pub(super) device_caps: u32,
    pub(super) reserved: [u32; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BtTimings {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) interlaced: u32,
    pub(super) polarities: u32,
    /// Hertz, in the machine's own order of halves.
    pub(super) pixelclock: [u32; 2],
    /// Front porch, sync, back porch.
    pub(super) across: [u32; 3],
    pub(super) down: [u32; 3],
    /// Of the second field.
    pub(super) second: [u32; 3],
    pub(super) standards: u32,
    pub(super) flags: u32,
    pub(super) picture_aspect: [u32; 2],
    pub(super) cea861_vic: u8,
    pub(super) hdmi_vic: u8,
    pub(super) reserved: [[u8; 23]; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DvTimings {
    pub(super) kind: u32,
    pub(super) bt: BtTimings,
    pub(super) rest: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DvTimingsCap {
    pub(super) kind: u32,
    pub(super) pad: u32,
    pub(super) reserved: [u32; 2],
    /// Least and most.
    pub(super) width: [u32; 2],
    pub(super) height: [u32; 2],
    pub(super) min_pixelclock: [u32; 2],
    pub(super) max_pixelclock: [u32; 2],
    pub(super) standards: u32,
    pub(super) capabilities: u32,
    pub(super) rest: [u32; 22],
}

#[repr(C)]
struct RawEdid {
    pad: u32,
    start_block: u32,
    blocks: u32,
    pub(super) reserved: [u32; 5],
    edid: *mut u8,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) kind: u32,
    pub(super) data: [u64; 8],
    pub(super) pending: u32,
    pub(super) sequence: u32,
    timestamp: libc::timespec,
    pub(super) id: u32,
    pub(super) reserved: [u32; 8],
}

impl Default for Event {
    fn default() -> Self {
        let timestamp = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        Self { kind: 0, data: [0; 8], pending: 0, sequence: 0, timestamp, id: 0, reserved: [0; 8] }
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Subscription {
    pub(super) kind: u32,
    pub(super) id: u32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 5],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Input {
    pub(super) index: u32,
    pub(super) name: [[u8; 16]; 2],
    pub(super) kind: u32,
    pub(super) audioset: u32,
    pub(super) tuner: u32,
    pub(super) std: u64,
    pub(super) status: u32,
    pub(super) capabilities: u32,
    pub(super) reserved: [u32; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Control {
    pub(super) id: u32,
    pub(super) value: i32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QueryControl {
    pub(super) id: u32,
    pub(super) kind: u32,
    pub(super) name: [[u8; 16]; 2],
    pub(super) minimum: i32,
    pub(super) maximum: i32,
    pub(super) step: i32,
    pub(super) default_value: i32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 2],
}

/// `v4l2_subdev_format` with its `v4l2_mbus_framefmt`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SubdevFormat {
    pub(super) which: u32,
    pub(super) pad: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// The media bus code.
    pub(super) code: u32,
    pub(super) field: u32,
    pub(super) colorspace: u32,
    /// Encoding, quantization, transfer function, flags and what is reserved.
    pub(super) colour: [u16; 14],
    pub(super) stream: u32,
    pub(super) reserved: [u32; 7],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MediaDeviceInfo {
    pub(super) driver: [u8; 16],
    pub(super) model: [[u8; 16]; 2],
    serial: [[u8; 20]; 2],
    pub(super) bus_info: [[u8; 16]; 2],
    versions: [u32; 3],
    pub(super) reserved: [u32; 31],
}

#[repr(C)]
#[derive(Debug, Default)]
struct RawTopology {
    topology_version: u64,
    entities: Part,
    interfaces: Part,
    pads: Part,
    links: Part,
}

/// How many there are of a kind, and where they go.
#[repr(C)]
#[derive(Debug, Default)]
struct Part {
    number: u32,
    pub(super) reserved: u32,
    address: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MediaEntity {
    pub(super) id: u32,
    pub(super) name: [[u8; 32]; 2],
    pub(super) function: u32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 5],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MediaInterface {
    pub(super) id: u32,
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 9],
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) rest: [u32; 14],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MediaPad {
    pub(super) id: u32,
    pub(super) entity: u32,
    pub(super) flags: u32,
    pub(super) index: u32,
    pub(super) reserved: [u32; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MediaLink {
    pub(super) id: u32,
    pub(super) source: u32,
    pub(super) sink: u32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 6],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PadDescription {
    pub(super) entity: u32,
    pub(super) index: u16,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LinkDescription {
    pub(super) source: PadDescription,
    pub(super) sink: PadDescription,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 2],
}

/// All that a media device is made of.
#[derive(Debug, Default)]
pub(super) struct Topology {
    pub(super) entities: Vec<MediaEntity>,
    pub(super) interfaces: Vec<MediaInterface>,
    pub(super) pads: Vec<MediaPad>,
    pub(super) links: Vec<MediaLink>,
}

/// Makes a call whose structure holds no pointer. A value may have been filled in where the call fails.
pub(super) fn call<T: Copy>(device: &impl AsFd, request: &Request<T>, value: &mut T) -> Result<(), Errno> {
    // SAFETY: a `T` that is `Copy` here has integers only, in the kernel's layout, as the tests beside check; the
    // number carries its size, so the kernel writes no further; the descriptor is open for as long as it is borrowed.
    let done = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request.number, std::ptr::from_mut(value)) };
    Errno::result(done).map(drop)
}

/// Loads an EDID, or takes it away with no bytes: the source sees the cable pulled.
pub(super) fn set_edid(device: &impl AsFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut own = bytes.to_vec();
    with_edid(device, &S_EDID, &mut own).map(drop)
}

/// The EDID that is loaded.
pub(super) fn edid(device: &impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; MOST_BLOCKS * 128];
    let length = with_edid(device, &G_EDID, &mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn with_edid(device: &impl AsFd, request: &Request<RawEdid>, bytes: &mut [u8]) -> Result<usize, Errno> {
    let blocks = u32::try_from(bytes.len() / 128).unwrap_or(0);
    let edid = bytes.as_mut_ptr();
    let mut raw = RawEdid { pad: 0, start_block: 0, blocks, reserved: [0; 5], edid };
    // SAFETY: `edid` has room for `blocks` blocks of 128 bytes and lives until the call returns; the kernel writes
    // that many at most, and says how many it were.
    let done = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request.number, &raw mut raw) };
    Errno::result(done).map(|_| raw.blocks as usize * 128)
}

/// Everything of a media device; asked twice, as its first answer says how much there is.
pub(super) fn topology(device: &impl AsFd) -> Result<Topology, Errno> {
    let mut raw = RawTopology::default();
    ask_topology(device, &mut raw)?;
    let mut out = Topology::default();
    room(&mut out.entities, &mut raw.entities)?;
    room(&mut out.interfaces, &mut raw.interfaces)?;
    room(&mut out.pads, &mut raw.pads)?;
    room(&mut out.links, &mut raw.links)?;
    // One that has grown meanwhile is ENOSPC.
    ask_topology(device, &mut raw)?;
    out.entities.truncate(raw.entities.number as usize);
    out.interfaces.truncate(raw.interfaces.number as usize);
    out.pads.truncate(raw.pads.number as usize);
    out.links.truncate(raw.links.number as usize);
    Ok(out)
}

fn room<T: Copy + Default>(list: &mut Vec<T>, part: &mut Part) -> Result<(), Errno> {
    if part.number > MOST_PARTS {
        return Err(Errno::E2BIG);
    }
    list.resize(part.number as usize, T::default());
    part.address = list.as_mut_ptr() as u64;
    Ok(())
}

fn ask_topology(device: &impl AsFd, raw: &mut RawTopology) -> Result<(), Errno> {
    // SAFETY: each address is null, or that of as many values as its count says, which outlive the call; the kernel
    // writes no more of them than that.
    let done =
        unsafe { libc::ioctl(device.as_fd().as_raw_fd(), MEDIA_G_TOPOLOGY.number, std::ptr::from_mut(raw)) };
    Errno::result(done).map(drop)
}
