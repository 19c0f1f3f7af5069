//! A V4L2 capture device, looked for again and again while it is missing.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use stagebox_protocol::telemetry::{SignalState, SignalStatus};

use super::{CaptureError, Captured, PictureFormat, Source, Tick, element, silence};

/// Seconds after which a device that failed is opened again.
const RETRY_S: u32 = 1;
/// Milliseconds without a picture after which the signal counts as lost.
const LOST_MS: u64 = 250;

pub(super) struct V4l2Source {
    device: PathBuf,
    format: PictureFormat,
    state: State,
    /// The tick that was asked for last.
    now: u64,
}

enum State {
    /// Opened again at tick `retry_at`.
    Absent {
        retry_at: u64,
        trouble: String,
    },
    Open {
        pipeline: gst::Pipeline,
        sink: gst_app::AppSink,
        last_picture: Option<u64>,
    },
}

impl V4l2Source {
    pub(super) fn new(device: &Path, format: PictureFormat) -> Self {
        let state = State::Absent { retry_at: 0, trouble: "is not opened yet".to_owned() };
        Self { device: device.to_owned(), format, state, now: 0 }
    }

    fn open(&self) -> Result<State, String> {
        let meta = std::fs::metadata(&self.device).map_err(|error| {
            format!("source.device: {}: {error}; plug it in or give another device", self.device.display())
        })?;
        if !meta.file_type().is_char_device() {
            let device = self.device.display();
            return Err(format!("source.device: {device} is no video device; give one like /dev/video0"));
        }
        let (pipeline, sink) = self.build().map_err(|error| error.to_string())?;
        if pipeline.set_state(gst::State::Playing).is_err() {
            let reason = failure(&pipeline).unwrap_or_else(|| "it does not start".to_owned());
            close(&pipeline);
            return Err(format!("source.device: {}: {reason}", self.device.display()));
        }
        Ok(State::Open { pipeline, sink, last_picture: None })
    }

    fn build(&self) -> Result<(gst::Pipeline, gst_app::AppSink), CaptureError> {
        const GOOD: &str = "gstreamer1.0-plugins-good";
        const BASE: &str = "gstreamer1.0-plugins-base";
        let source = element("v4l2src", GOOD)?;
        source.set_property("device", self.device.to_string_lossy().as_ref());
        let decode = element("decodebin", BASE)?;
        let convert = element("videoconvert", BASE)?;
        let scale = element("videoscale", BASE)?;
        let mut caps = self.format.caps();
        if let Some(structure) = caps.make_mut().structure_mut(0) {
            // The box's own beat takes what is there; the device keeps its rate.
            structure.remove_field("framerate");
        }
        let sink = gst_app::AppSink::builder()
            .caps(&caps)
            .sync(false)
            .max_buffers(2)
            .drop(true)
            .enable_last_sample(false)
            .build();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&source, &decode, &convert, &scale, sink.upcast_ref()])?;
        source.link(&decode)?;
        gst::Element::link_many([&convert, &scale, sink.upcast_ref()])?;
        decode.connect_pad_added(move |_, pad| {
            if let Some(sink) = convert.static_pad("sink")
                && !sink.is_linked()
            {
                // If it does not fit, the pipeline says so on its bus.
                let _ = pad.link(&sink);
            }
        });
        Ok((pipeline, sink))
    }

    fn absent(&mut self, index: u64, trouble: String) {
        tracing::warn!("{trouble}");
        let retry_at = index + u64::from(self.format.fps * RETRY_S);
        if let State::Open { pipeline, .. } =
            std::mem::replace(&mut self.state, State::Absent { retry_at, trouble })
        {
            close(&pipeline);
        }
    }

    fn has_signal(&self, index: u64) -> bool {
        // Three pictures, where these are slow.
        let lost = (u64::from(self.format.fps) * LOST_MS / 1000).max(3);
        matches!(&self.state, State::Open { last_picture: Some(last), .. } if index < last + lost)
    }
}

impl Source for V4l2Source {
    fn capture(&mut self, tick: &Tick) -> Result<Captured, CaptureError> {
        let mut picture = None;
        self.now = tick.index;
        match &mut self.state {
            State::Absent { retry_at, .. } if tick.index >= *retry_at => match self.open() {
                Ok(state) => self.state = state,
                Err(trouble) => self.absent(tick.index, trouble),
            },
            State::Absent { .. } => {}
            State::Open { pipeline, sink, last_picture } => {
                while let Some(sample) = sink.try_pull_sample(gst::ClockTime::ZERO) {
                    picture = sample.buffer_owned();
                }
                if picture.is_some() {
                    *last_picture = Some(tick.index);
                }
                if let Some(reason) = failure(pipeline) {
                    self.absent(tick.index, format!("source.device: {}: {reason}", self.device.display()));
                }
            }
        }
        Ok(Captured { picture, sound: silence(tick) })
    }

    fn signal(&self) -> SignalStatus {
        let state = match &self.state {
            State::Open { .. } if self.has_signal(self.now) => SignalState::Locked,
            State::Open { last_picture: None, .. } => SignalState::Unstable,
            State::Open { .. } | State::Absent { .. } => SignalState::None,
        };
        SignalStatus {
            state,
            source: self.device.display().to_string(),
            width: self.format.width,
            height: self.format.height,
            fps: self.format.fps as f32,
            audio: false,
            reason: None,
            alarms: Vec::new(),
        }
    }

    fn trouble(&self) -> Option<String> {
        match &self.state {
            State::Absent { trouble, .. } => Some(trouble.clone()),
            State::Open { last_picture: Some(_), .. } if !self.has_signal(self.now) => {
                let device = self.device.display();
                Some(format!(
                    "source.device: {device} delivers no picture any more: look at the cable and the camera"
                ))
            }
            State::Open { .. } => None,
        }
    }
}

impl Drop for V4l2Source {
    fn drop(&mut self) {
        if let State::Open { pipeline, .. } = &self.state {
            close(pipeline);
        }
    }
}

fn failure(pipeline: &gst::Pipeline) -> Option<String> {
    let message = pipeline.bus()?.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos])?;
    Some(match message.view() {
        gst::MessageView::Error(error) => error.error().to_string(),
        _ => "it has stopped".to_owned(),
    })
}

fn close(pipeline: &gst::Pipeline) {
    // A device that is gone need not stop well.
    let _ = pipeline.set_state(gst::State::Null);
}
