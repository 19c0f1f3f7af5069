//! The source from end to end, with a chip made of data and pictures that GStreamer really makes.

mod real;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;
use nix::errno::Errno;

use super::super::element;
use super::fake::FakeChip;
use super::port::{Audio, status};
use super::timings::Timings;
use super::timings::samples::{progressive, timings};
use super::*;

const FORMAT: PictureFormat = PictureFormat { width: 320, height: 180, fps: 30 };

/// A source whose device is a chip made of data, and whose pictures are white.
struct Rig {
    source: V4l2Source,
    index: u64,
    starts: Arc<AtomicUsize>,
}

/// White of the test's source in the output: its luma is 235 in any range, and of 0 to 255, as its caps say, that is 218
/// in the output's 16 to 235. GStreamer's quick conversion is off by two.
const WHITE: RangeInclusive<u8> = 215..=222;

/// White pictures of a lock's size, as a chip sends them: UYVY of full range in the matrix of standard definition, in
/// fields where interlaced.
fn white(lock: &Lock) -> Result<Vec<gst::Element>, CaptureError> {
    let source = element("videotestsrc", "gstreamer1.0-plugins-base")?;
    source.set_property("is-live", true);
    source.set_property_from_str("pattern", "white");
    let (width, height, is_interlaced) = match lock {
        Lock::Timings(timings) => (timings.width(), timings.height(), timings.is_interlaced()),
        Lock::Free => (640, 480, false),
    };
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "UYVY")
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", gst::Fraction::new(25, 1))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("colorimetry", "1:4:5:1")
        .build();
    let filter = element("capsfilter", "gstreamer1.0-plugins-base")?;
    filter.set_property("caps", &caps);
    let mut head = vec![source, filter];
    if is_interlaced {
        head.push(element("capssetter", "gstreamer1.0-plugins-good")?);
        let interlaced = gst::Caps::builder("video/x-raw")
            .field("interlace-mode", "interleaved")
            .field("field-order", "top-field-first")
            .build();
        head[2].set_property("caps", &interlaced);
    }
    Ok(head)
}

impl Rig {
    fn new(chip: &FakeChip, edid: Option<Edid>) -> Self {
        gst::init().unwrap();
        let (opened, starts) = (chip.clone(), Arc::new(AtomicUsize::new(0)));
        let open = move || {
            if opened.lock().is_gone {
                return Err("source.device: fake: it is not there".to_owned());
            }
            Ok(Box::new(opened.port()) as Box<dyn HdmiPort>)
        };
        let (set, counted) = (chip.clone(), starts.clone());
        let head = move |lock: &Lock, _: Option<&'static str>| {
            if let Lock::Timings(timings) = lock {
                assert_eq!(set.lock().set.last(), Some(timings), "capture starts with what was set");
            }
            counted.fetch_add(1, Ordering::Relaxed);
            white(lock)
        };
        let source = V4l2Source::with("fake".to_owned(), Box::new(open), Box::new(head), edid, FORMAT);
        Self { source, index: 0, starts }
    }

    fn tick(&mut self) -> Captured {
        let samples = (super::super::SAMPLE_RATE / FORMAT.fps) as usize;
        let first_sample = self.index * samples as u64;
        let tick = Tick { index: self.index, at_ns: 0, first_sample, samples, unix_ms: 0 };
        self.index += 1;
        self.source.capture(&tick).unwrap()
    }

    /// Waits for a picture while the port is in a state.
    fn picture(&mut self, what: &str, state: State) -> gst::Buffer {
        let is_so = |told: &Told, has_picture: bool| has_picture && is_state(told, state);
        let picture = self.source.shared.wait_for(what, is_so).unwrap();
        // As the beat would have had it.
        self.source.shared.put_picture(picture.clone());
        assert!(self.tick().picture.is_some());
        picture
    }

    fn state(&mut self, what: &str, state: State) -> SignalStatus {
        self.source.shared.wait_for(what, |told, _| is_state(told, state));
        self.tick();
        self.source.signal()
    }
}

fn is_state(told: &Told, expected: State) -> bool {
    matches!(told, Told::Port { state, .. } if *state == expected)
}

fn locked(timings: Timings) -> State {
    State::Locked(Lock::Timings(timings))
}

/// Luma at the left edge and in the middle of a picture's middle line.
fn edge_and_middle(picture: &gst::Buffer) -> (u8, u8) {
    let map = picture.map_readable().unwrap();
    assert_eq!(map.len(), 320 * 180 * 3 / 2, "the output keeps its format");
    (map[320 * 90 + 2], map[320 * 90 + 160])
}

