//! The worker's pipeline in GStreamer: one decoder, scalers in a cascade, an encoder for each size.
//!
//! ```text
//!  appsrc ▸ avdec_h264 ▸ videoconvert ▸ scale 720 ▸ tee ▸ scale 480 ▸ tee ▸ scale 360
//!                                                   └ queue ▸ encoder ▸ appsink   └ …
//! ```
//!
//! Decoding and scaling have one thread, each encoder has one.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use stagebox_media::h264::AvcConfig;
use stagebox_media::{Frame, Packet, TrackConfig};

use super::encoder::Elements;
use super::keys::KeyGrid;
use super::protocol::Wanted;
use super::stage::{self, Keys, caps_filter, element, lock};

/// What waits for the decoder before the worker takes no more; the cloud can skip only what it still has.
const MAX_QUEUED_FRAMES: u64 = 15;
const MAX_QUEUED_BYTES: u64 = 8 * 1024 * 1024;
/// How long what is inside may take to come out.
const DRAIN_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(10);
/// GStreamer takes larger pictures without named colours for those of high definition.
const MAX_SD_HEIGHT: i32 = 576;

/// Why a picture could not be transcoded.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error("cannot build the pipeline ({0}); are GStreamer's libav and x264 plugins installed?")]
    Build(String),
    #[error("the pipeline takes no more frames: {0}")]
    Push(gst::FlowError),
    #[error("what was given did not come out within {} s", DRAIN_LIMIT.seconds())]
    Drain,
}

/// Takes each packet as it comes out, with its rendition's number.
pub(super) type Sink = Arc<dyn Fn(u8, Packet) + Send + Sync>;

/// One decode and one encode for each rendition, for frames of one configuration.
#[derive(Debug)]
pub(super) struct Pipeline {
    running: Running,
    source: AppSrc,
    keys: Vec<Keys>,
}

impl Pipeline {
    /// `renditions` are the wanted ones with their elements, largest first; `grid` says where they have their key
    /// frames, if not where the source has them.
    pub(super) fn new(
        config: &TrackConfig,
        renditions: &[(Wanted, Elements)],
        grid: Option<KeyGrid>,
        sink: &Sink,
    ) -> Result<Self, PipelineError> {
        let build = |error: gst::glib::BoolError| PipelineError::Build(error.to_string());
        let source = AppSrc::builder()
            .caps(&source_caps(config))
            .format(gst::Format::Time)
            .block(true)
            .max_bytes(MAX_QUEUED_BYTES)
            .build();
        source.set_property("max-buffers", MAX_QUEUED_FRAMES);
        let decoder = element("avdec_h264")?;
        // Frame threads would hold pictures back.
        decoder.set_property("max-threads", 1i32);
        name_colours(&decoder);
        // Does nothing, and costs nothing, where pictures are I420 already.
        let converter = element("videoconvert")?;
        let format = caps_filter(&gst::Caps::builder("video/x-raw").field("format", "I420").build())?;
        let pipeline = gst::Pipeline::new();
        let chain = [source.clone().upcast(), decoder, converter, format.clone()];
        pipeline.add_many(&chain).map_err(build)?;
        gst::Element::link_many(&chain).map_err(build)?;
        let mut keys = Vec::new();
        let mut from = format;
        for (wanted, elements) in renditions {
            let [scaler, size] = stage::scaler(wanted.scaled)?;
            let tee = element("tee")?;
            pipeline.add_many([&scaler, &size, &tee]).map_err(build)?;
            gst::Element::link_many([&from, &scaler, &size, &tee]).map_err(build)?;
            let (queue, due) = stage::encoder(&pipeline, wanted, elements, grid, Arc::clone(sink))?;
            tee.link(&queue).map_err(build)?;
            keys.push(due);
            from = tee;
        }
        Ok(Self { running: Running::begin(pipeline)?, source, keys })
    }

