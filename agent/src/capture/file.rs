//! A video file played as if it were plugged in: in real time, again and again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use stagebox_protocol::telemetry::{SignalState, SignalStatus};

use super::adjust::{lacks, pick};
use super::feed::Feed;
use super::{CHANNELS, CaptureError, Captured, Mend, PictureFormat, SAMPLE_RATE, Source, Tick, element};
use crate::config::ChannelPair;

/// How long a file may take to show its first picture.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Decoded ahead, so that going back to the start is not seen.
const AHEAD_SAMPLES: usize = SAMPLE_RATE as usize;

const BASE: &str = "gstreamer1.0-plugins-base";

pub(super) struct FileSource {
    path: PathBuf,
    format: PictureFormat,
    decoder: Arc<Decoder>,
    pipeline: gst::Pipeline,
    looper: Option<std::thread::JoinHandle<()>>,
}

/// What the decoding threads and the capturing one share.
struct Decoder {
    state: Mutex<State>,
    changed: Condvar,
    ahead_pictures: usize,
    /// The channels that are wanted; all of them mixed without it.
    pair: Option<ChannelPair>,
}

struct State {
    feed: Feed<gst::Buffer>,
    picture: Lane,
    sound: Lane,
    /// All tracks of the file are known.
    complete: bool,
    stopped: bool,
    trouble: Option<String>,
    /// The wanted channels are not there.
    sound_trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Absent,
    Playing,
    Ended,
}

impl FileSource {
    pub(super) fn open(
        path: &Path,
        format: PictureFormat,
        pair: Option<ChannelPair>,
    ) -> Result<Self, CaptureError> {
        let unreadable = |problem: String| CaptureError::File { path: path.to_owned(), problem };
        let meta = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
        if !meta.is_file() {
            return Err(unreadable("is not a file".to_owned()));
        }
        std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let decoder = Arc::new(Decoder {
            state: Mutex::new(State {
                feed: Feed::new(format.fps),
                picture: Lane::Absent,
                sound: Lane::Absent,
                complete: false,
                stopped: false,
                trouble: None,
                sound_trouble: None,
            }),
            changed: Condvar::new(),
            ahead_pictures: (format.fps as usize).div_ceil(2).max(4),
            pair,
        });
        let pipeline = build(path, format, &decoder)?;
        let mut source =
            Self { path: path.to_owned(), format, decoder: decoder.clone(), pipeline, looper: None };
        let started = source.pipeline.set_state(gst::State::Playing);
        let looped = source.pipeline.clone();
        source.looper = std::thread::Builder::new()
            .name("file-loop".to_owned())
            .spawn(move || run_loop(&looped, &decoder))
            .ok();
        if started.is_err() {
            source.decoder.lock().trouble.get_or_insert_with(|| "cannot be played".to_owned());
        }
        source.decoder.wait_for_start().map_err(unreadable)?;
        Ok(source)
    }
}

impl Source for FileSource {
    fn capture(&mut self, tick: &Tick) -> Result<Captured, CaptureError> {
        let mut state = self.decoder.lock();
        if let Some(problem) = state.trouble.clone() {
            return Err(CaptureError::Stopped { path: self.path.clone(), problem });
        }
        let picture = state.feed.take_picture(tick.index);
        let sound = state.feed.take_sound(tick.first_sample..tick.first_sample + tick.samples as u64);
        self.decoder.changed.notify_all();
        Ok(Captured { picture, sound })
    }

    fn signal(&self) -> SignalStatus {
        let state = self.decoder.lock();
        SignalStatus {
            state: SignalState::Locked,
            source: self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into()),
            width: self.format.width,
            height: self.format.height,
            fps: self.format.fps as f32,
            audio: state.sound != Lane::Absent && state.sound_trouble.is_none(),
            reason: None,
            alarms: Vec::new(),
        }
    }

    fn sound_trouble(&self) -> Option<String> {
        self.decoder.lock().sound_trouble.clone()
    }

    fn mend(&mut self, _: Mend) {}
}

