//! The source with a driver of the kernel's: `modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x3`.

use std::fs::File;
use std::path::PathBuf;

use super::super::ioctl::{self, Control, QueryControl};
use super::super::timings::Timings;
use super::super::{device, media};
use super::*;

const V4L2_CTRL_FLAG_NEXT_CTRL: u32 = 0x8000_0000;

/// vivid's `DV Timings Signal Mode`.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Current,
    NoSignal,
    NoLock,
    OutOfRange,
    Selected,
}

/// Sets one of vivid's controls, found by its name.
fn set(node: &File, name: &str, value: i32) {
    let mut query = QueryControl::default();
    loop {
        query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
        ioctl::call(node, &ioctl::QUERYCTRL, &mut query).unwrap_or_else(|errno| panic!("{name}: {errno}"));
        if media::text(query.name.as_flattened()) == name {
            break;
        }
    }
    ioctl::call(node, &ioctl::S_CTRL, &mut Control { id: query.id, value }).unwrap();
}

fn show(node: &File, mode: Mode) {
    set(node, "DV Timings Signal Mode", mode as i32);
}

fn vivid() -> Option<PathBuf> {
    (0..64).map(|number| PathBuf::from(format!("/dev/video{number}"))).find(|path| {
        device::open(path).is_ok_and(|mut device| {
            device.driver == "vivid" && device.abilities().0 && device.query_timings().is_ok()
        })
    })
}

#[test]
fn a_real_driver_locks_loses_and_changes() {
    gst::init().unwrap();
    let Some(path) = vivid() else {
        eprintln!("skipped: there is no device of the driver vivid with an HDMI input on this machine");
        return;
    };
    let node = File::options().read(true).write(true).open(&path).unwrap();
    show(&node, Mode::Current);
    let source = V4l2Source::new(&path, EdidSetting::P1080At60, FORMAT);
    let lock = |what: &str, is_so: &dyn Fn(&Timings) -> bool| {
        let is_locked = |told: &Told| matches!(told, Told::Port { state: State::Locked(Lock::Timings(timings)), .. } if is_so(timings));
        source.shared.wait_for(what, |told, has_picture| has_picture && is_locked(told)).unwrap()
    };
    let state = |what: &str, is_so: fn(&State) -> bool| {
        source.shared.wait_for(what, |told, _| matches!(told, Told::Port { state, .. } if is_so(state)));
    };
    assert_eq!(lock("the picture", &|_| true).size(), 320 * 180 * 3 / 2);
    let mut device = device::open(&path).unwrap();
    assert_eq!(Edid::of(&device.edid().unwrap()), Some(Edid::P1080At60));
    let first = device.query_timings().unwrap();
    assert_eq!((source.signal().width, source.signal().height), (first.width(), first.height()));

    show(&node, Mode::NoSignal);
    state("no signal", |state| matches!(state, State::NoCable | State::NoSignal));
    show(&node, Mode::NoLock);
    state("no lock", |state| *state == State::NotLocked);
    show(&node, Mode::OutOfRange);
    state("out of range", |state| matches!(state, State::OutOfRange(_)));
    show(&node, Mode::Current);
    lock("the picture again", &|timings| timings.is_alike(&first));

    // The first of its list, 640x480, at the same cable.
    set(&node, "DV Timings", 0);
    show(&node, Mode::Selected);
    let other = lock("another size", &|timings| !timings.is_alike(&first));
    assert_eq!(other.size(), 320 * 180 * 3 / 2, "the output keeps its size");
    let second = device.query_timings().unwrap();
    assert_eq!((source.signal().width, source.signal().height), (second.width(), second.height()));

    let told = examine(&path).unwrap();
    assert!(told.dv_timings && told.edid.as_deref() == Some("1080p60"), "{told}");
}