    /// Gives the next frame; waits while too much is queued.
    pub(super) fn push(&self, frame: &Frame) -> Result<(), PipelineError> {
        if frame.key {
            for keys in &self.keys {
                lock(keys).insert(frame.pts_ns);
            }
        }
        let mut buffer = gst::Buffer::from_slice(frame.data.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(clock_time(frame.pts_ns));
            buffer.set_dts(clock_time(frame.dts_ns));
            if !frame.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        self.source.push_buffer(buffer).map(drop).map_err(PipelineError::Push)
    }

    /// Waits until everything has come out; nothing can be given afterwards.
    pub(super) fn drain(&self) -> Result<(), PipelineError> {
        let _ = self.source.end_of_stream();
        self.running.drain()
    }
}

/// A pipeline that plays until it is dropped; its first error ends the process.
#[derive(Debug)]
pub(super) struct Running(gst::Pipeline);

impl Running {
    pub(super) fn begin(pipeline: gst::Pipeline) -> Result<Self, PipelineError> {
        end_with_first_error(&pipeline);
        let running = Self(pipeline);
        let started = running.0.set_state(gst::State::Playing);
        started.map_err(|_| PipelineError::Build("it does not start playing".to_owned()))?;
        Ok(running)
    }

    /// Waits until all has come out, once its source has ended.
    pub(super) fn drain(&self) -> Result<(), PipelineError> {
        let Some(bus) = self.0.bus() else { return Ok(()) };
        bus.timed_pop_filtered(DRAIN_LIMIT, &[gst::MessageType::Eos]).map(drop).ok_or(PipelineError::Drain)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a state that cannot be left fails to, and the process ends then anyway.
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// Ends the process at once: its input may be blocked for ever, and the cloud knows what to do.
fn end_with_first_error(pipeline: &gst::Pipeline) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(|_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            let element = message.src().map_or_else(|| "the pipeline".into(), GstObjectExt::name);
            tracing::error!(%element, error = %error.error(), "the worker's pipeline failed");
            std::process::exit(1);
        }
        gst::BusSyncReply::Pass
    });
}

/// Says what colours a source has that does not: what its size stands for.
///
/// Otherwise each scaler would guess by its own size, convert between two guesses, and take three times as long.
fn name_colours(decoder: &gst::Element) {
    let Some(pad) = decoder.static_pad("src") else { return };
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let Some(gst::PadProbeData::Event(event)) = &info.data else { return gst::PadProbeReturn::Ok };
        let gst::EventView::Caps(caps) = event.view() else { return gst::PadProbeReturn::Ok };
        let mut caps = caps.caps_owned();
        if let Some(structure) = caps.make_mut().structure_mut(0)
            && !structure.has_field("colorimetry")
        {
            let is_sd = structure.get::<i32>("height").is_ok_and(|height| height <= MAX_SD_HEIGHT);
            structure.set("colorimetry", if is_sd { "bt601" } else { "bt709" });
            info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
        }
        gst::PadProbeReturn::Ok
    });
}

pub(super) fn source_caps(config: &TrackConfig) -> gst::Caps {
    let mut caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(config.data.clone()));
    if let Some((frames, seconds)) = frame_rate(config) {
        caps = caps.field("framerate", gst::Fraction::new(frames, seconds));
    }
    caps.build()
}

/// Frames a second as the source has it; encoders spread their bits by it.
pub(super) fn frame_rate(config: &TrackConfig) -> Option<(i32, i32)> {
    let (frames, seconds) = AvcConfig::parse(&config.data).ok()?.first_sps().ok()?.frame_rate?;
    let fraction = (i32::try_from(frames).ok()?, i32::try_from(seconds).ok()?);
    (fraction.0 > 0 && fraction.1 > 0).then_some(fraction)
}

fn clock_time(ns: i64) -> Option<gst::ClockTime> {
    u64::try_from(ns).ok().map(gst::ClockTime::from_nseconds)
}
