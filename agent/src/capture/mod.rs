//! Where picture and sound come from.
//!
//! The box's own clock is the master: once per picture it asks the source for
//! what there is now, as a frame synchroniser does. A source that drifts,
//! stutters or is gone can therefore neither stretch nor tear the timeline.

mod adjust;
mod alarms;
mod alsa;
mod drift;
mod feed;
mod file;
mod follow;
mod grid;
mod pattern;
mod script;
mod shown;
mod slate;
mod sound;
mod v4l2;

#[cfg(test)]
mod follow_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use gstreamer as gst;
use gstreamer_video as gst_video;
use serde::{Deserialize, Serialize};
use stagebox_protocol::telemetry::SignalStatus;

use crate::config::{AudioConfig, SourceConfig, VideoConfig};

pub use alarms::Alarms;
pub use grid::Grid;
pub use pattern::timecode;
pub use script::Script;
pub use shown::{Shown, reason};
pub(crate) use slate::Slate;
pub use v4l2::{HdmiInput, examine};

/// Samples a second, of every source.
pub const SAMPLE_RATE: u32 = 48_000;
/// Channels of every source, interleaved.
pub const CHANNELS: usize = 2;

/// The pictures that a source has to deliver: I420, BT.709, square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureFormat {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
}

/// One picture's worth of time.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// Counts pictures from the start, one each time.
    pub index: u64,
    /// When that is, on the stream's timeline: it goes on over restarts of the media process.
    pub at_ns: i64,
    /// The first sample that belongs to it, counted from the start.
    pub first_sample: u64,
    /// Samples that belong to it.
    pub samples: usize,
    /// Wall time at which the picture is taken.
    pub unix_ms: i64,
}

/// What a source has for one tick.
#[derive(Debug)]
pub struct Captured {
    /// `None` says that the last picture still stands, or that there is none.
    pub picture: Option<gst::Buffer>,
    /// Interleaved samples, as many as the tick asks for.
    pub sound: Vec<f32>,
}

/// A source of pictures and sound.
pub trait Source: Send {
    /// What there is at this moment; returns at once.
    fn capture(&mut self, tick: &Tick) -> Result<Captured, CaptureError>;
    /// What is plugged in.
    fn signal(&self) -> SignalStatus;
    /// Why there is no signal, if the source knows.
    fn trouble(&self) -> Option<String> {
        None
    }
    /// Whether that trouble is the device's own: it is missing, fails or does not answer.
    fn fails(&self) -> bool {
        false
    }
    /// Why there is no sound where there should be some, if the source knows.
    fn sound_trouble(&self) -> Option<String> {
        None
    }
    /// Does what may help against a signal that does not come, where there is a device to do it with.
    fn mend(&mut self, how: Mend);
}

/// What may help against a signal that does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// Closes the device and opens it again.
    Reopen,
    /// Has whatever is plugged in see the cable pulled and plugged again.
    Replug,
}

/// Why a source cannot play.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("source.path: {path}: {problem}; give the path of a readable video file")]
    File { path: PathBuf, problem: String },
    #[error("source.path: {path} stopped playing: {problem}")]
    Stopped { path: PathBuf, problem: String },
    #[error("source.script[{line}]: {problem}")]
    Script { line: usize, problem: String },
    #[error("the GStreamer element `{element}` is missing; install the package {package}")]
    Missing { element: &'static str, package: &'static str },
    #[error("cannot build the source: {0}")]
    Build(#[from] gst::glib::BoolError),
}

impl CaptureError {
    /// Whether only another configuration or installation helps.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Script { .. } | Self::Missing { .. })
    }
}

/// Opens the configured source; `origin_ns` is the CLOCK_MONOTONIC moment at which the stream's timeline has its zero.
pub fn open(
    source: &SourceConfig,
    video: &VideoConfig,
    audio: &AudioConfig,
    origin_ns: i64,
) -> Result<Box<dyn Source>, CaptureError> {
    let format = PictureFormat::of(video);
    let (source, script): (Box<dyn Source>, &[String]) = match source {
        SourceConfig::File { path, script } => {
            (Box::new(file::FileSource::open(path, format, audio.channels)?), script)
        }
        SourceConfig::Pattern { script } => (Box::new(pattern::Pattern::new(format)?), script),
        SourceConfig::V4l2 { device, edid } => (Box::new(v4l2::V4l2Source::new(device, *edid, format)), &[]),
    };
    let script = Script::parse(script).map_err(|(line, problem)| CaptureError::Script { line, problem })?;
    let source: Box<dyn Source> = match script.is_empty() {
        true => source,
        false => Box::new(script::Scripted::new(source, script.clone(), format)),
    };
    Ok(sound::join(source, &script, audio, format, origin_ns))
}

impl PictureFormat {
    /// As the configuration has it.
    #[must_use]
    pub fn of(video: &VideoConfig) -> Self {
        Self { width: video.width, height: video.height, fps: video.fps }
    }

    /// The caps of raw pictures in this format.
    #[must_use]
    pub fn caps(&self) -> gst::Caps {
        let PictureFormat { width, height, .. } = self;
        gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", i32::try_from(*width).unwrap_or(i32::MAX))
            .field("height", i32::try_from(*height).unwrap_or(i32::MAX))
            .field("framerate", gst::Fraction::new(i32::try_from(self.fps).unwrap_or(i32::MAX), 1))
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .field("interlace-mode", "progressive")
            .field("colorimetry", "bt709")
            .build()
    }

    /// How such a picture lies in memory.
    fn info(&self) -> Result<gst_video::VideoInfo, gst::glib::BoolError> {
        gst_video::VideoInfo::from_caps(&self.caps())
    }

    /// A black picture.
    fn black(&self) -> Result<gst::Buffer, gst::glib::BoolError> {
        let info = self.info()?;
        let mut data = vec![128; info.size()];
        data[..info.offset()[1]].fill(16);
        Ok(gst::Buffer::from_mut_slice(data))
    }
}

/// Makes an element, or says which package has it.
fn element(name: &'static str, package: &'static str) -> Result<gst::Element, CaptureError> {
    gst::ElementFactory::make(name).build().map_err(|_| CaptureError::Missing { element: name, package })
}

fn silence(tick: &Tick) -> Vec<f32> {
    vec![0.0; tick.samples * CHANNELS]
}
