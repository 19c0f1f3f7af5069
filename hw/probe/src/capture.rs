//! V4L2 devices that may deliver pictures.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::machine::{numbered, text};

/// A V4L2 device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaptureDevice {
    pub path: PathBuf,
    /// The driver's name for it.
    pub name: String,
    pub usability: Usability,
}

/// What is known about a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Usability {
    /// It captures pictures.
    Captures { driver: String, bus: String, formats: Vec<CaptureFormat> },
    /// A codec, an output, a metadata node.
    NoCapture { driver: String },
    /// It could not be asked.
    Unreadable { reason: String },
    /// This program was built without V4L2.
    NotAsked,
}

/// A pixel format and the largest picture in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaptureFormat {
    /// Four characters, `UYVY`.
    pub fourcc: String,
    pub max_width: u32,
    pub max_height: u32,
}

pub(crate) fn devices(root: &Path) -> Vec<CaptureDevice> {
    numbered(&root.join("dev"), "video")
        .into_iter()
        .map(|path| {
            let node = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = text(root, &format!("sys/class/video4linux/{node}/name")).unwrap_or_default();
            let usability = ask(&path);
            CaptureDevice { path, name, usability }
        })
        .collect()
}

#[cfg(not(feature = "v4l"))]
fn ask(_path: &Path) -> Usability {
    Usability::NotAsked
}

#[cfg(feature = "v4l")]
fn ask(path: &Path) -> Usability {
    use v4l::{Device, capability::Flags};

    let unreadable =
        |step: &str, error: &std::io::Error| Usability::Unreadable { reason: format!("{step}: {error}") };
    let device = match Device::with_path(path) {
        Ok(device) => device,
        Err(error) => return unreadable("open", &error),
    };
    let about = match device.query_caps() {
        Ok(about) => about,
        Err(error) => return unreadable("query capabilities", &error),
    };
    let captures = about.capabilities.intersects(Flags::VIDEO_CAPTURE | Flags::VIDEO_CAPTURE_MPLANE);
    let codec = about.capabilities.intersects(Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE);
    if !captures || codec {
        return Usability::NoCapture { driver: about.driver };
    }
    Usability::Captures { driver: about.driver, bus: about.bus, formats: formats(&device) }
}

#[cfg(feature = "v4l")]
fn formats(device: &v4l::Device) -> Vec<CaptureFormat> {
    use v4l::{framesize::FrameSizeEnum, video::Capture};

    let mut formats = Vec::new();
    for format in device.enum_formats().unwrap_or_default() {
        let sizes = device.enum_framesizes(format.fourcc).unwrap_or_default();
        let largest = sizes
            .iter()
            .map(|size| match &size.size {
                FrameSizeEnum::Discrete(size) => (size.width, size.height),
                FrameSizeEnum::Stepwise(size) => (size.max_width, size.max_height),
            })
            .max_by_key(|(width, height)| u64::from(*width) * u64::from(*height));
        let (max_width, max_height) = largest.unwrap_or_default();
        formats.push(CaptureFormat { fourcc: format.fourcc.to_string(), max_width, max_height });
    }
    formats
}