#[test]
fn a_cable_a_picture_another_size_and_no_cable() {
    let chip = FakeChip::default();
    let mut rig = Rig::new(&chip, Some(Edid::P1080At60));
    let signal = rig.state("no cable", State::NoCable);
    assert_eq!((signal.state, signal.width, rig.source.trouble()), (SignalState::NoCable, 0, None));
    assert_eq!(chip.lock().loaded, [256], "the EDID is loaded at the start");

    let hd = progressive(1280, 720, 50);
    chip.plug(hd);
    let picture = rig.picture("the picture", locked(hd));
    let (edge, middle) = edge_and_middle(&picture);
    assert!(WHITE.contains(&edge) && WHITE.contains(&middle), "{edge} {middle}");
    let signal = rig.source.signal();
    assert_eq!((signal.state, signal.width, signal.height), (SignalState::Locked, 1280, 720));
    assert!((signal.fps - 50.0).abs() < 0.1 && !signal.audio && signal.source == "fake");

    // Another shape: bars at the sides, the output as before.
    let old = progressive(640, 480, 60);
    chip.plug(old);
    chip.change(|chip| chip.audio = Some(Audio { is_present: true, rate_hz: Some(48_000) }));
    let (edge, middle) = edge_and_middle(&rig.picture("the other size", locked(old)));
    assert!(edge <= 20 && WHITE.contains(&middle), "{edge} {middle}");
    assert_eq!((rig.source.signal().width, rig.source.signal().height), (640, 480));
    assert!(rig.source.signal().audio, "the driver tells of sound");
    assert!(rig.starts.load(Ordering::Relaxed) >= 2);

    chip.unplug();
    assert_eq!(rig.state("no cable again", State::NoCable).state, SignalState::NoCable);
    assert_eq!(chip.lock().loaded, [256], "nobody pulls hotplug meanwhile");
}

#[test]
fn every_reason_is_told() {
    let chip = FakeChip::default();
    let mut rig = Rig::new(&chip, Some(Edid::P1080At30));
    chip.change(|chip| chip.power = Some(true));
    assert_eq!(rig.state("no signal", State::NoSignal).state, SignalState::None);
    chip.change(|chip| chip.query = Err(Errno::ENOLCK));
    assert_eq!(rig.state("not locked", State::NotLocked).state, SignalState::Unstable);
    let large = progressive(3840, 2160, 60);
    chip.change(|chip| (chip.query, chip.measured) = (Err(Errno::ERANGE), Some(large)));
    let signal = rig.state("out of range", State::OutOfRange(Some(large)));
    assert_eq!((signal.state, signal.width), (SignalState::OutOfRange, 3840));
    let reason = signal.reason.unwrap();
    assert!(reason.contains("3840x2160 at 60 pictures") && reason.contains("MHz"), "{reason}");
    assert!(reason.ends_with("set the source to 1080p30 or less"), "{reason}");
    // What the driver measures, and its own limits do not take.
    let fast = progressive(1920, 1080, 120);
    chip.plug(fast);
    assert_eq!(rig.state("too fast", State::OutOfRange(Some(fast))).state, SignalState::OutOfRange);
    chip.change(|chip| chip.status = Some(status::COPY_PROTECTED));
    assert_eq!(rig.state("protected", State::Protected).state, SignalState::Protected);
    assert_eq!(rig.source.trouble(), None);
    assert_eq!(rig.starts.load(Ordering::Relaxed), 0, "nothing was captured");
}

#[test]
fn a_driver_without_events_is_asked() {
    let chip = FakeChip::default();
    chip.change(|chip| chip.subscribes = Err(Errno::EINVAL));
    let hd = progressive(1280, 720, 50);
    chip.plug(hd);
    let mut rig = Rig::new(&chip, None);
    rig.picture("the picture", locked(hd));
    chip.unplug();
    rig.state("no cable", State::NoCable);
    chip.plug(hd);
    rig.picture("the picture again", locked(hd));
    assert_eq!(chip.lock().loaded, [0_usize; 0], "no EDID was asked for");
}

#[test]
fn a_device_that_is_busy_says_so_and_comes() {
    let chip = FakeChip::default();
    let hd = progressive(1280, 720, 50);
    chip.change(|chip| chip.refuses = Some(Errno::EBUSY));
    chip.plug(hd);
    let mut rig = Rig::new(&chip, None);
    rig.source.shared.wait_for(
        "the trouble",
        |told, _| matches!(told, Told::Port { trouble: Some(words), .. } if words.contains("EBUSY")),
    );
    let trouble = rig.source.trouble().unwrap();
    assert!(trouble.starts_with("source.device: fake: ") && trouble.contains("end the program"), "{trouble}");
    chip.change(|chip| chip.refuses = None);
    rig.picture("the picture", locked(hd));
    assert_eq!(rig.source.trouble(), None);
}

#[test]
fn a_device_that_is_unplugged_is_opened_again() {
    let chip = FakeChip::default();
    let hd = progressive(1280, 720, 50);
    chip.plug(hd);
    let mut rig = Rig::new(&chip, Some(Edid::P1080At60));
    rig.picture("the picture", locked(hd));
    chip.change(|chip| chip.is_gone = true);
    rig.source.shared.wait_for("that it is gone", |told, _| matches!(told, Told::Absent(_)));
    assert!(rig.source.trouble().unwrap().contains("source.device: fake"));
    assert_eq!(rig.source.signal().state, SignalState::None);
    chip.change(|chip| chip.is_gone = false);
    rig.picture("the picture again", locked(hd));
    assert_eq!(chip.lock().loaded, [256], "the EDID that is there stays, and the source need not look again");
}

