//! One rendition in the worker's pipeline: what scales, what encodes, and what takes its frames out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};
use stagebox_hw_probe::trial;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use super::encoder::Elements;
use super::keys::KeyGrid;
use super::ladder::Scaled;
use super::pipeline::{PipelineError, Sink};
use super::protocol::Wanted;

/// Pictures that may wait for an encoder: enough that a large one does not hold up the others.
const MAX_QUEUED: u32 = 4;

/// Presentation times of the key frames that an encoder has yet to make.
pub(super) type Keys = Arc<Mutex<BTreeSet<i64>>>;

/// From any picture to one of this size in I420 with square pixels.
pub(super) fn scaler(scaled: Scaled) -> Result<[gst::Element; 2], PipelineError> {
    let scaler = element("videoscale")?;
    scaler.set_property("add-borders", false);
    let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
    let size = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", side(scaled.width))
        .field("height", side(scaled.height))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    Ok([scaler, caps_filter(&size.build())?])
}

/// From pictures of the right size to packets; returns the first element and the keys to force.
pub(super) fn encoder(
    pipeline: &gst::Pipeline,
    wanted: &Wanted,
    elements: &Elements,
    grid: Option<KeyGrid>,
    sink: Sink,
) -> Result<(gst::Element, Keys), PipelineError> {
    let queue = element("queue")?;
    queue.set_property("max-size-buffers", MAX_QUEUED);
    queue.set_property("max-size-bytes", 0u32);
    queue.set_property("max-size-time", 0u64);
    if let Some(after_ns) = wanted.after_ns {
        leave_out(&queue, after_ns);
    }
    let mut chain = vec![queue.clone()];
    if elements.raw_format != "I420" {
        let raw = gst::Caps::builder("video/x-raw").field("format", elements.raw_format).build();
        chain.extend([element("videoconvert")?, caps_filter(&raw)?]);
    }
    if let Some(uploader) = elements.uploader {
        chain.push(element(uploader)?);
    }
    let encoder = element(elements.encoder.element())?;
    trial::apply(&encoder, &elements.settings).map_err(PipelineError::Build)?;
    let keys = Keys::default();
    match grid {
        Some(grid) => force_keys(&encoder, on_grid(grid)),
        None => force_keys(&encoder, where_known(Arc::clone(&keys))),
    }
    chain.push(encoder);
    let output_caps: gst::Caps = elements
        .output_caps
        .parse()
        .map_err(|_| PipelineError::Build(format!("caps `{}` are malformed", elements.output_caps)))?;
    if elements.parse {
        // As a filter at the encoder itself: the parser takes any.
        chain.extend([caps_filter(&output_caps)?, element("h264parse")?]);
    }
    let mut coded = output_caps;
    for structure in coded.make_mut().iter_mut() {
        structure.set("stream-format", "avc");
        structure.set("alignment", "au");
    }
    chain.extend([caps_filter(&coded)?, output(wanted.number, sink).upcast()]);
    let build = |error: gst::glib::BoolError| PipelineError::Build(error.to_string());
    pipeline.add_many(&chain).map_err(build)?;
    gst::Element::link_many(&chain).map_err(build)?;
    Ok((queue, keys))
}

pub(super) fn element(name: &str) -> Result<gst::Element, PipelineError> {
    gst::ElementFactory::make(name).build().map_err(|error| PipelineError::Build(error.to_string()))
}

pub(super) fn caps_filter(caps: &gst::Caps) -> Result<gst::Element, PipelineError> {
    let filter = element("capsfilter")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

/// Pictures up to this time were delivered by another worker; encoding them again would only cost.
///
/// `Handled`, not `Drop`: after `Drop` the bindings and GStreamer both let go of the picture.
fn leave_out(queue: &gst::Element, after_ns: i64) {
    let Some(pad) = queue.static_pad("sink") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let pts_ns = info.buffer().map_or(i64::MIN, |buffer| pts_ns(buffer));
        if pts_ns <= after_ns { gst::PadProbeReturn::Handled } else { gst::PadProbeReturn::Ok }
    });
}

/// A key frame is due wherever the source had one.
fn where_known(keys: Keys) -> impl Fn(i64) -> bool + Send + Sync + 'static {
    move |pts_ns| {
        let mut keys = lock(&keys);
        let later = keys.split_off(&pts_ns.saturating_add(1));
        // One that the decoder could not show is made up for with the next picture.
        !std::mem::replace(&mut *keys, later).is_empty()
    }
}

/// A key frame is due with the first picture of each stretch; an encoder's first picture is one anyway.
fn on_grid(grid: KeyGrid) -> impl Fn(i64) -> bool + Send + Sync + 'static {
    let reached = AtomicI64::new(i64::MAX);
    move |pts_ns| {
        let number = grid.number(pts_ns);
        reached.swap(number, Ordering::Relaxed) < number
    }
}

/// Asks the encoder for key frames where they are `due`.
fn force_keys(encoder: &gst::Element, due: impl Fn(i64) -> bool + Send + Sync + 'static) {
    let Some(pad) = encoder.static_pad("sink") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if info.buffer().is_some_and(|buffer| due(pts_ns(buffer))) {
            let ask =
                gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).field("count", 0u32);
            pad.send_event(gst::event::CustomDownstream::new(ask.build()));
        }
        gst::PadProbeReturn::Ok
    });
}

fn output(number: u8, sink: Sink) -> AppSink {
    let mut known = Bytes::new();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |output| {
        let sample = output.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let header = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        if let Some(header) = header.and_then(|header| bytes_of(&header)).filter(|header| *header != known) {
            known = header.clone();
            let config =
                TrackConfig { track: Track::Video, codec: Codec::H264, epoch: Epoch::UNKNOWN, data: header };
            sink(number, Packet::Config(config));
        }
        if let Some(frame) = frame_of(&sample) {
            sink(number, Packet::Frame(frame));
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

fn pts_ns(buffer: &gst::BufferRef) -> i64 {
    buffer.pts().map_or(i64::MIN, |pts| i64::try_from(pts.nseconds()).unwrap_or(i64::MAX))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
