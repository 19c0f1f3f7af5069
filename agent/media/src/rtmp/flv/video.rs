//! Video messages (FLV E.4.3; E-RTMP, "Enhanced video").

use bytes::{Buf, Bytes};

use super::super::RtmpError;
use super::extended::{self, packet_type};
use super::{Tag, TagFrame, TagHeader, TagKind, codec_of, signed24};
use crate::Codec;

const EXTENDED: u8 = 0x80;
const KEY_FRAME: u8 = 1;
const INTER_FRAME: u8 = 2;
const GENERATED_KEY_FRAME: u8 = 4;
const COMMAND_FRAME: u8 = 5;
const CODEC_H264: u8 = 7;
/// HEVC as it was sent before it had a FourCC.
const CODEC_HEVC: u8 = 12;
const HEVC: [u8; 4] = *b"hvc1";
const MULTITRACK: u8 = 6;

pub(in super::super) fn read(mut data: Bytes) -> Result<Tag, RtmpError> {
    let Ok(first) = data.try_get_u8() else { return Ok(Tag::Nothing) };
    if first & EXTENDED != 0 {
        return read_extended(first, data);
    }
    let frame_type = first >> 4;
    if frame_type == COMMAND_FRAME {
        return Ok(Tag::Nothing);
    }
    let codec = match first & 0x0F {
        CODEC_H264 => Codec::H264,
        CODEC_HEVC => Codec::FourCc(HEVC),
        other => return Err(unsupported(other)),
    };
    let mut header = [0; 4];
    data.try_copy_to_slice(&mut header)
        .map_err(|_| RtmpError::Tag { track: "video", problem: "ends within its header" })?;
    let [kind, composition @ ..] = header;
    Ok(match kind {
        0 => Tag::Config { codec, data },
        1 if !data.is_empty() => Tag::Frame(TagFrame {
            codec,
            key: is_key(frame_type),
            composition_ms: signed24(composition),
            offset_ns: 0,
            data,
        }),
        _ => Tag::Nothing,
    })
}

fn read_extended(first: u8, data: Bytes) -> Result<Tag, RtmpError> {
    let frame_type = (first >> 4) & 0x07;
    let Some(mut tag) = extended::read("video", first & 0x0F, MULTITRACK, data)? else {
        return Ok(Tag::Nothing);
    };
    let codec = codec_of(tag.four_cc);
    let mut composition_ms = 0;
    match tag.packet_type {
        packet_type::SEQUENCE_START => return Ok(Tag::Config { codec, data: tag.payload }),
        packet_type::CODED_FRAMES if has_composition_time(tag.four_cc) && frame_type != COMMAND_FRAME => {
            let mut composition = [0; 3];
            tag.payload.try_copy_to_slice(&mut composition).map_err(|_| RtmpError::Tag {
                track: "video",
                problem: "ends within its composition time",
            })?;
            composition_ms = signed24(composition);
        }
        packet_type::CODED_FRAMES | packet_type::CODED_FRAMES_X => {}
        _ => return Ok(Tag::Nothing),
    }
    if frame_type == COMMAND_FRAME || tag.payload.is_empty() {
        return Ok(Tag::Nothing);
    }
    Ok(Tag::Frame(TagFrame {
        codec,
        key: is_key(frame_type),
        composition_ms,
        offset_ns: tag.offset_ns,
        data: tag.payload,
    }))
}

/// The codecs that reorder carry a composition time with their frames.
fn has_composition_time(four_cc: [u8; 4]) -> bool {
    matches!(&four_cc, b"avc1" | b"hvc1" | b"vvc1")
}

fn is_key(frame_type: u8) -> bool {
    matches!(frame_type, KEY_FRAME | GENERATED_KEY_FRAME)
}

fn unsupported(codec: u8) -> RtmpError {
    let name = match codec {
        2 => "Sorenson H.263",
        3 | 6 => "Screen Video",
        4 | 5 => "VP6",
        _ => return RtmpError::Unsupported(format!("video codec {codec} is not supported; set H.264")),
    };
    RtmpError::Unsupported(format!("video codec {name} is not supported; set H.264"))
}

/// The bytes before a configuration or a frame.
pub(in super::super) fn write_header(codec: Codec, kind: TagKind) -> TagHeader {
    let mut header = TagHeader::new();
    let (key, composition_ms) = match kind {
        TagKind::Config => (true, 0),
        TagKind::Frame { key, composition_ms } => (key, composition_ms.clamp(-(1 << 23), (1 << 23) - 1)),
    };
    let frame_type = if key { KEY_FRAME } else { INTER_FRAME } << 4;
    let composition = &composition_ms.to_be_bytes()[1..];
    match codec {
        Codec::FourCc(four_cc) => {
            let timed = has_composition_time(four_cc);
            let packet = match kind {
                TagKind::Config => packet_type::SEQUENCE_START,
                TagKind::Frame { .. } if timed && composition_ms == 0 => packet_type::CODED_FRAMES_X,
                TagKind::Frame { .. } => packet_type::CODED_FRAMES,
            };
            header.push(EXTENDED | frame_type | packet);
            header.extend_from_slice(&four_cc);
            if timed && packet == packet_type::CODED_FRAMES {
                header.extend_from_slice(composition);
            }
        }
        Codec::H264 | Codec::Aac => {
            header.push(frame_type | CODEC_H264);
            header.push(u8::from(kind != TagKind::Config));
            header.extend_from_slice(composition);
        }
    }
    header
}
