//! Audio messages (FLV E.4.2; E-RTMP, "Enhanced audio").

use bytes::{Buf, Bytes};

use super::super::RtmpError;
use super::extended::{self, packet_type};
use super::{Tag, TagFrame, TagHeader, TagKind, codec_of};
use crate::Codec;

const FORMAT_EXTENDED: u8 = 9;
const FORMAT_AAC: u8 = 10;
/// AAC, "44 kHz", "16 bit", "stereo": constant for AAC, whatever it is (FLV E.4.2.1).
const AAC_FLAGS: u8 = 0xAF;
const MULTITRACK: u8 = 5;

pub(in super::super) fn read(mut data: Bytes) -> Result<Tag, RtmpError> {
    let Ok(first) = data.try_get_u8() else { return Ok(Tag::Nothing) };
    match first >> 4 {
        FORMAT_AAC => {
            let kind = data
                .try_get_u8()
                .map_err(|_| RtmpError::Tag { track: "audio", problem: "ends within its header" })?;
            Ok(match kind {
                0 => Tag::Config { codec: Codec::Aac, data },
                1 if !data.is_empty() => frame(Codec::Aac, 0, data),
                _ => Tag::Nothing,
            })
        }
        FORMAT_EXTENDED => {
            let Some(tag) = extended::read("audio", first & 0x0F, MULTITRACK, data)? else {
                return Ok(Tag::Nothing);
            };
            let codec = codec_of(tag.four_cc);
            Ok(match tag.packet_type {
                packet_type::SEQUENCE_START => Tag::Config { codec, data: tag.payload },
                packet_type::CODED_FRAMES if !tag.payload.is_empty() => {
                    frame(codec, tag.offset_ns, tag.payload)
                }
                _ => Tag::Nothing,
            })
        }
        other => Err(unsupported(other)),
    }
}

fn frame(codec: Codec, offset_ns: u32, data: Bytes) -> Tag {
    Tag::Frame(TagFrame { codec, key: true, composition_ms: 0, offset_ns, data })
}

fn unsupported(format: u8) -> RtmpError {
    let name = match format {
        0 | 3 => "PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 | 8 => "G.711",
        11 => "Speex",
        _ => return RtmpError::Unsupported(format!("audio format {format} is not supported; set AAC")),
    };
    RtmpError::Unsupported(format!("audio codec {name} is not supported; set AAC"))
}

/// The bytes before a configuration or a frame.
pub(in super::super) fn write_header(codec: Codec, kind: TagKind) -> TagHeader {
    let config = kind == TagKind::Config;
    let mut header = TagHeader::new();
    match codec {
        Codec::FourCc(four_cc) => {
            let packet = if config { packet_type::SEQUENCE_START } else { packet_type::CODED_FRAMES };
            header.push(FORMAT_EXTENDED << 4 | packet);
            header.extend_from_slice(&four_cc);
        }
        Codec::Aac | Codec::H264 => header.extend_from_slice(&[AAC_FLAGS, u8::from(!config)]),
    }
    header
}
