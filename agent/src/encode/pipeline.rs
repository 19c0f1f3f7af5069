//! The GStreamer pipeline: raw pictures and sound in, H.264 and AAC out.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use stagebox_hw::Encoder;
use stagebox_hw::encoder::EncodeTarget;
use stagebox_media::{Packet, Track};

use super::choice::Chosen;
use super::output::{Encoded, Output, random_epoch};
use super::sound_time::SoundTime;
use super::{EncodeError, RECORDING, STREAM};
use crate::capture::{CHANNELS, PictureFormat, SAMPLE_RATE};
use crate::config::{AudioConfig, VideoConfig};

/// AAC encoders by preference, with the samples by which each is late in GStreamer 1.22.
const SOUND_ENCODERS: [(&str, i64, &str); 2] =
    [("avenc_aac", 1024, "gstreamer1.0-libav"), ("voaacenc", 1600, "gstreamer1.0-plugins-bad")];

/// What pictures that wait for the encoder may take.
const WAITING_BYTES: u64 = 96 * 1024 * 1024;

/// Takes packets in their order; called from the encoders' threads.
pub(super) type Deliver = Box<dyn FnMut(Packet) + Send>;

type Shared = Arc<Mutex<(Output, Deliver)>>;

pub(super) struct EncodePipeline {
    pipeline: gst::Pipeline,
    stream: Pictures,
    /// The recording's own, where the machine can encode twice.
    recording: Option<Pictures>,
    sound: gst_app::AppSrc,
    /// Pictures that may wait for an encoder.
    most_waiting: u64,
    chosen: Chosen,
    audio_encoder: String,
}

/// The way of pictures through an encoder.
struct Pictures {
    source: gst_app::AppSrc,
    encode: gst::Element,
}

impl EncodePipeline {
    pub(super) fn start(
        video: &VideoConfig,
        audio: &AudioConfig,
        chosen: Chosen,
        recording_kbps: Option<u32>,
        deliver: &dyn Fn(u8) -> Deliver,
    ) -> Result<Self, EncodeError> {
        let pipeline = gst::Pipeline::new();
        let (sound_encoder, delay) = sound_encoder(audio)?;
        let sound_name = sound_encoder.factory().map(|factory| factory.name().to_string());
        let output = |stream: u8| -> Shared {
            let output = Output::new(SoundTime::new(delay), random_epoch);
            Arc::new(Mutex::new((output, deliver(stream))))
        };
        let mut outputs = vec![output(STREAM)];
        let stream = build_video(&pipeline, video, &chosen, &outputs[0])?;
        let mut recording = None;
        if let Some(bitrate_kbps) = recording_kbps {
            outputs.push(output(RECORDING));
            let video = VideoConfig { bitrate_kbps, ..video.clone() };
            recording = Some(build_video(&pipeline, &video, &chosen, &outputs[1])?);
        }
        let sound = build_audio(&pipeline, &sound_encoder, outputs)?;
        // Timestamps are the stream's own; nothing in here waits for a clock.
        pipeline.set_start_time(gst::ClockTime::NONE);
        if pipeline.set_state(gst::State::Playing).is_err() {
            let reason = failure(&pipeline).unwrap_or_else(|| format!("{} does not say why", chosen.encoder));
            let _ = pipeline.set_state(gst::State::Null);
            return Err(EncodeError::Start(reason));
        }
        Ok(Self {
            pipeline,
            stream,
            recording,
            sound,
            most_waiting: most_waiting(video),
            chosen,
            audio_encoder: sound_name.unwrap_or_default(),
        })
    }

    /// Gives a picture to the encoders; false if one has too many to do already, and is not given it.
    pub(super) fn push_picture(&self, mut buffer: gst::Buffer, pts_ns: i64) -> Result<bool, EncodeError> {
        stamp(&mut buffer, pts_ns);
        let mut is_taken = true;
        for pictures in std::iter::once(&self.stream).chain(&self.recording) {
            if pictures.source.property::<u64>("current-level-buffers") >= self.most_waiting {
                is_taken = false;
                continue;
            }
            pictures.source.push_buffer(buffer.clone()).map_err(|error| self.broken(error))?;
        }
        Ok(is_taken)
    }

    /// Gives interleaved samples to the encoder.
    pub(super) fn push_sound(&self, samples: &[f32], pts_ns: i64) -> Result<(), EncodeError> {
        let mut bytes = Vec::with_capacity(size_of_val(samples));
        for sample in samples {
            bytes.extend_from_slice(&sample.to_le_bytes());
        }
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        stamp(&mut buffer, pts_ns);
        self.sound.push_buffer(buffer).map_err(|error| self.broken(error))?;
        Ok(())
    }

