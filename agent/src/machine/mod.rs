//! What the machine says of itself below `/sys` and `/proc`: memory, power, network, temperature.
//!
//! Each part reads below a root that is given, so that a folder can stand for a machine; `warnings.rs` decides, with time
//! as an argument, what of it is worth a word.

mod memory;
mod network;
mod power;
pub mod warnings;

use std::path::{Path, PathBuf};

pub use memory::memory;
pub use network::{Addresses, Network, addresses};
pub use power::Power;

/// Where the system's files are.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self(PathBuf::from("/"))
    }
}

impl Root {
    /// A folder that stands for a machine.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = std::fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim().to_owned())
    }

    fn number<T: std::str::FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder, in order; none if it is not there.
    fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The hottest of the machine's sensors, in degrees Celsius.
    #[must_use]
    pub fn temperature_c(&self) -> Option<f32> {
        let zones = self.names("sys/class/thermal").into_iter();
        zones
            .filter_map(|zone| self.number::<f32>(Path::new("sys/class/thermal").join(zone).join("temp")))
            .map(|milli| milli / 1000.0)
            .filter(|celsius| (-50.0..200.0).contains(celsius))
            .reduce(f32::max)
    }
}
