//! Framing: version, postcard, CRC-32, COBS between zero bytes.
//!
//! A zero byte never occurs inside a frame, so a reader that joins late or
//! sees garbage is right again at the next one. Frames begin with a zero too:
//! noise on an idle line costs no frame.

use core::marker::PhantomData;

use crc::{CRC_32_ISO_HDLC, Crc};
use serde::{Serialize, de::DeserializeOwned};

use super::{FromAgent, ToAgent, VERSION};

/// Longest frame on the wire, zeros included; longer input is skipped.
pub const MAX_FRAME: usize = 512;

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const CHECKSUM_BYTES: usize = 4;
/// Version and checksum around the body, COBS's code byte for each 254, and two zeros.
const MAX_BODY: usize = MAX_FRAME - 1 - CHECKSUM_BYTES - MAX_FRAME / 254 - 1 - 2;

/// What can be sent as a frame; the kinds are numbered from zero.
pub trait PanelFrame: Serialize + DeserializeOwned {
    /// How many kinds this version knows.
    const KINDS: u8;
}

impl PanelFrame for FromAgent {
    const KINDS: u8 = 6;
}

impl PanelFrame for ToAgent {
    const KINDS: u8 = 3;
}

/// Why a frame was not understood; the stream goes on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Noise, or the beginning of a frame was missed.
    Garbled,
    /// More than [`MAX_FRAME`] bytes without a zero.
    TooLong,
    /// The other side speaks another version of the contract.
    Version { theirs: u8 },
    /// A kind of frame that this version does not know; harmless.
    UnknownKind { kind: u8 },
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Garbled => f.write_str("read a panel frame: checksum or coding is wrong"),
            Self::TooLong => write!(f, "read a panel frame: over {MAX_FRAME} bytes without an end"),
            Self::Version { theirs } => {
                write!(
                    f,
                    "read a panel frame: version {theirs}, this program speaks {VERSION}; update the older one"
                )
            }
            Self::UnknownKind { kind } => write!(f, "read a panel frame: kind {kind} is not known here"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Encodes one frame; the bytes go to the line as they are.
#[must_use]
pub fn encode<T: PanelFrame>(frame: &T) -> heapless::Vec<u8, MAX_FRAME> {
    let mut plain = [0_u8; 1 + MAX_BODY + CHECKSUM_BYTES];
    plain[0] = VERSION;
    let body = postcard::to_slice(frame, &mut plain[1..=MAX_BODY])
        .expect("every text is bounded, the largest frame is tested to fit")
        .len();
    let checksum = CHECKSUM.checksum(&plain[..=body]);
    plain[1 + body..1 + body + CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());

    let mut wire = heapless::Vec::new();
    wire.resize_default(MAX_FRAME).expect("the vector's own capacity");
    let coded = cobs::encode(&plain[..1 + body + CHECKSUM_BYTES], &mut wire[1..]);
    wire.truncate(1 + coded + 1);
    wire
}

/// Reads frames from bytes that come in any pieces, in bounded memory.
#[derive(Debug, Clone)]
pub struct Decoder<T> {
    coded: heapless::Vec<u8, MAX_FRAME>,
    skipping: bool,
    frame: PhantomData<fn() -> T>,
}

impl<T> Default for Decoder<T> {
    fn default() -> Self {
        Self { coded: heapless::Vec::new(), skipping: false, frame: PhantomData }
    }
}

impl<T: PanelFrame> Decoder<T> {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` up to the end of one frame.
    ///
    /// `None` says that `input` is used up; call again with what comes next.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<T, FrameError>> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if byte != 0 {
                self.skipping |= self.coded.push(byte).is_err();
                continue;
            }
            let too_long = core::mem::take(&mut self.skipping);
            if self.coded.is_empty() {
                continue;
            }
            let result = if too_long { Err(FrameError::TooLong) } else { parse(&mut self.coded) };
            self.coded.clear();
            return Some(result);
        }
        None
    }
}

fn parse<T: PanelFrame>(coded: &mut [u8]) -> Result<T, FrameError> {
    let length = cobs::decode_in_place(coded).map_err(|_| FrameError::Garbled)?;
    let (content, checksum) =
        coded[..length].split_last_chunk::<CHECKSUM_BYTES>().ok_or(FrameError::Garbled)?;
    if CHECKSUM.checksum(content) != u32::from_le_bytes(*checksum) {
        return Err(FrameError::Garbled);
    }
    let (&version, body) = content.split_first().ok_or(FrameError::Garbled)?;
    if version != VERSION {
        return Err(FrameError::Version { theirs: version });
    }
    // Kinds stay below 128, so the variant's number is one byte.
    let &kind = body.first().ok_or(FrameError::Garbled)?;
    if kind >= T::KINDS {
        return Err(FrameError::UnknownKind { kind });
    }
    // Bytes after the fields known here come from a newer speaker and are skipped.
    postcard::take_from_bytes(body).map(|(frame, _newer)| frame).map_err(|_| FrameError::Garbled)
}
