//! Whether the processor has the power and the cooling that it needs.
//!
//! A Raspberry Pi's firmware says it in one word (`get_throttled` of its documentation, `vcgencmd`), or the kernel's
//! driver by an alarm of a sensor called `rpi_volt`. Processors of PCs count how often they were slowed down for heat.

use std::path::Path;

use stagebox_protocol::machine::PowerStatus;

use super::Root;

const FIRMWARE: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";
const UNDER_VOLTAGE: u32 = 1;
/// The frequency is capped, the processor is throttled, or the soft limit for its temperature holds.
const SLOWED: u32 = 0b1110;
/// The same four, at some time since it was switched on.
const BEFORE: u32 = 0b1111 << 16;

/// Looks at the power, and remembers the counters of the last look.
#[derive(Debug, Default)]
pub struct Power {
    counted: Option<u64>,
}

impl Power {
    /// What the machine can say; nothing where it can say nothing.
    pub fn look(&mut self, root: &Root) -> Option<PowerStatus> {
        let word = root.text(FIRMWARE);
        let word = word.and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
        let count = throttle_count(root);
        let rises = count.map(|count| self.counted.replace(count).is_some_and(|before| count > before));
        let status = match word {
            Some(word) => PowerStatus {
                under_voltage: Some(word & UNDER_VOLTAGE != 0),
                throttled: Some(word & SLOWED != 0),
                since_boot: Some(word & BEFORE != 0),
            },
            None => PowerStatus {
                under_voltage: voltage_alarm(root),
                throttled: rises,
                since_boot: count.map(|count| count > 0),
            },
        };
        (status != PowerStatus::default()).then_some(status)
    }
}

fn voltage_alarm(root: &Root) -> Option<bool> {
    let monitors = Path::new("sys/class/hwmon");
    root.names(monitors).into_iter().find_map(|name| {
        let monitor = monitors.join(name);
        let is_it = root.text(monitor.join("name")).is_some_and(|name| name == "rpi_volt");
        root.number::<u8>(monitor.join("in0_lcrit_alarm")).filter(|_| is_it).map(|alarm| alarm != 0)
    })
}

/// How often all processors were slowed down, since boot.
fn throttle_count(root: &Root) -> Option<u64> {
    let processors = Path::new("sys/devices/system/cpu");
    let is_one = |name: &String| name.strip_prefix("cpu").is_some_and(|number| number.parse::<u32>().is_ok());
    let counts = root.names(processors).into_iter().filter(is_one).flat_map(|name| {
        let folder = processors.join(name).join("thermal_throttle");
        let counters = root.names(&folder).into_iter().filter(|name| name.ends_with("_throttle_count"));
        counters.filter_map(|name| root.number::<u64>(folder.join(name))).collect::<Vec<_>>()
    });
    counts.reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::at(folder.path());
        (folder, root)
    }

    #[test]
    fn a_raspberry_says_it_in_one_word() {
        let look = |word: &str| Power::default().look(&machine(&[(FIRMWARE, word)]).1).unwrap();
        let status = |under_voltage, throttled, since_boot| PowerStatus {
            under_voltage: Some(under_voltage),
            throttled: Some(throttled),
            since_boot: Some(since_boot),
        };
        for (word, wanted) in [
            ("0\n", status(false, false, false)),
            ("50005\n", status(true, true, true)),
            ("0x50000\n", status(false, false, true)),
            ("8\n", status(false, true, false)),
            ("1\n", status(true, false, false)),
        ] {
            assert_eq!(look(word), wanted, "{word}");
        }
    }

    #[test]
    fn a_sensor_or_counters_say_as_much_as_they_can() {
        let alarm = [
            ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
            ("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n"),
            ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n"),
        ];
        let (_folder, root) = machine(&alarm);
        let found = Power::default().look(&root).unwrap();
        assert_eq!((found.under_voltage, found.throttled), (Some(true), None));

        let counter = "sys/devices/system/cpu/cpu3/thermal_throttle/core_throttle_count";
        let (folder, root) = machine(&[
            (counter, "5"),
            ("sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "2"),
            ("sys/devices/system/cpu/cpufreq/thermal_throttle/x_throttle_count", "9"),
        ]);
        let mut power = Power::default();
        let throttled = |power: &mut Power| power.look(&root).unwrap().throttled;
        assert_eq!([throttled(&mut power), throttled(&mut power)], [Some(false); 2], "that was before");
        std::fs::write(folder.path().join(counter), "6").unwrap();
        assert_eq!([throttled(&mut power), throttled(&mut power)], [Some(true), Some(false)]);

        let (_folder, root) = machine(&[(FIRMWARE, "what?")]);
        assert_eq!(Power::default().look(&root), None);
    }
}
