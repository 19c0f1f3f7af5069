//! From audio and video messages to packets of one timeline and one epoch.

use bytes::Bytes;

use super::super::flv::{self, NalLength, Tag, TagFrame, Widened};
use super::super::timeline::Timeline;
use super::super::{Metadata, RtmpError};
use super::fault::{Fault, LeftOut};
use crate::h264::{AvcConfig, NalKind, Sps, avcc_nals, avcc_to_annex_b};
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
    left_out: Option<LeftOut>,
    /// What follows the packet that was given out last.
    next: Option<Packet>,
}

impl Media {
    pub(super) fn metadata(&mut self, metadata: &Metadata) {
        self.epoch = metadata.epoch;
        if let Some(ms) = metadata.time_ms {
            self.timeline.anchor(ms);
        }
    }

    /// What the last message brought beside the packet that was given out.
    pub(super) fn take_next(&mut self) -> Option<Packet> {
        self.next.take()
    }

    /// What was left out of the last message.
    pub(super) fn take_left_out(&mut self) -> Option<LeftOut> {
        self.left_out.take()
    }

    /// Reads a video message.
    ///
    /// # Errors
    /// The stream is of a codec that is not taken.
    pub(super) fn video(&mut self, timestamp: u32, payload: Bytes) -> Result<Option<Packet>, RtmpError> {
        let Some(tag) = self.read(Track::Video, flv::read_video(payload))? else { return Ok(None) };
        match tag {
            Tag::Config { codec: Codec::H264, data } => {
                let readable = AvcConfig::parse(&data).is_ok();
                let Some((length, data)) = NalLength::normalise(data).filter(|_| readable) else {
                    return Ok(self.leave_out(Track::Video, Fault::BrokenHeader));
                };
                self.nal_length = Some(length);
                Ok(self.config(Track::Video, Codec::H264, &data))
            }
            Tag::Config { codec, data } => Ok(self.config(Track::Video, codec, &data)),
            Tag::Frame(mut frame) => {
                let time_ms = self.timeline.unroll(timestamp);
                if frame.codec == Codec::H264 {
                    let header = if self.nal_length.is_none() { header_within(&frame.data) } else { None };
                    if let Some(header) = header {
                        self.nal_length = Some(NalLength::FOUR);
                        self.next = self.config(Track::Video, Codec::H264, &header);
                    }
                    let Some(length) = self.nal_length else {
                        return Ok(self.leave_out(Track::Video, Fault::NoHeader));
                    };
                    match length.widen(&frame.data) {
                        Widened::Whole(data) => frame.data = data,
                        Widened::Mended(data) => {
                            self.leave_out(Track::Video, Fault::BrokenFrame);
                            frame.data = data;
                        }
                        Widened::Nothing => return Ok(self.leave_out(Track::Video, Fault::BrokenFrame)),
                    }
                    if let Some(header) = self.other_header(&frame) {
                        self.next = self.config(Track::Video, Codec::H264, &header);
                    }
                }
                let frame = self.frame(Track::Video, time_ms, frame);
                // A header comes before its frame.
                let first = self.next.take();
                self.next = first.is_some().then(|| frame.clone());
                Ok(first.or(Some(frame)))
            }
            Tag::Nothing => Ok(None),
        }
    }

    /// Reads an audio message.
    ///
    /// # Errors
    /// The stream is of a codec that is not taken.
    pub(super) fn audio(&mut self, timestamp: u32, payload: Bytes) -> Result<Option<Packet>, RtmpError> {
        let Some(tag) = self.read(Track::Audio, flv::read_audio(payload))? else { return Ok(None) };
        match tag {
            Tag::Config { codec: Codec::Aac, ref data } if data.len() < 2 => {
                Ok(self.leave_out(Track::Audio, Fault::BrokenHeader))
            }
            Tag::Config { codec, data } => Ok(self.config(Track::Audio, codec, &data)),
            Tag::Frame(frame) => {
                let time_ms = self.timeline.unroll(timestamp);
                if frame.codec == Codec::Aac && self.audio.is_none() {
                    return Ok(self.leave_out(Track::Audio, Fault::NoHeader));
                }
                Ok(Some(self.frame(Track::Audio, time_ms, frame)))
            }
            Tag::Nothing => Ok(None),
        }
    }

    /// A tag that can be used; one that cannot ends a stream only if it says at the beginning what the stream is.
    fn read(&mut self, track: Track, read: Result<Tag, RtmpError>) -> Result<Option<Tag>, RtmpError> {
        let known = if track == Track::Video { &self.video } else { &self.audio };
        match read {
            Ok(tag) => Ok(Some(tag)),
            Err(RtmpError::Unsupported(reason)) if known.is_none() => Err(RtmpError::Unsupported(reason)),
            Err(_) => {
                self.leave_out(track, Fault::BrokenFrame);
                Ok(None)
            }
        }
    }

    fn leave_out(&mut self, track: Track, fault: Fault) -> Option<Packet> {
        self.left_out = Some(LeftOut { track, fault });
        None
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

    /// The header within a key frame, where it is of other pictures than the last one: some encoders tell it there only.
    fn other_header(&self, frame: &TagFrame) -> Option<Bytes> {
        if !frame.key {
            return None;
        }
        let found = avcc_nals(&frame.data).find(|nal| nal.kind() == NalKind::Sps)?;
        let known = AvcConfig::parse(&self.video.as_ref()?.data).ok()?;
        let (before, now) = (known.first_sps().ok()?, Sps::parse(found.0).ok()?);
        // What else may differ, such as the timing, is no reason for a new decoder.
        let pictures = |sps: &Sps| {
            (sps.width, sps.height, sps.profile, sps.chroma_format, sps.bit_depth_luma, sps.bit_depth_chroma)
        };
        (pictures(&before) != pictures(&now)).then(|| header_within(&frame.data))?
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

/// The header that stands in a key frame, for encoders that send it nowhere else.
fn header_within(data: &[u8]) -> Option<Bytes> {
    let has_start_codes = data.starts_with(&[0, 0, 0, 1]);
    let stream = if has_start_codes { Bytes::copy_from_slice(data) } else { avcc_to_annex_b(data) };
    AvcConfig::from_annex_b(&stream).ok().map(|config| config.to_bytes())
}
