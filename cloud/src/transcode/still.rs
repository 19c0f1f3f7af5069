//! A still picture as a short clip: drawn and encoded in a worker, given to whoever shows it over and over.
#![allow(clippy::disallowed_methods, reason = "a driver: a worker has so long for it")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use stagebox_media::wire::WireMessage;
use stagebox_media::{Packet, TrackConfig};

use super::encoder::elements;
use super::ladder::Scaled;
use super::picture::Still;
use super::pipeline::{PipelineError, Running, Sink};
use super::process::{Moved, Process};
use super::protocol::{Order, Wanted, to_json};
use super::stage;

/// Pictures a second of a clip.
pub(crate) const RATE: u32 = 25;
/// Pictures of a clip: two seconds, as long as a usual segment.
const PICTURES: u32 = 2 * RATE;
/// What a picture that does not move needs, in kbit/s.
const BITRATE_KBPS: u32 = 600;
/// How long a worker may take.
const LIMIT: Duration = Duration::from_secs(30);
const CLIP_FAILED: &str = "a clip cannot be made";

/// A clip that begins with a key frame, in decoding order, without B frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clip {
    pub(crate) config: TrackConfig,
    pub(crate) pictures: Vec<Bytes>,
}

/// Says why a clip was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClipError {
    /// The worker did not start, ended early, or cannot be understood.
    #[error("{CLIP_FAILED}: {0}")]
    Worker(String),
    /// It took too long.
    #[error("{CLIP_FAILED} within {} s", LIMIT.as_secs())]
    Late,
    /// What it sent is no clip.
    #[error("{CLIP_FAILED}: the encoder made {0} pictures, or says nothing of them")]
    Incomplete(usize),
}

/// Has a worker make the clip of a picture.
pub(crate) async fn clip(program: &Path, still: Still) -> Result<Clip, ClipError> {
    tokio::time::timeout(LIMIT, ask(program, still)).await.map_err(|_| ClipError::Late)?
}

async fn ask(program: &Path, still: Still) -> Result<Clip, ClipError> {
    // Ended when it is dropped.
    let mut process = Process::spawn(program).map_err(ClipError::Worker)?;
    process.give(&WireMessage::Control(to_json(&Order::Still { still })));
    let (mut config, mut pictures) = (None, Vec::new());
    loop {
        let messages = match process.moved(true).await {
            Moved::Took => continue,
            Moved::Gave(messages) => messages,
            Moved::Broken(reason) => return Err(ClipError::Worker(reason)),
        };
        for message in messages {
            match message {
                WireMessage::Packet { packet: Packet::Config(new), .. } => config = Some(new),
                WireMessage::Packet { packet: Packet::Frame(frame), .. } => pictures.push(frame.data),
                // The only thing that a worker reports of a clip: all has come out.
                WireMessage::Control(_) => {
                    let count = pictures.len();
                    let is_whole = count == PICTURES as usize;
                    let clip = config.filter(|_| is_whole).map(|config| Clip { config, pictures });
                    return clip.ok_or(ClipError::Incomplete(count));
                }
            }
        }
    }
}

/// Encodes a picture as a clip; returns once all of it has come out.
pub(super) fn encode(still: &Still, sink: Sink) -> Result<(), PipelineError> {
    let build = |error: gst::glib::BoolError| PipelineError::Build(error.to_string());
    let drawn = still.draw().ok_or_else(|| {
        PipelineError::Build(format!("{} × {} is no size of a picture", still.width, still.height))
    })?;
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", still.width as i32)
        .field("height", still.height as i32)
        .field("framerate", gst::Fraction::new(RATE as i32, 1))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("colorimetry", "bt709")
        .build();
    let source = gstreamer_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).block(true).build();
    let scaled = Scaled { width: still.width, height: still.height, bitrate_kbps: BITRATE_KBPS };
    let wanted = Wanted { number: 0, scaled, after_ns: None };
    let pipeline = gst::Pipeline::new();
    pipeline.add(&source).map_err(build)?;
    let (first, _) = stage::encoder(&pipeline, &wanted, &elements(None, scaled), None, sink)?;
    source.link(&first).map_err(build)?;
    let running = Running::begin(pipeline)?;
    let picture = Bytes::from(drawn);
    for number in 0..u64::from(PICTURES) {
        let mut buffer = gst::Buffer::from_slice(picture.clone());
        if let Some(buffer) = buffer.get_mut() {
            let length = gst::ClockTime::SECOND / u64::from(RATE);
            buffer.set_pts(length * number);
            buffer.set_duration(length);
        }
        if source.push_buffer(buffer).is_err() {
            break;
        }
    }
    let _ = source.end_of_stream();
    running.drain()
}