#[test]
fn a_grabber_without_timings_is_judged_by_its_pictures() {
    let chip = FakeChip::default();
    chip.change(|chip| {
        (chip.query, chip.power, chip.edid) = (Err(Errno::ENOTTY), None, Err(Errno::ENOTTY));
        chip.subscribes = Err(Errno::ENOTTY);
    });
    let mut rig = Rig::new(&chip, Some(Edid::P1080At60));
    let (edge, middle) = edge_and_middle(&rig.picture("the picture", State::Locked(Lock::Free)));
    assert!(edge <= 20 && WHITE.contains(&middle), "{edge} {middle}");
    let signal = rig.source.signal();
    assert_eq!((signal.state, signal.width, signal.height), (SignalState::Locked, 640, 480));
    assert!((signal.fps - 25.0).abs() < 0.1, "what really comes in: {}", signal.fps);
    // Its pictures end, as far as the beat sees.
    rig.index += 10;
    rig.source.now = rig.index;
    assert_eq!(rig.source.signal().state, SignalState::None);
    rig.source.now += u64::from(FORMAT.fps);
    assert!(rig.source.trouble().unwrap().contains("delivers no picture any more"));
    assert!(chip.lock().loaded.is_empty());
}

#[test]
fn interlaced_pictures_are_made_whole() {
    let chip = FakeChip::default();
    let interlaced = timings(1280, 720, 25_000, true);
    chip.plug(interlaced);
    let mut rig = Rig::new(&chip, None);
    let (edge, middle) = edge_and_middle(&rig.picture("the picture", locked(interlaced)));
    assert!(WHITE.contains(&edge) && WHITE.contains(&middle), "{edge} {middle}");
    assert!((rig.source.signal().fps - 25.0).abs() < 0.1);
}

#[test]
fn hotplug_is_pulled_on_order() {
    let chip = FakeChip::default();
    let hd = progressive(1280, 720, 50);
    chip.plug(hd);
    let mut rig = Rig::new(&chip, Some(Edid::P720At60));
    rig.picture("the picture", locked(hd));
    rig.source.mend(Mend::Replug);
    rig.source.shared.wait_for("the pull", |_, _| chip.lock().loaded.len() == 3);
    assert_eq!(chip.lock().loaded, [256, 0, 256]);
    rig.picture("the picture again", locked(hd));
    assert_eq!(Edid::of(chip.lock().edid.as_ref().unwrap()), Some(Edid::P720At60));
}

#[test]
fn a_driver_that_hangs_keeps_nobody_waiting() {
    let chip = FakeChip::default();
    chip.change(|chip| chip.hangs = true);
    let mut rig = Rig::new(&chip, None);
    while rig.source.shared.turns() < 2 {
        std::thread::yield_now();
    }
    for _ in 0..=HUNG_S * u64::from(FORMAT.fps) + 1 {
        assert!(rig.tick().picture.is_none());
    }
    assert_eq!(rig.source.signal().state, SignalState::Unstable);
    let trouble = rig.source.trouble().unwrap();
    assert!(trouble.contains("its driver hangs"), "{trouble}");
    let shared = rig.source.shared.clone();
    drop(rig);
    assert!(!shared.has_ended(), "its thread is left behind");
    // It comes back at last: the thread goes.
    chip.change(|chip| chip.hangs = false);
    shared.stop(Duration::from_secs(60));
    assert!(shared.has_ended());
}

#[test]
fn a_missing_device_is_named_and_looked_for_again() {
    gst::init().unwrap();
    let (file, null) = (tempfile::NamedTempFile::new().unwrap(), Path::new("/dev/null"));
    for (device, words) in [
        (Path::new("/dev/video-none"), "plug it in or give another device"),
        (file.path(), "is no video device"),
        (null, "is no video device"),
    ] {
        let mut source = V4l2Source::new(device, EdidSetting::Auto, FORMAT);
        source.shared.wait_for("the trouble", |told, _| matches!(told, Told::Absent(_)));
        let tick = Tick { index: 0, at_ns: 0, first_sample: 0, samples: 1600, unix_ms: 0 };
        let captured = source.capture(&tick).unwrap();
        assert_eq!(captured.sound.len(), 1600 * super::super::CHANNELS);
        assert!(captured.picture.is_none(), "the slate stands for it");
        assert_eq!(source.signal().state, SignalState::None);
        let trouble = source.trouble().unwrap();
        assert!(trouble.contains("source.device") && trouble.contains(words), "{trouble}");
        assert!(trouble.contains(&device.display().to_string()), "{trouble}");
    }
}