impl Drop for FileSource {
    fn drop(&mut self) {
        self.decoder.lock().stopped = true;
        self.decoder.changed.notify_all();
        // A pipeline that does not stop has nothing left to tell.
        let _ = self.pipeline.set_state(gst::State::Null);
        if let Some(looper) = self.looper.take() {
            let _ = looper.join();
        }
    }
}

impl Decoder {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_start(&self) -> Result<(), String> {
        let ready = |state: &State| {
            state.trouble.is_some()
                || (state.complete
                    && (state.picture == Lane::Absent || state.feed.pictures_waiting() > 0)
                    && (state.sound != Lane::Playing || state.feed.samples_waiting() > 0))
        };
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), START_LIMIT, |state| !ready(state))
            .unwrap_or_else(PoisonError::into_inner);
        match &state.trouble {
            Some(problem) => Err(problem.clone()),
            None if state.complete && state.picture == Lane::Absent => Err("has no picture".to_owned()),
            None if !ready(&state) => Err(format!("shows no picture within {START_LIMIT:?}")),
            None => Ok(()),
        }
    }

    /// Hands a decoded picture on, once there is room.
    fn push_picture(&self, at_ns: u64, picture: gst::Buffer) {
        let mut state = self.lock();
        while !state.stopped && state.feed.pictures_waiting() >= self.ahead_pictures {
            state = self.wait(state);
        }
        state.feed.push_picture(at_ns, picture);
        self.changed.notify_all();
    }

    /// Hands decoded sound of so many channels on, once there is room.
    fn push_sound(&self, at_ns: u64, mut samples: Vec<f32>, channels: usize) {
        let mut sound_trouble = None;
        if let Some(pair) = self.pair {
            samples = pick(&samples, channels, pair).unwrap_or_else(|| {
                sound_trouble = Some(lacks(pair, channels));
                vec![0.0; samples.len() / channels.max(1) * CHANNELS]
            });
        }
        let mut state = self.lock();
        state.sound_trouble = sound_trouble;
        while !state.stopped && state.feed.samples_waiting() >= AHEAD_SAMPLES {
            state = self.wait(state);
        }
        state.feed.push_sound(at_ns, samples);
        self.changed.notify_all();
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Starts over whenever both tracks have come to their end, until stopped.
fn run_loop(pipeline: &gst::Pipeline, decoder: &Decoder) {
    let Some(bus) = pipeline.bus() else { return };
    loop {
        if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
            && let gst::MessageView::Error(error) = message.view()
        {
            let problem = error.error().to_string();
            return decoder.set(|state| state.trouble = Some(problem));
        }
        let mut state = decoder.lock();
        if state.stopped || state.trouble.is_some() {
            return;
        }
        let playing = [state.picture, state.sound].contains(&Lane::Playing);
        if !state.complete || playing || state.picture == Lane::Absent {
            let poll = Duration::from_millis(100);
            drop(decoder.changed.wait_timeout(state, poll).unwrap_or_else(PoisonError::into_inner));
            continue;
        }
        if !state.feed.end_pass() {
            state.trouble = Some("no picture of it can be decoded".to_owned());
            continue;
        }
        state.picture = Lane::Playing;
        if state.sound == Lane::Ended {
            state.sound = Lane::Playing;
        }
        drop(state);
        if let Err(error) = pipeline.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO) {
            return decoder.set(|state| state.trouble = Some(format!("cannot start over: {error}")));
        }
    }
}

fn build(path: &Path, format: PictureFormat, decoder: &Arc<Decoder>) -> Result<gst::Pipeline, CaptureError> {
    let pipeline = gst::Pipeline::new();
    let read = element("filesrc", "gstreamer1.0-plugins-base")?;
    read.set_property("location", path);
    let decode = element("decodebin", BASE)?;
    pipeline.add_many([&read, &decode])?;
    read.link(&decode)?;
    let (weak, shared) = (pipeline.downgrade(), decoder.clone());
    decode.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        if let Err(error) = take_pad(&pipeline, pad, format, &shared) {
            shared.set(|state| state.trouble = Some(error.to_string()));
        }
    });
    let shared = decoder.clone();
    decode.connect_no_more_pads(move |_| shared.set(|state| state.complete = true));
    Ok(pipeline)
}

