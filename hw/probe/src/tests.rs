use std::{fs, path::Path};

use stagebox_hw::{
    Board, Encoder, VideoMode,
    encoder::{Proof, TrialOutcome},
};

use super::*;
use crate::fake::FakeProbe;

const SMALL: VideoMode = VideoMode { width: 320, height: 180, fps: 15 };

fn trial(encoder: Encoder, mode: VideoMode) -> Trial {
    Trial { encoder, mode, bitrate_kbps: 500, preset: None, frames: 10, limit_ms: 20_000 }
}

/// A folder that looks like a Raspberry Pi 4 with a capture bridge.
fn raspberry(root: &Path) {
    let files = [
        ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.5\0"),
        ("proc/sys/kernel/osrelease", "6.1.0-rpi7-rpi-v8\n"),
        ("sys/class/video4linux/video0/name", "unicam-image\n"),
        ("sys/class/video4linux/video10/name", "bcm2835-codec-decode\n"),
        ("sys/class/i2c-dev/i2c-1/name", "bcm2835 (i2c@7e804000)\n"),
        ("sys/class/thermal/thermal_zone0/temp", "51234\n"),
        ("sys/class/thermal/thermal_zone1/temp", "garbage\n"),
        ("dev/video10", ""),
        ("dev/video0", ""),
        ("dev/videoX", ""),
        ("dev/gpiochip1", ""),
        ("dev/gpiochip0", ""),
        ("dev/i2c-1", ""),
    ];
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn fake_raspberry(root: &Path) -> FakeProbe {
    let device = |node: &str, name: &str| CaptureDevice {
        path: root.join("dev").join(node),
        name: name.to_owned(),
        usability: Usability::NotAsked,
    };
    let mut fake =
        FakeProbe::default().with_encoder(Encoder::X264enc, TrialOutcome::Works { speed_percent: 400 });
    fake.machine = Machine {
        device_tree_model: Some("Raspberry Pi 4 Model B Rev 1.5".into()),
        product: None,
        architecture: std::env::consts::ARCH.to_owned(),
        virtual_machine: false,
        kernel_release: "6.1.0-rpi7-rpi-v8".into(),
        gpio_chips: vec![root.join("dev/gpiochip0"), root.join("dev/gpiochip1")],
        i2c_buses: vec![I2cBus { path: root.join("dev/i2c-1"), adapter: "bcm2835 (i2c@7e804000)".into() }],
        temperature_milli_c: Some(51_234),
    };
    fake.capture = vec![device("video0", "unicam-image"), device("video10", "bcm2835-codec-decode")];
    fake
}

/// What every probe must do, seen through the trait alone.
fn suite(probe: &dyn Probe) {
    let machine = probe.machine();
    assert_eq!(machine.device_tree_model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.5"));
    assert_eq!(machine.kernel_release, "6.1.0-rpi7-rpi-v8");
    assert!(!machine.virtual_machine);
    assert_eq!(machine.gpio_chips.len(), 2);
    assert_eq!(machine.i2c_buses[0].adapter, "bcm2835 (i2c@7e804000)");
    assert_eq!(machine.temperature_milli_c, Some(51_234));
    assert_eq!(report(probe).board.as_deref(), Some("rpi4"));

    let names: Vec<String> = probe.capture_devices().into_iter().map(|device| device.name).collect();
    assert_eq!(names, ["unicam-image", "bcm2835-codec-decode"], "by number, not by letter");

    let installed = probe.installed_encoders();
    assert!(installed.iter().any(|found| found.encoder == Encoder::X264enc));
    assert!(installed.iter().all(|found| !found.plugin.is_empty() && !found.plugin_version.is_empty()));
    let outcome = probe.try_encoder(&trial(Encoder::X264enc, SMALL));
    assert!(matches!(outcome, TrialOutcome::Works { .. }), "{outcome:?}");

    for encoder in Encoder::ALL {
        if installed.iter().all(|found| found.encoder != encoder) {
            let outcome = probe.try_encoder(&trial(encoder, SMALL));
            let TrialOutcome::Failed { reason } = outcome else {
                panic!("{encoder} is not there: {outcome:?}")
            };
            assert!(reason.contains("not installed"), "{reason}");
        }
    }
    let nothing = VideoMode { width: 0, ..SMALL };
    let outcome = probe.try_encoder(&trial(Encoder::X264enc, nothing));
    assert!(matches!(outcome, TrialOutcome::Failed { .. }), "{outcome:?}");

    let wanted = Wanted { mode: SMALL, bitrate_kbps: 500 };
    let selection = select(probe, &Board::load("rpi4").unwrap(), wanted, &mut Cache::in_memory()).unwrap();
    assert_eq!(selection.candidate.encoder, Encoder::X264enc);
    assert_eq!(selection.candidate.proof, Proof::Untried, "the only one there needs no trial");
}

#[test]
fn the_fake_passes_the_suite() {
    suite(&fake_raspberry(Path::new("/")));
}

#[cfg(feature = "gst")]
#[test]
fn the_real_probe_passes_the_suite() {
    let root = tempfile::tempdir().unwrap();
    raspberry(root.path());
    suite(&SystemProbe::below(root.path()));
}

#[test]
fn a_folder_is_seen_as_the_machine_it_stands_for() {
    let root = tempfile::tempdir().unwrap();
    raspberry(root.path());
    let (seen, told) = (SystemProbe::below(root.path()).machine(), fake_raspberry(root.path()).machine);
    assert_eq!(seen, told);
    let empty = SystemProbe::below(root.path().join("nowhere"));
    assert!(empty.machine().virtual_machine, "a machine without any tables is a virtual one");
    assert_eq!(empty.capture_devices(), []);
}

#[test]
fn pcs_and_virtual_machines_are_told_apart() {
    let table = [
        ("Dell Inc.", "OptiPlex 7010", "flags : fpu vme\n", "x86"),
        ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "flags : fpu hypervisor\n", "virtual"),
        ("Dell Inc.", "OptiPlex 7010", "flags : fpu hypervisor\n", "virtual"),
    ];
    for (vendor, product, cpu, board) in table {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("sys/class/dmi/id")).unwrap();
        fs::create_dir_all(root.path().join("proc")).unwrap();
        fs::write(root.path().join("sys/class/dmi/id/sys_vendor"), vendor).unwrap();
        fs::write(root.path().join("sys/class/dmi/id/product_name"), product).unwrap();
        fs::write(root.path().join("proc/cpuinfo"), cpu).unwrap();
        let seen = report(&SystemProbe::below(root.path()));
        if seen.machine.architecture == "x86_64" {
            assert_eq!(seen.board.as_deref(), Some(board), "{vendor} {product} {cpu}");
        }
    }
}

