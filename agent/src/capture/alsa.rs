//! Sound of an ALSA input, opened and closed in a thread of its own, so that nobody waits for a device.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for the device and between its starts")]

use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::adjust::{lacks, pick};
use super::file::{channels_of, into_samples};
use super::{CHANNELS, CaptureError, SAMPLE_RATE, element};
use crate::clock::monotonic_ns;
use crate::config::ChannelPair;

/// Time after which a device that failed is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked whether all is well.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// A device that gives nothing for so long is opened anew.
const NOTHING_NS: i64 = 2_000_000_000;
/// Blocks that may wait for the beat: five seconds.
const MOST_BLOCKS: usize = 512;
/// What the device is asked for, in microseconds: its blocks, and how long it may wait for the machine.
const BLOCK_US: i64 = 10_000;
const BUFFER_US: i64 = 200_000;
/// The most channels that are taken from a device.
const MOST_CHANNELS: usize = 64;

/// A piece of sound: two channels, interleaved.
#[derive(Debug)]
pub(super) struct Block {
    /// When it came, on the stream's timeline.
    pub(super) at_ns: i64,
    pub(super) samples: Vec<f32>,
}

/// An input that is opened again and again until it is there.
#[derive(Debug)]
pub(super) struct Device {
    blocks: Receiver<Block>,
    shared: Arc<Shared>,
}

/// What to open, and what of it to take.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    pair: ChannelPair,
    origin_ns: i64,
}

/// What the device's thread and the capturing one share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// When sound came last.
    came_ns: AtomicI64,
    channels: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    trouble: Option<String>,
}

impl Device {
    /// Begins to look for it; `origin_ns` is where the stream's timeline has its zero.
    pub(super) fn open(name: &str, pair: ChannelPair, origin_ns: i64) -> Self {
        let (give, blocks) = sync_channel(MOST_BLOCKS);
        let shared = Arc::new(Shared::default());
        let wanted = Wanted { name: name.to_owned(), pair, origin_ns };
        let threads = shared.clone();
        let spawned = std::thread::Builder::new().name("sound-device".to_owned());
        if let Err(error) = spawned.spawn(move || run(&wanted, &give, &threads)) {
            shared.lock().trouble = Some(format!("audio.device: no thread for it: {error}"));
        }
        Self { blocks, shared }
    }

    /// What has come since the last call.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.blocks.try_iter()
    }

    /// Why nothing comes.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble.clone()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // A driver that hangs is waited for by nobody.
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits before the next try; whether there shall be one.
    fn rest(&self) -> bool {
        let woken = self.changed.wait_timeout_while(self.lock(), RETRY, |state| !state.stopped);
        !woken.unwrap_or_else(PoisonError::into_inner).0.stopped
    }
}

fn run(wanted: &Wanted, give: &SyncSender<Block>, shared: &Arc<Shared>) {
    loop {
        let ended = match play(wanted, give, shared) {
            Ok(pipeline) => {
                let ended = watch(&pipeline, wanted, shared);
                close(&pipeline);
                ended
            }
            Err(trouble) => Some(trouble),
        };
        let Some(trouble) = ended else { return };
        let mut state = shared.lock();
        if state.trouble.as_ref() != Some(&trouble) {
            tracing::warn!("{trouble}");
            state.trouble = Some(trouble);
        }
        drop(state);
        if !shared.rest() {
            return;
        }
    }
}

/// Opens the device and has it play.
fn play(wanted: &Wanted, give: &SyncSender<Block>, shared: &Arc<Shared>) -> Result<gst::Pipeline, String> {
    let name = &wanted.name;
    let (pipeline, source, filter) =
        build(wanted, give, shared).map_err(|error| format!("audio.device: {error}"))?;
    let failed = |pipeline: &gst::Pipeline| {
        let reason = failure(pipeline).unwrap_or_else(|| "it does not start".to_owned());
        close(pipeline);
        format!("audio.device: {name}: {reason}; plug it in, or give one that `arecord -l` lists")
    };
    // Opened, it says what it can do.
    if pipeline.set_state(gst::State::Ready).is_err() {
        return Err(failed(&pipeline));
    }
    let able = source.static_pad("src").map_or_else(gst::Caps::new_empty, |pad| pad.query_caps(None));
    let caps = wishes(wanted.pair).into_iter().map(|wish| able.intersect(&wish));
    let Some(caps) = caps.into_iter().find(|caps| !caps.is_empty()) else {
        close(&pipeline);
        return Err(format!("audio.device: {name} has no format that can be used: {able}"));
    };
    filter.set_property("caps", &caps);
    shared.came_ns.store(monotonic_ns(), Ordering::Relaxed);
    if pipeline.set_state(gst::State::Playing).is_err() {
        return Err(failed(&pipeline));
    }
    Ok(pipeline)
}

