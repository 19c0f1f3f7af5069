//! A trial encode with GStreamer: the only proof that an encoder works.
//!
//! An element can be there without its device, and a device can refuse the
//! real size. So frames of the real size and rate go in, and H.264 must come
//! out in time. A driver may hang for ever in a state change: the pipeline
//! lives in a thread of its own, which is left behind then. A driver may also
//! crash the process: call this from the media process.
#![allow(clippy::disallowed_methods, reason = "a driver: it measures how long encoding takes")]

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};
use stagebox_hw::{
    Encoder,
    encoder::{EncodeTarget, Setting, TrialOutcome},
};

use crate::{InstalledEncoder, Trial};

/// How much longer than the trial's limit a hung driver is waited for.
const GRACE: Duration = Duration::from_millis(500);

/// The encoders whose elements are registered.
#[must_use]
pub fn installed() -> Vec<InstalledEncoder> {
    if gst::init().is_err() {
        return Vec::new();
    }
    Encoder::ALL
        .into_iter()
        .filter_map(|encoder| {
            let plugin = gst::ElementFactory::find(encoder.element())?.plugin()?;
            Some(InstalledEncoder {
                encoder,
                plugin: plugin.plugin_name().to_string(),
                plugin_version: plugin.version().to_string(),
            })
        })
        .collect()
}

/// Encodes the trial's frames, within its limit.
#[must_use]
pub fn run(trial: &Trial) -> TrialOutcome {
    let limit = Duration::from_millis(trial.limit_ms);
    let (done, outcome) = mpsc::channel();
    let task = trial.clone();
    let started = thread::Builder::new().name(format!("trial-{}", trial.encoder)).spawn(move || {
        let result = encode(&task, limit);
        // Nobody waits any more if the limit is over.
        let _late = done.send(result);
    });
    if let Err(error) = started {
        return TrialOutcome::Failed { reason: format!("start a thread for the trial: {error}") };
    }
    match outcome.recv_timeout(limit + GRACE) {
        Ok(Ok(times)) => times.outcome(trial),
        Ok(Err(reason)) => TrialOutcome::Failed { reason },
        Err(_) => {
            TrialOutcome::Failed { reason: format!("{} hung for {} ms", trial.encoder, trial.limit_ms) }
        }
    }
}

/// Sets properties from text, with an error for what the element does not know.
///
/// # Errors
/// Names the property that is missing or the value that does not fit.
pub fn apply(element: &gst::Element, settings: &[Setting]) -> Result<(), String> {
    for Setting { property, value } in settings {
        let name = element.name();
        let pspec =
            element.find_property(property).ok_or_else(|| format!("{name} has no property `{property}`"))?;
        let parsed = gst::glib::Value::deserialize(value, pspec.value_type())
            .map_err(|_| format!("{name}: `{property}` does not take `{value}`"))?;
        element.set_property_from_value(property, &parsed);
    }
    Ok(())
}

/// When encoded frames came out.
#[derive(Debug, Default)]
struct Times {
    frames: u32,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Times {
    fn outcome(&self, trial: &Trial) -> TrialOutcome {
        if self.frames < trial.frames {
            let reason = format!("{} gave {} of {} frames", trial.encoder, self.frames, trial.frames);
            return TrialOutcome::Failed { reason };
        }
        // From the first to the last: starting a device up is not what it costs to run.
        let took = self.first.zip(self.last).map_or(Duration::ZERO, |(first, last)| last - first);
        let played_us = u64::from(trial.frames - 1) * 1_000_000 / u64::from(trial.mode.fps.max(1));
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let speed_percent = u32::try_from(played_us.saturating_mul(100) / took_us).unwrap_or(u32::MAX);
        if speed_percent >= 100 {
            TrialOutcome::Works { speed_percent }
        } else {
            TrialOutcome::TooSlow { speed_percent }
        }
    }
}

fn encode(trial: &Trial, limit: Duration) -> Result<Times, String> {
    gst::init().map_err(|error| format!("start GStreamer: {error}"))?;
    let deadline = Instant::now() + limit;
    let pipeline = gst::Pipeline::new();
    let times = Arc::new(Mutex::new(Times::default()));
    build(&pipeline, trial, &times)?;
    let ended = play(&pipeline, trial.encoder, deadline);
    let _stopped = pipeline.set_state(gst::State::Null);
    ended?;
    let times = times.lock().map_err(|_| "the trial's counter is broken".to_owned())?;
    Ok(Times { ..*times })
}

fn build(pipeline: &gst::Pipeline, trial: &Trial, times: &Arc<Mutex<Times>>) -> Result<(), String> {
    let make =
        |name: &str| gst::ElementFactory::make(name).build().map_err(|_| format!("{name} is not installed"));
    let filter = |caps: &str| -> Result<gst::Element, String> {
        let filter = make("capsfilter")?;
        let caps: gst::Caps = caps.parse().map_err(|_| format!("caps `{caps}` are malformed"))?;
        filter.set_property("caps", caps);
        Ok(filter)
    };
    let (encoder, mode) = (trial.encoder, trial.mode);
    let source = make("videotestsrc")?;
    let count = i32::try_from(trial.frames).unwrap_or(i32::MAX);
    source.set_property("num-buffers", count);
    let raw = format!(
        "video/x-raw,format={},width={},height={},framerate={}/1",
        encoder.raw_format(),
        mode.width,
        mode.height,
        mode.fps
    );
    let element = make(encoder.element())?;
    let target = EncodeTarget {
        bitrate_kbps: trial.bitrate_kbps,
        gop_frames: mode.fps.max(1) * 2,
        preset: trial.preset.clone(),
    };
    apply(&element, &encoder.settings(&target))?;
    let sink = make("fakesink")?;
    sink.set_property("sync", false);
    count_frames(&sink, times)?;

    let mut chain = vec![source, filter(&raw)?];
    if let Some(uploader) = encoder.uploader() {
        chain.push(make(uploader)?);
    }
    chain.extend([element, filter(encoder.output_caps())?, sink]);
    pipeline.add_many(&chain).map_err(|error| format!("build the trial: {error}"))?;
    gst::Element::link_many(&chain).map_err(|_| format!("{encoder} does not take {mode}"))
}

fn count_frames(sink: &gst::Element, times: &Arc<Mutex<Times>>) -> Result<(), String> {
    let times = Arc::clone(times);
    let pad = sink.static_pad("sink").ok_or("fakesink has no sink pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let filled = matches!(&info.data, Some(gst::PadProbeData::Buffer(buffer)) if buffer.size() > 0);
        if let (true, Ok(mut times)) = (filled, times.lock()) {
            let now = Instant::now();
            times.frames += 1;
            times.first.get_or_insert(now);
            times.last = Some(now);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn play(pipeline: &gst::Pipeline, encoder: Encoder, deadline: Instant) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("a pipeline without a bus")?;
    if pipeline.set_state(gst::State::Playing).is_err() {
        let why = bus.pop_filtered(&[gst::MessageType::Error]).map(|message| told(&message));
        return Err(why.unwrap_or_else(|| format!("{encoder} does not start")));
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let left = gst::ClockTime::from_mseconds(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    match bus.timed_pop_filtered(left, &[gst::MessageType::Error, gst::MessageType::Eos]) {
        Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
        Some(message) => Err(told(&message)),
        None => Err(format!("{encoder} was not done in time")),
    }
}

fn told(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => match error.debug() {
            Some(debug) => format!("{} ({})", error.error(), debug.lines().last().unwrap_or_default()),
            None => error.error().to_string(),
        },
        _ => "an unexpected message".to_owned(),
    }
}