#[cfg(feature = "v4l")]
#[test]
fn a_device_that_cannot_be_asked_says_why() {
    let root = tempfile::tempdir().unwrap();
    raspberry(root.path());
    for device in SystemProbe::below(root.path()).capture_devices() {
        let Usability::Unreadable { reason } = &device.usability else { panic!("{device:?}") };
        assert!(reason.starts_with("query capabilities"), "{reason}");
    }
}

#[test]
fn a_result_is_kept_until_kernel_or_plugin_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/encoders.json");
    let board = Board::load("x86").unwrap();
    let machine = || {
        FakeProbe::default()
            .with_encoder(Encoder::Vah264enc, TrialOutcome::Failed { reason: "no device".into() })
            .with_encoder(Encoder::Nvh264enc, TrialOutcome::Works { speed_percent: 900 })
            .with_encoder(Encoder::X264enc, TrialOutcome::Works { speed_percent: 200 })
    };
    let tried = |kernel: &str, mode: VideoMode| {
        let probe = machine();
        let mut cache = Cache::open(&path, kernel);
        let wanted = Wanted { mode, bitrate_kbps: 3_000 };
        assert_eq!(select(&probe, &board, wanted, &mut cache).unwrap().candidate.encoder, Encoder::Nvh264enc);
        probe.tried()
    };
    let both = [Encoder::Vah264enc, Encoder::Nvh264enc];
    assert_eq!(tried("6.1", SMALL), both);
    assert_eq!(tried("6.1", SMALL), [Encoder::Vah264enc], "a failure may have been the moment's");
    assert_eq!(tried("6.1", VideoMode { fps: 30, ..SMALL }), both, "another mode is another question");
    assert_eq!(tried("6.2", SMALL), both, "another kernel too");
    fs::write(&path, "{ not json").unwrap();
    assert_eq!(tried("6.2", SMALL), both, "a broken file is no obstacle");
    Cache::open(&path, "6.2").forget(Encoder::Nvh264enc);
    assert_eq!(tried("6.2", SMALL), both);
}

#[test]
fn without_any_encoder_the_way_out_is_named() {
    let probe = FakeProbe::default()
        .with_encoder(Encoder::Vah264enc, TrialOutcome::Failed { reason: "no device".into() });
    let wanted = Wanted { mode: SMALL, bitrate_kbps: 500 };
    let error = select(&probe, &Board::load("x86").unwrap(), wanted, &mut Cache::in_memory()).unwrap_err();
    let words = error.to_string();
    assert!(words.contains("gstreamer1.0-plugins-ugly") && words.contains("vah264enc: no device"), "{words}");
}

#[cfg(feature = "gst")]
#[test]
fn a_trial_ends_at_its_limit() {
    // Far more frames than can be encoded in no time.
    let endless = Trial { frames: 1_000_000, limit_ms: 200, ..trial(Encoder::X264enc, SMALL) };
    let outcome = trial::run(&endless);
    let TrialOutcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("not done in time") || reason.contains("hung"), "{reason}");
}

#[cfg(feature = "gst")]
#[test]
fn properties_that_do_not_fit_are_named() {
    use gstreamer as gst;
    use stagebox_hw::encoder::Setting;

    gst::init().unwrap();
    let element = gst::ElementFactory::make("x264enc").build().unwrap();
    let set = |property, value: &str| trial::apply(&element, &[Setting { property, value: value.into() }]);
    assert!(set("bitrate", "3000").is_ok());
    assert!(set("bitrat", "3000").unwrap_err().contains("no property `bitrat`"));
    assert!(set("bitrate", "fast").unwrap_err().contains("does not take `fast`"));
}