fn build(
    wanted: &Wanted,
    give: &SyncSender<Block>,
    shared: &Arc<Shared>,
) -> Result<(gst::Pipeline, gst::Element, gst::Element), CaptureError> {
    const BASE: &str = "gstreamer1.0-plugins-base";
    let source = element("alsasrc", "gstreamer1.0-alsa")?;
    source.set_property("device", &wanted.name);
    source.set_property("latency-time", BLOCK_US);
    source.set_property("buffer-time", BUFFER_US);
    let filter = element("capsfilter", BASE)?;
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", i32::try_from(SAMPLE_RATE).unwrap_or(i32::MAX))
        .build();
    let (wanted, give, shared) = (wanted.clone(), give.clone(), shared.clone());
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let now_ns = monotonic_ns();
            shared.came_ns.store(now_ns, Ordering::Relaxed);
            let channels = channels_of(&sample);
            shared.channels.store(channels, Ordering::Relaxed);
            if let Some(samples) = samples(&sample).and_then(|all| pick(&all, channels, wanted.pair)) {
                // Where nobody takes it any more, it is lost.
                let _ = give.try_send(Block { at_ns: now_ns - wanted.origin_ns, samples });
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    let [convert, resample, sink] = into_samples(&caps, callbacks)?;
    let chain = [source.clone(), filter.clone(), convert, resample, sink];
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    Ok((pipeline, source, filter))
}

/// What is asked of a device, the best first: the channels, the stream's own rate, and more than 16 bits. One format a
/// wish, so that a device that can do several always gives the same.
fn wishes(pair: ChannelPair) -> Vec<gst::Caps> {
    let mut wishes = Vec::new();
    for least in [pair.first() + CHANNELS, 1] {
        for rate in [format!(",rate={SAMPLE_RATE}"), String::new()] {
            for format in ["S32LE", "S24_32LE", "S24LE", "F32LE", ""] {
                let format = if format.is_empty() { String::new() } else { format!(",format={format}") };
                let text = format!("audio/x-raw,channels=[{least},{MOST_CHANNELS}]{rate}{format}");
                wishes.extend(gst::Caps::from_str(&text));
            }
        }
    }
    wishes
}

fn samples(sample: &gst::Sample) -> Option<Vec<f32>> {
    let map = sample.buffer()?.map_readable().ok()?;
    let (values, _) = map.as_chunks::<4>();
    Some(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Waits until it fails or nobody wants it any more; why it failed.
fn watch(pipeline: &gst::Pipeline, wanted: &Wanted, shared: &Shared) -> Option<String> {
    let name = &wanted.name;
    let opened_ns = shared.came_ns.load(Ordering::Relaxed);
    let bus = pipeline.bus()?;
    loop {
        let message = bus.timed_pop_filtered(LOOK, &[gst::MessageType::Error, gst::MessageType::Eos]);
        if let Some(message) = message {
            let reason = words(&message);
            return Some(format!(
                "audio.device: {name}: {reason}; plug it in, or give one that `arecord -l` lists"
            ));
        }
        let came_ns = shared.came_ns.load(Ordering::Relaxed);
        let mut state = shared.lock();
        if state.stopped {
            return None;
        }
        if monotonic_ns() - came_ns > NOTHING_NS {
            let trouble = format!("audio.device: {name} gives no sound: look at its cable and its power");
            // Told before it is closed: that may hang too.
            state.trouble = Some(trouble.clone());
            return Some(trouble);
        }
        if came_ns > opened_ns {
            let channels = shared.channels.load(Ordering::Relaxed);
            let has_pair = pick(&vec![0.0; channels], channels, wanted.pair).is_some();
            let trouble = (!has_pair).then(|| lacks(wanted.pair, channels));
            if state.trouble != trouble {
                match &trouble {
                    Some(trouble) => tracing::warn!("{trouble}"),
                    None => tracing::info!(device = name, channels, "sound comes"),
                }
                state.trouble = trouble;
            }
        }
    }
}

fn failure(pipeline: &gst::Pipeline) -> Option<String> {
    Some(words(&pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?))
}

/// What went wrong, with what alsa-lib said of it.
fn words(message: &gst::Message) -> String {
    let gst::MessageView::Error(error) = message.view() else { return "it has stopped".to_owned() };
    let text = error.error().to_string();
    let debug = error.debug().unwrap_or_default();
    let cause = debug.lines().last().and_then(|line| line.rsplit_once(": ")).map(|(_, cause)| cause);
    let text = text.trim_end_matches('.');
    cause.map_or_else(|| text.to_owned(), |cause| format!("{text} ({cause})"))
}

fn close(pipeline: &gst::Pipeline) {
    // A device that is gone need not stop well.
    let _ = pipeline.set_state(gst::State::Null);
}