    /// Whether the recording has an encoder of its own.
    pub(super) fn encodes_twice(&self) -> bool {
        self.recording.is_some()
    }

    /// Has the stream's picture take so many kbit/s from now on, where the encoder can do that while it runs.
    pub(super) fn set_bitrate(&self, kbps: u32) {
        if let Some(setting) = self.chosen.encoder.bitrate_setting(kbps) {
            tracing::info!(kbps, "the picture's bitrate");
            set_text(&self.stream.encode, setting.property, &setting.value);
        }
    }

    /// Whether an element has failed.
    pub(super) fn check(&self) -> Result<(), EncodeError> {
        match failure(&self.pipeline) {
            Some(reason) => Err(EncodeError::Failed(reason)),
            None => Ok(()),
        }
    }

    /// The encoder in use.
    pub(super) fn encoder(&self) -> Encoder {
        self.chosen.encoder
    }

    pub(super) fn encoders(&self) -> (&str, &str) {
        (self.chosen.encoder.element(), &self.audio_encoder)
    }

    fn broken(&self, error: gst::FlowError) -> EncodeError {
        EncodeError::Failed(failure(&self.pipeline).unwrap_or_else(|| error.to_string()))
    }
}

impl Drop for EncodePipeline {
    fn drop(&mut self) {
        // A pipeline that does not stop has nothing left to tell.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Two seconds of pictures, as far as the memory for them goes: a machine that is busy for a moment loses none.
fn most_waiting(video: &VideoConfig) -> u64 {
    let picture_bytes = u64::from(video.width) * u64::from(video.height) * 3 / 2;
    (u64::from(video.fps) * 2).min(WAITING_BYTES / picture_bytes.max(1)).max(8)
}

fn build_video(
    pipeline: &gst::Pipeline,
    video: &VideoConfig,
    chosen: &Chosen,
    output: &Shared,
) -> Result<Pictures, EncodeError> {
    let encoder = chosen.encoder;
    let format = PictureFormat::of(video);
    let source = raw_source(&format.caps());
    let mut chain = vec![source.clone().upcast()];
    if encoder.raw_format() != "I420" {
        chain.push(element("video.encoder", "videoconvert", "gstreamer1.0-plugins-base")?);
    }
    if let Some(uploader) = encoder.uploader() {
        chain.push(element("video.encoder", uploader, "of the board's maker")?);
    }
    let package = if encoder.is_hardware() { "of the board's maker" } else { "gstreamer1.0-plugins-ugly" };
    let encode = element("video.encoder", encoder.element(), package)?;
    configure(&encode, video, chosen);
    chain.push(encode.clone());
    chain.push(filter(&caps(encoder.output_caps())?)?);
    let parse = element("video.encoder", "h264parse", "gstreamer1.0-plugins-bad")?;
    // Parameter sets travel as configuration, not in the frames.
    parse.set_property("config-interval", 0_i32);
    chain.push(parse);
    let outputs = vec![output.clone()];
    chain.push(sink(&caps("video/x-h264,stream-format=avc,alignment=au")?, Track::Video, outputs));
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    Ok(Pictures { source, encode })
}

fn build_audio(
    pipeline: &gst::Pipeline,
    encode: &gst::Element,
    outputs: Vec<Shared>,
) -> Result<gst_app::AppSrc, EncodeError> {
    let source = raw_source(&caps(&format!(
        "audio/x-raw,format=F32LE,layout=interleaved,rate={SAMPLE_RATE},channels={CHANNELS}"
    ))?);
    let convert = element("audio", "audioconvert", "gstreamer1.0-plugins-base")?;
    let sink = sink(&caps("audio/mpeg,mpegversion=4,stream-format=raw")?, Track::Audio, outputs);
    let chain = [source.clone().upcast(), convert, encode.clone(), sink];
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    Ok(source)
}

fn sound_encoder(audio: &AudioConfig) -> Result<(gst::Element, i64), EncodeError> {
    for (name, delay, _) in SOUND_ENCODERS {
        if let Ok(encode) = gst::ElementFactory::make(name).build() {
            set_text(&encode, "bitrate", &(audio.bitrate_kbps * 1000).to_string());
            return Ok((encode, delay));
        }
    }
    let (element, _, package) = SOUND_ENCODERS[0];
    Err(EncodeError::Missing { field: "audio", element: element.to_owned(), package })
}

fn configure(encode: &gst::Element, video: &VideoConfig, chosen: &Chosen) {
    let encoder = chosen.encoder;
    let target = EncodeTarget {
        bitrate_kbps: video.bitrate_kbps,
        gop_frames: video.fps * video.keyframe_s,
        preset: chosen.preset.clone(),
    };
    for setting in encoder.settings(&target) {
        if setting.property == "tune" && !video.zero_latency {
            continue;
        }
        set_text(encode, setting.property, &setting.value);
    }
    if !encoder.is_hardware() && video.bframes > 0 {
        set_text(encode, "bframes", &video.bframes.to_string());
    }
}

/// Sets a property by text; one that this version of the element does not have is left alone.
fn set_text(element: &gst::Element, property: &str, text: &str) {
    let value = element
        .find_property(property)
        .and_then(|spec| gst::glib::Value::deserialize(text, spec.value_type()).ok());
    match value {
        Some(value) => element.set_property_from_value(property, &value),
        None => tracing::warn!(element = %element.name(), property, text, "the encoder has no such setting"),
    }
}

fn raw_source(caps: &gst::Caps) -> gst_app::AppSrc {
    gst_app::AppSrc::builder()
        .caps(caps)
        .format(gst::Format::Time)
        .is_live(true)
        .max_bytes(0)
        .property("max-buffers", 0_u64)
        .block(false)
        .build()
}

fn sink(caps: &gst::Caps, track: Track, outputs: Vec<Shared>) -> gst::Element {
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(encoded) = encoded(&sample, track) {
                for output in &outputs {
                    let mut packets = Vec::new();
                    let mut guard = output.lock().unwrap_or_else(PoisonError::into_inner);
                    let (output, deliver) = &mut *guard;
                    output.push(encoded.clone(), &mut packets);
                    packets.into_iter().for_each(deliver);
                }
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    gst_app::AppSink::builder()
        .caps(caps)
        .sync(false)
        .async_(false)
        .max_buffers(4)
        .enable_last_sample(false)
        .callbacks(callbacks)
        .build()
        .upcast()
}

/// Copies a frame out of the encoder's memory.
fn encoded(sample: &gst::Sample, track: Track) -> Option<Encoded> {
    let buffer = sample.buffer()?;
    let config = sample.caps()?.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let config = Bytes::copy_from_slice(config.map_readable().ok()?.as_slice());
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let pts_ns = i64::try_from(segment.to_running_time(buffer.pts()?)?.nseconds()).ok()?;
    let dts_ns = buffer.dts().and_then(|dts| signed_running_ns(segment, dts)).unwrap_or(pts_ns);
    Some(Encoded {
        track,
        config,
        pts_ns,
        dts_ns,
        key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        data: Bytes::copy_from_slice(buffer.map_readable().ok()?.as_slice()),
    })
}

/// Running time may be negative for decoding times before the first picture.
fn signed_running_ns(segment: &gst::FormattedSegment<gst::ClockTime>, time: gst::ClockTime) -> Option<i64> {
    let running = segment.to_running_time_full(time)?;
    let ns = i64::try_from(running.abs().nseconds()).ok()?;
    Some(if running.is_negative() { -ns } else { ns })
}

fn stamp(buffer: &mut gst::Buffer, pts_ns: i64) {
    let pts = gst::ClockTime::from_nseconds(pts_ns.max(0).unsigned_abs());
    let buffer = buffer.make_mut();
    buffer.set_pts(pts);
    buffer.set_dts(gst::ClockTime::NONE);
    buffer.set_duration(gst::ClockTime::NONE);
}

fn failure(pipeline: &gst::Pipeline) -> Option<String> {
    let message = pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => {
            let source = error.src().map(|source| source.name().to_string()).unwrap_or_default();
            Some(format!("{source}: {}", error.error()))
        }
        _ => None,
    }
}

fn caps(text: &str) -> Result<gst::Caps, EncodeError> {
    Ok(gst::Caps::from_str(text)?)
}

fn filter(caps: &gst::Caps) -> Result<gst::Element, EncodeError> {
    let filter = element("video", "capsfilter", "gstreamer1.0-plugins-base")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

fn element(field: &'static str, name: &str, package: &'static str) -> Result<gst::Element, EncodeError> {
    gst::ElementFactory::make(name).build().map_err(|_| EncodeError::Missing {
        field,
        element: name.to_owned(),
        package,
    })
}
