//! From packets to audio, video and metadata messages.

use bytes::BytesMut;
use smallvec::SmallVec;

use super::super::chunk::{MessageHeader, message_type};
use super::super::command::STREAM_CHUNK_STREAM;
use super::super::connection::Connection;
use super::super::flv::{self, TagKind};
use super::super::{RtmpError, StreamInfo, ms_from_ns};
use crate::{Codec, Epoch, Packet, Track, TrackConfig};

const AUDIO_CHUNK_STREAM: u32 = 4;
const VIDEO_CHUNK_STREAM: u32 = 6;
/// A message has 24 bits for its length; a tag's own header takes up to 8 bytes of it.
const MAX_FRAME_BYTES: usize = 0xFF_FFFF - 8;

/// What was said about the stream so far.
#[derive(Debug)]
pub(super) struct Sender {
    stream: StreamInfo,
    told_epoch: Option<Epoch>,
    /// Configurations that wait for the first frame they apply to: it gives them their timestamp.
    waiting: SmallVec<[TrackConfig; 2]>,
}

/// Where a stream's messages go.
pub(super) struct Way<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) stream_id: u32,
}

impl Sender {
    pub(super) fn new(stream: StreamInfo) -> Self {
        Self { stream, told_epoch: None, waiting: SmallVec::new() }
    }

    pub(super) fn send(&mut self, packet: &Packet, way: &mut Way<'_>) -> Result<(), RtmpError> {
        match packet {
            Packet::Config(config) => {
                check(config.track, config.codec, config.data.len())?;
                self.waiting.retain(|waiting| waiting.track != config.track);
                self.waiting.push(config.clone());
            }
            Packet::Frame(frame) => {
                check(frame.track, frame.codec, frame.data.len())?;
                let dts_ms = ms_from_ns(frame.dts_ns);
                if self.told_epoch != Some(frame.epoch) {
                    self.told_epoch = Some(frame.epoch);
                    way.metadata(&self.stream, frame.epoch, dts_ms);
                }
                self.waiting.retain(|config| {
                    let belongs = config.epoch == frame.epoch;
                    if belongs {
                        way.message(config.track, config.codec, TagKind::Config, dts_ms, &config.data);
                    }
                    !belongs
                });
                let composition_ms = ms_from_ns(frame.pts_ns).saturating_sub(dts_ms);
                let composition_ms = composition_ms.clamp(-(1 << 23), (1 << 23) - 1) as i32;
                let kind = TagKind::Frame { key: frame.key, composition_ms };
                way.message(frame.track, frame.codec, kind, dts_ms, &frame.data);
            }
        }
        Ok(())
    }
}

fn check(track: Track, codec: Codec, length: usize) -> Result<(), RtmpError> {
    if length > MAX_FRAME_BYTES {
        return Err(RtmpError::Unsendable("it is longer than an RTMP message can be"));
    }
    match (track, codec) {
        (Track::Video, Codec::Aac) | (Track::Audio, Codec::H264) => {
            Err(RtmpError::Unsendable("its codec does not belong to its track"))
        }
        _ => Ok(()),
    }
}

impl Way<'_> {
    fn message(&mut self, track: Track, codec: Codec, kind: TagKind, time_ms: i64, data: &[u8]) {
        let (type_id, chunk_stream, tag) = match track {
            Track::Video => (message_type::VIDEO, VIDEO_CHUNK_STREAM, flv::write_video_header(codec, kind)),
            Track::Audio => (message_type::AUDIO, AUDIO_CHUNK_STREAM, flv::write_audio_header(codec, kind)),
        };
        // Two's complement: a time before zero is one just before 2^32.
        let timestamp = time_ms as u32;
        let header = MessageHeader { chunk_stream, type_id, stream_id: self.stream_id, timestamp };
        self.connection.send(header, &[&tag, data]);
    }

    fn metadata(&mut self, stream: &StreamInfo, epoch: Epoch, time_ms: i64) {
        let mut amf = BytesMut::with_capacity(512);
        stream.to_data(epoch, time_ms, &mut amf);
        self.connection.send_amf(STREAM_CHUNK_STREAM, message_type::DATA_AMF0, self.stream_id, &amf);
    }
}
