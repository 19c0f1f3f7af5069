//! The worker's decoder, scaler and encoder, in GStreamer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use super::ladder::Scaled;

/// Bytes that wait for the decoder before the worker takes no more.
const MAX_QUEUED_BYTES: u64 = 8 * 1024 * 1024;
/// How long what is inside may take to come out.
const DRAIN_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Why a picture could not be transcoded.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error("cannot build the pipeline ({0}); are GStreamer's libav and x264 plugins installed?")]
    Build(String),
    #[error("the pipeline failed in {element}: {detail}")]
    Run { element: String, detail: String },
    #[error("what was given did not come out within {} s", DRAIN_LIMIT.seconds())]
    Drain,
}

/// Takes each packet as it comes out.
pub(super) type Sink = Arc<dyn Fn(Packet) + Send + Sync>;

/// One decode and one encode, for frames of one configuration.
#[derive(Debug)]
pub(super) struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    keys: Arc<Mutex<BTreeSet<i64>>>,
}

impl Pipeline {
    pub(super) fn new(config: &TrackConfig, scaled: Scaled, sink: Sink) -> Result<Self, PipelineError> {
        let build = |error: gst::glib::BoolError| PipelineError::Build(error.to_string());
        let source = AppSrc::builder()
            .caps(&source_caps(config))
            .format(gst::Format::Time)
            .block(true)
            .max_bytes(MAX_QUEUED_BYTES)
            .build();
        let decoder = element("avdec_h264")?;
        // Frame threads would hold pictures back.
        decoder.set_property("max-threads", 1i32);
        let scaler = element("videoscale")?;
        scaler.set_property("add-borders", false);
        let size = caps_filter(
            &gst::Caps::builder("video/x-raw")
                .field("width", scaled.width as i32)
                .field("height", scaled.height as i32)
                .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
                .build(),
        )?;
        let converter = element("videoconvert")?;
        let format = caps_filter(&gst::Caps::builder("video/x-raw").field("format", "I420").build())?;
        let encoder = encoder(scaled)?;
        let coded = caps_filter(
            &gst::Caps::builder("video/x-h264")
                .field("profile", "main")
                .field("stream-format", "avc")
                .field("alignment", "au")
                .build(),
        )?;
        let output = output(sink);
        let pipeline = gst::Pipeline::new();
        let chain: [&gst::Element; 9] = [
            source.upcast_ref(),
            &decoder,
            &scaler,
            &size,
            &converter,
            &format,
            &encoder,
            &coded,
            output.upcast_ref(),
        ];
        pipeline.add_many(chain).map_err(build)?;
        gst::Element::link_many(chain).map_err(build)?;
        let keys = Arc::default();
        force_keys(&encoder, Arc::clone(&keys));
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|_| PipelineError::Build("it does not start playing".to_owned()))?;
        Ok(Self { pipeline, source, keys })
    }

    /// Gives the next frame; waits while too much is queued.
    pub(super) fn push(&self, frame: &Frame) -> Result<(), PipelineError> {
        if frame.key {
            lock(&self.keys).insert(frame.pts_ns);
        }
        let mut buffer = gst::Buffer::from_slice(frame.data.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(clock_time(frame.pts_ns));
            buffer.set_dts(clock_time(frame.dts_ns));
            if !frame.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        let pushed = self.source.push_buffer(buffer);
        self.check()?;
        pushed.map(drop).map_err(|error| PipelineError::Run {
            element: "the source".to_owned(),
            detail: error.to_string(),
        })
    }

    /// Waits until everything has come out; nothing can be given afterwards.
    pub(super) fn drain(&self) -> Result<(), PipelineError> {
        let _ = self.source.end_of_stream();
        let Some(bus) = self.pipeline.bus() else { return Ok(()) };
        let types = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(DRAIN_LIMIT, &types) {
            Some(message) => failure(&message).map_or(Ok(()), Err),
            None => Err(PipelineError::Drain),
        }
    }

    fn check(&self) -> Result<(), PipelineError> {
        let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        message.as_deref().and_then(failure).map_or(Ok(()), Err)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Only a state that cannot be left fails to, and the process ends then anyway.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn failure(message: &gst::MessageRef) -> Option<PipelineError> {
    let gst::MessageView::Error(error) = message.view() else { return None };
    Some(PipelineError::Run {
        element: message.src().map_or_else(|| "the pipeline".to_owned(), |source| source.name().to_string()),
        detail: error.error().to_string(),
    })
}

fn element(name: &str) -> Result<gst::Element, PipelineError> {
    gst::ElementFactory::make(name).build().map_err(|error| PipelineError::Build(error.to_string()))
}

fn caps_filter(caps: &gst::Caps) -> Result<gst::Element, PipelineError> {
    let filter = element("capsfilter")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

fn encoder(scaled: Scaled) -> Result<gst::Element, PipelineError> {
    let encoder = element("x264enc")?;
    encoder.set_property_from_str("tune", "zerolatency");
    encoder.set_property_from_str("speed-preset", "veryfast");
    // Threads would cost more than they bring for a picture this small.
    encoder.set_property("threads", 1u32);
    encoder.set_property("bitrate", scaled.bitrate_kbps);
    encoder.set_property("bframes", 0u32);
    // Key frames are where the source has them, and nowhere else.
    encoder.set_property("key-int-max", 10_000u32);
    encoder.set_property("option-string", "scenecut=0");
    Ok(encoder)
}

fn source_caps(config: &TrackConfig) -> gst::Caps {
    gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(config.data.clone()))
        .build()
}

/// Asks the encoder for a key frame wherever the source had one.
fn force_keys(encoder: &gst::Element, keys: Arc<Mutex<BTreeSet<i64>>>) {
    let Some(pad) = encoder.static_pad("sink") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let pts = info.buffer().and_then(|buffer| buffer.pts());
        let pts_ns = pts.map_or(i64::MIN, |pts| i64::try_from(pts.nseconds()).unwrap_or(i64::MAX));
        let due = {
            let mut keys = lock(&keys);
            let later = keys.split_off(&pts_ns.saturating_add(1));
            // One that the decoder could not show is made up for with the next picture.
            !std::mem::replace(&mut *keys, later).is_empty()
        };
        if due {
            let ask =
                gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).field("count", 0u32);
            pad.send_event(gst::event::CustomDownstream::new(ask.build()));
        }
        gst::PadProbeReturn::Ok
    });
}

