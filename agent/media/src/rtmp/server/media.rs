//! From audio and video messages to packets of one timeline and one epoch.

use bytes::Bytes;

use super::super::flv::{self, NalLength, Tag, TagFrame};
use super::super::timeline::Timeline;
use super::super::{Metadata, RtmpError};
use crate::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

const MS_NS: i64 = 1_000_000;

/// What a published stream's messages are read with.
#[derive(Debug, Default)]
pub(super) struct Media {
    timeline: Timeline,
    epoch: Epoch,
    video: Option<TrackConfig>,
    audio: Option<TrackConfig>,
    nal_length: Option<NalLength>,
}

impl Media {
    pub(super) fn metadata(&mut self, metadata: &Metadata) {
        self.epoch = metadata.epoch;
        if let Some(ms) = metadata.time_ms {
            self.timeline.anchor(ms);
        }
    }

    pub(super) fn video(&mut self, timestamp: u32, payload: Bytes) -> Result<Option<Packet>, RtmpError> {
        match flv::read_video(payload)? {
            Tag::Config { codec: Codec::H264, data } => {
                let Some((length, data)) = NalLength::normalise(data) else {
                    return Err(RtmpError::Tag { track: "video", problem: "too short for a configuration" });
                };
                self.nal_length = Some(length);
                Ok(self.config(Track::Video, Codec::H264, &data))
            }
            Tag::Config { codec, data } => Ok(self.config(Track::Video, codec, &data)),
            Tag::Frame(mut frame) => {
                let time_ms = self.timeline.unroll(timestamp);
                if frame.codec == Codec::H264 {
                    // Nobody can decode frames whose configuration has not come.
                    let Some(length) = self.nal_length else { return Ok(None) };
                    frame.data = length.widen(frame.data).ok_or(RtmpError::Tag {
                        track: "video",
                        problem: "the lengths of its NAL units do not add up",
                    })?;
                }
                Ok(Some(self.frame(Track::Video, time_ms, frame)))
            }
            Tag::Nothing => Ok(None),
        }
    }

    pub(super) fn audio(&mut self, timestamp: u32, payload: Bytes) -> Result<Option<Packet>, RtmpError> {
        match flv::read_audio(payload)? {
            Tag::Config { codec: Codec::Aac, ref data } if data.len() < 2 => {
                Err(RtmpError::Tag { track: "audio", problem: "too short for a configuration" })
            }
            Tag::Config { codec, data } => Ok(self.config(Track::Audio, codec, &data)),
            Tag::Frame(frame) => {
                let time_ms = self.timeline.unroll(timestamp);
                let configured = frame.codec != Codec::Aac || self.audio.is_some();
                Ok(configured.then(|| self.frame(Track::Audio, time_ms, frame)))
            }
            Tag::Nothing => Ok(None),
        }
    }

    /// A configuration that was sent before is not passed on again.
    fn config(&mut self, track: Track, codec: Codec, data: &[u8]) -> Option<Packet> {
        // A copy, as it is kept: a slice would keep the whole read buffer.
        let config = TrackConfig { track, codec, epoch: self.epoch, data: Bytes::copy_from_slice(data) };
        let last = match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        if last.as_ref() == Some(&config) {
            return None;
        }
        *last = Some(config.clone());
        Some(Packet::Config(config))
    }

    fn frame(&self, track: Track, time_ms: i64, frame: TagFrame) -> Packet {
        let dts_ns = time_ms.saturating_mul(MS_NS).saturating_add(i64::from(frame.offset_ns));
        let pts_ns = dts_ns.saturating_add(i64::from(frame.composition_ms) * MS_NS);
        Packet::Frame(Frame {
            track,
            codec: frame.codec,
            epoch: self.epoch,
            pts_ns,
            dts_ns,
            key: frame.key,
            data: frame.data,
        })
    }
}
