//! What the machine is, from `/proc`, `/sys` and `/dev` below a root.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use stagebox_hw::board::Identity;

/// What a machine says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The device tree's model, on boards that have one.
    pub device_tree_model: Option<String>,
    /// Vendor and product from the firmware's tables, on PCs.
    pub product: Option<String>,
    /// As `uname -m` says it.
    pub architecture: String,
    pub virtual_machine: bool,
    /// As `uname -r` says it; empty if it cannot be read.
    pub kernel_release: String,
    pub gpio_chips: Vec<PathBuf>,
    pub i2c_buses: Vec<I2cBus>,
    /// The hottest zone, in thousandths of a degree Celsius.
    pub temperature_milli_c: Option<i32>,
}

/// An I²C bus and the adapter behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct I2cBus {
    pub path: PathBuf,
    pub adapter: String,
}

/// Makers that only virtual machines have.
const HYPERVISORS: [&str; 7] =
    ["QEMU", "VMware", "innotek", "Xen", "Microsoft Corporation Virtual", "Amazon EC2", "Google"];

impl Machine {
    /// What the choice of a board depends on.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            device_tree_model: self.device_tree_model.clone(),
            architecture: self.architecture.clone(),
            virtual_machine: self.virtual_machine,
        }
    }

    pub(crate) fn look(root: &Path) -> Self {
        let device_tree_model =
            text(root, "proc/device-tree/model").or_else(|| text(root, "sys/firmware/devicetree/base/model"));
        let product = product(root);
        let virtual_machine = device_tree_model.is_none() && is_virtual(root, product.as_deref());
        Self {
            device_tree_model,
            product,
            architecture: std::env::consts::ARCH.to_owned(),
            virtual_machine,
            kernel_release: text(root, "proc/sys/kernel/osrelease").unwrap_or_default(),
            gpio_chips: numbered(&root.join("dev"), "gpiochip"),
            i2c_buses: i2c_buses(root),
            temperature_milli_c: temperature(root),
        }
    }
}

/// A file's text without the line's end, or the zero that device trees end with.
pub(crate) fn text(root: &Path, path: &str) -> Option<String> {
    let text = fs::read(root.join(path)).ok()?;
    let text = String::from_utf8_lossy(&text).trim_matches(['\0', '\n', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

/// Entries named `<prefix><number>`, in the order of their numbers.
pub(crate) fn numbered(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn product(root: &Path) -> Option<String> {
    let vendor = text(root, "sys/class/dmi/id/sys_vendor");
    let name = text(root, "sys/class/dmi/id/product_name");
    match (vendor, name) {
        (Some(vendor), Some(name)) => Some(format!("{vendor} {name}")),
        (vendor, name) => vendor.or(name),
    }
}

/// A PC that names a hypervisor, or that has no firmware tables at all (small virtual machines, containers).
fn is_virtual(root: &Path, product: Option<&str>) -> bool {
    let guest = || {
        text(root, "proc/cpuinfo").is_some_and(|text| {
            text.lines().any(|line| {
                line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor")
            })
        })
    };
    product.is_none_or(|product| HYPERVISORS.iter().any(|maker| product.starts_with(maker))) || guest()
}

fn i2c_buses(root: &Path) -> Vec<I2cBus> {
    numbered(&root.join("dev"), "i2c-")
        .into_iter()
        .map(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let adapter = text(root, &format!("sys/class/i2c-dev/{name}/name")).unwrap_or_default();
            I2cBus { path, adapter }
        })
        .collect()
}

fn temperature(root: &Path) -> Option<i32> {
    numbered(&root.join("sys/class/thermal"), "thermal_zone")
        .iter()
        .filter_map(|zone| text(zone, "temp")?.parse().ok())
        .max()
}