fn output(sink: Sink) -> AppSink {
    let mut known = Bytes::new();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |output| {
        let sample = output.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let header = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        if let Some(header) = header.and_then(|header| bytes_of(&header)).filter(|header| *header != known) {
            known = header.clone();
            sink(Packet::Config(TrackConfig {
                track: Track::Video,
                codec: Codec::H264,
                epoch: Epoch::UNKNOWN,
                data: header,
            }));
        }
        if let Some(frame) = frame_of(&sample) {
            sink(Packet::Frame(frame));
        }
        Ok(gst::FlowSuccess::Ok)
    });
    AppSink::builder().sync(false).callbacks(callbacks.build()).build()
}

fn frame_of(sample: &gst::Sample) -> Option<Frame> {
    let buffer = sample.buffer()?;
    // The encoder shifts its timestamps so that none is negative, and says so in the segment.
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let pts = segment.to_running_time(buffer.pts()?)?;
    let pts_ns = i64::try_from(pts.nseconds()).ok()?;
    Some(Frame {
        track: Track::Video,
        codec: Codec::H264,
        epoch: Epoch::UNKNOWN,
        pts_ns,
        // Without B frames they are decoded in the order in which they are shown.
        dts_ns: pts_ns,
        key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        data: Bytes::copy_from_slice(&buffer.map_readable().ok()?),
    })
}

fn bytes_of(buffer: &gst::Buffer) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(&buffer.map_readable().ok()?))
}

fn clock_time(ns: i64) -> Option<gst::ClockTime> {
    u64::try_from(ns).ok().map(gst::ClockTime::from_nseconds)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
