//! Packets and control messages between a process and its child.
//!
//! A message is its length (4 bytes, big-endian, without itself), one byte for
//! its kind, and its body. Both ends are the same binary, so there is no
//! version; an unknown kind is an error.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

/// The longest message, its length field left out.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

const LENGTH_BYTES: usize = 4;
const KIND_CONTROL: u8 = 0;
const KIND_CONFIG: u8 = 1;
const KIND_FRAME: u8 = 2;

/// stream, track, codec (kind and FourCC), epoch
const TRACK_BYTES: usize = 1 + 1 + 1 + 4 + 8;
/// key, pts, dts
const TIMES_BYTES: usize = 1 + 8 + 8;

/// What two processes tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireMessage {
    /// A packet of one of the streams that share the connection.
    Packet { stream: u8, packet: Packet },
    /// A JSON document whose meaning the two processes agree on.
    Control(Bytes),
}

/// Why bytes from a child process cannot be understood, or a message not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    #[error("message of {bytes} bytes is over the limit of {MAX_MESSAGE_BYTES}")]
    TooLong { bytes: usize },
    #[error("message of kind {kind} is too short: {bytes} bytes")]
    TooShort { kind: u8, bytes: usize },
    #[error("message without a kind")]
    Empty,
    #[error("unknown {field} {value} in a message")]
    Unknown { field: &'static str, value: u8 },
}

/// Appends `message` to `out`.
///
/// # Errors
/// The message is longer than [`MAX_MESSAGE_BYTES`]; `out` is then as it was.
pub fn encode(message: &WireMessage, out: &mut BytesMut) -> Result<(), WireError> {
    let payload = match message {
        WireMessage::Packet { packet: Packet::Config(config), .. } => TRACK_BYTES + config.data.len(),
        WireMessage::Packet { packet: Packet::Frame(frame), .. } => {
            TRACK_BYTES + TIMES_BYTES + frame.data.len()
        }
        WireMessage::Control(json) => json.len(),
    };
    let length = payload + 1;
    if length > MAX_MESSAGE_BYTES {
        return Err(WireError::TooLong { bytes: length });
    }
    out.reserve(LENGTH_BYTES + length);
    out.put_u32(length as u32);
    match message {
        WireMessage::Control(json) => {
            out.put_u8(KIND_CONTROL);
            out.put_slice(json);
        }
        WireMessage::Packet { stream, packet: Packet::Config(config) } => {
            out.put_u8(KIND_CONFIG);
            put_track(*stream, config.track, config.codec, config.epoch, out);
            out.put_slice(&config.data);
        }
        WireMessage::Packet { stream, packet: Packet::Frame(frame) } => {
            out.put_u8(KIND_FRAME);
            put_track(*stream, frame.track, frame.codec, frame.epoch, out);
            out.put_u8(u8::from(frame.key));
            out.put_i64(frame.pts_ns);
            out.put_i64(frame.dts_ns);
            out.put_slice(&frame.data);
        }
    }
    Ok(())
}

fn put_track(stream: u8, track: Track, codec: Codec, epoch: Epoch, out: &mut BytesMut) {
    out.put_u8(stream);
    out.put_u8(match track {
        Track::Video => 0,
        Track::Audio => 1,
    });
    let (kind, four_cc) = match codec {
        Codec::H264 => (0, [0; 4]),
        Codec::Aac => (1, [0; 4]),
        Codec::FourCc(four_cc) => (2, four_cc),
    };
    out.put_u8(kind);
    out.put_slice(&four_cc);
    out.put_u64(epoch.0);
}

/// Turns a byte stream, cut anywhere, back into messages.
///
/// After an error the stream has lost its framing: every later call repeats it.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    failed: Option<WireError>,
}

impl Decoder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes.as_ref());
        }
    }

    /// The buffer to read into directly, saving a copy; append only.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole message, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// The bytes are no messages, or one is over the limit.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot say 'not yet' and 'broken'")]
    pub fn next(&mut self) -> Result<Option<WireMessage>, WireError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.decode();
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.buffer = BytesMut::new();
        }
        result
    }

    fn decode(&mut self) -> Result<Option<WireMessage>, WireError> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_MESSAGE_BYTES {
            return Err(WireError::TooLong { bytes: length });
        }
        if length == 0 {
            return Err(WireError::Empty);
        }
        let whole = LENGTH_BYTES + length;
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let mut message = self.buffer.split_to(whole).freeze();
        message.advance(LENGTH_BYTES);
        let kind = message.get_u8();
        match kind {
            KIND_CONTROL => Ok(Some(WireMessage::Control(message))),
            KIND_CONFIG | KIND_FRAME => packet(kind, message).map(Some),
            value => Err(WireError::Unknown { field: "kind", value }),
        }
    }
}

fn packet(kind: u8, mut body: Bytes) -> Result<WireMessage, WireError> {
    let least = TRACK_BYTES + if kind == KIND_FRAME { TIMES_BYTES } else { 0 };
    if body.len() < least {
        return Err(WireError::TooShort { kind, bytes: body.len() });
    }
    let stream = body.get_u8();
    let track = match body.get_u8() {
        0 => Track::Video,
        1 => Track::Audio,
        value => return Err(WireError::Unknown { field: "track", value }),
    };
    let codec_kind = body.get_u8();
    let mut four_cc = [0; 4];
    body.copy_to_slice(&mut four_cc);
    let codec = match codec_kind {
        0 => Codec::H264,
        1 => Codec::Aac,
        2 => Codec::FourCc(four_cc),
        value => return Err(WireError::Unknown { field: "codec", value }),
    };
    let epoch = Epoch(body.get_u64());
    if kind == KIND_CONFIG {
        let packet = Packet::Config(TrackConfig { track, codec, epoch, data: body });
        return Ok(WireMessage::Packet { stream, packet });
    }
    let key = match body.get_u8() {
        0 => false,
        1 => true,
        value => return Err(WireError::Unknown { field: "key flag", value }),
    };
    let pts_ns = body.get_i64();
    let dts_ns = body.get_i64();
    let packet = Packet::Frame(Frame { track, codec, epoch, pts_ns, dts_ns, key, data: body });
    Ok(WireMessage::Packet { stream, packet })
}

#[cfg(test)]
mod tests;