/// Takes the file's first picture track and first sound track.
fn take_pad(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    format: PictureFormat,
    decoder: &Arc<Decoder>,
) -> Result<(), CaptureError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let kind = caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default();
    let chain = {
        let mut state = decoder.lock();
        match kind.as_str() {
            "video/x-raw" if state.picture == Lane::Absent => {
                state.picture = Lane::Playing;
                picture_chain(format, decoder)?
            }
            "audio/x-raw" if state.sound == Lane::Absent => {
                state.sound = Lane::Playing;
                sound_chain(decoder)?
            }
            _ => vec![element("fakesink", "gstreamer1.0-plugins-base")?],
        }
    };
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    for element in &chain {
        element.sync_state_with_parent()?;
    }
    let sink = chain.first().and_then(|first| first.static_pad("sink"));
    let linked = sink.is_some_and(|sink| pad.link(&sink).is_ok());
    if !linked {
        decoder.set(|state| state.trouble = Some(format!("its track {kind} cannot be played")));
    }
    Ok(())
}

fn picture_chain(format: PictureFormat, decoder: &Arc<Decoder>) -> Result<Vec<gst::Element>, CaptureError> {
    let (samples, end) = (decoder.clone(), decoder.clone());
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let (Some(at), Some(buffer)) = (running_ns(&sample), sample.buffer_owned()) {
                samples.push_picture(at, buffer);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(move |_| end.set(|state| state.picture = Lane::Ended))
        .build();
    let sink = gst_app::AppSink::builder()
        .caps(&format.caps())
        .sync(false)
        .max_buffers(1)
        .enable_last_sample(false)
        .callbacks(callbacks)
        .build();
    Ok(vec![
        element("videoconvert", BASE)?,
        element("videoscale", BASE)?,
        element("videorate", BASE)?,
        sink.upcast(),
    ])
}

fn sound_chain(decoder: &Arc<Decoder>) -> Result<Vec<gst::Element>, CaptureError> {
    let mut caps = gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", i32::try_from(SAMPLE_RATE).unwrap_or(i32::MAX));
    if decoder.pair.is_none() {
        caps = caps.field("channels", CHANNELS as i32);
    }
    let caps = caps.build();
    let (samples, end) = (decoder.clone(), decoder.clone());
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
            if let (Some(at), Some(map)) = (running_ns(&sample), map) {
                let (values, _) = map.as_chunks::<4>();
                let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                samples.push_sound(at, values, channels_of(&sample));
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(move |_| end.set(|state| state.sound = Lane::Ended))
        .build();
    Ok(into_samples(&caps, callbacks)?.into())
}

/// The end of a chain of sound: whatever comes is brought to `caps` and handed on, as it comes.
pub(super) fn into_samples(
    caps: &gst::Caps,
    callbacks: gst_app::AppSinkCallbacks,
) -> Result<[gst::Element; 3], CaptureError> {
    let sink = gst_app::AppSink::builder()
        .caps(caps)
        .sync(false)
        .max_buffers(4)
        .enable_last_sample(false)
        .callbacks(callbacks)
        .build();
    Ok([element("audioconvert", BASE)?, element("audioresample", BASE)?, sink.upcast()])
}

/// How many channels a sample of sound has.
pub(super) fn channels_of(sample: &gst::Sample) -> usize {
    let channels = sample.caps().and_then(|caps| caps.structure(0)?.get::<i32>("channels").ok());
    channels.and_then(|channels| usize::try_from(channels).ok()).unwrap_or(CHANNELS)
}

/// Where a sample lies in its pass.
fn running_ns(sample: &gst::Sample) -> Option<u64> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    segment.to_running_time(sample.buffer()?.pts()?).map(gst::ClockTime::nseconds)
}
