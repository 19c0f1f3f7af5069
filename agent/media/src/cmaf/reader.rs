//! Reads fragmented MP4 back into packets.

pub(super) mod fragments;
pub(super) mod tracks;

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use self::fragments::{SampleAt, read_fragment};
use self::tracks::{ReadTrack, read_tracks};
use super::boxes::{BoxHeader, HeaderRead, read_header};
use super::timeline::to_ns;
use super::{CmafError, MAX_FRAGMENT_BYTES};
use crate::{Epoch, Frame, Packet};

const MAX_MOOV_BYTES: u64 = 4 * 1024 * 1024;
const MAX_MOOF_BYTES: u64 = 4 * 1024 * 1024;

/// Turns the bytes of a fragmented MP4, cut anywhere, into configurations and frames.
///
/// It reads what this crate writes and what other packagers write of H.264 and
/// AAC in fragments, each with its media data right behind it. Tracks of other
/// codecs are left out; edit lists are not looked at. After an error every
/// later call repeats it.
#[derive(Debug, Default)]
pub struct CmafReader {
    buffer: BytesMut,
    /// Position in the stream of the first byte in the buffer.
    position: u64,
    /// Bytes of a box of no interest that are still to come.
    skip: u64,
    tracks: Vec<ReadTrack>,
    waiting: Vec<SampleAt>,
    packets: VecDeque<Packet>,
    failed: Option<CmafError>,
}

impl CmafReader {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) {
        let mut bytes = bytes.as_ref();
        if self.failed.is_some() {
            return;
        }
        if self.buffer.is_empty() {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            self.position += skipped as u64;
            bytes = &bytes[skipped..];
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next packet, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// The bytes are no fragmented MP4 that can be read, or a box is over its limit.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot say 'not yet' and 'broken'")]
    pub fn next(&mut self) -> Result<Option<Packet>, CmafError> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return Ok(Some(packet));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.read_box() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => {
                    self.buffer = BytesMut::new();
                    self.waiting.clear();
                    self.failed = Some(error);
                }
            }
        }
    }

    /// Returns whether there was a box to read.
    fn read_box(&mut self) -> Result<bool, CmafError> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.buffer.len());
        self.advance(skipped);
        self.skip -= skipped as u64;
        let header = match read_header(&self.buffer) {
            HeaderRead::NotYet => return Ok(false),
            HeaderRead::Broken(kind) => return Err(CmafError::BrokenBox { kind }),
            HeaderRead::Whole(header) => header,
        };
        let limit = match &header.kind {
            b"moov" => MAX_MOOV_BYTES,
            b"moof" => MAX_MOOF_BYTES,
            b"mdat" if !self.waiting.is_empty() => MAX_FRAGMENT_BYTES as u64,
            _ => {
                self.skip = header.body_bytes.unwrap_or(u64::MAX).saturating_add(header.header_bytes);
                return Ok(!self.buffer.is_empty());
            }
        };
        let BoxHeader { kind, header_bytes, body_bytes } = header;
        let bytes = body_bytes.ok_or(CmafError::BrokenBox { kind })?;
        if bytes > limit {
            return Err(CmafError::BoxTooLong { kind, bytes });
        }
        if (self.buffer.len() as u64) < header_bytes + bytes {
            return Ok(false);
        }
        let start = self.position;
        self.advance(header_bytes as usize);
        let body = self.buffer.split_to(bytes as usize).freeze();
        self.position += bytes;
        match &kind {
            b"moov" => self.read_moov(&body)?,
            b"moof" => self.read_moof(start, &body)?,
            _ => self.read_mdat(start + header_bytes, &body)?,
        }
        Ok(true)
    }

    fn advance(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.position += bytes as u64;
    }

    fn read_moov(&mut self, body: &[u8]) -> Result<(), CmafError> {
        self.tracks = read_tracks(body)?;
        self.waiting.clear();
        self.packets.extend(self.tracks.iter().map(|track| Packet::Config(track.config.clone())));
        Ok(())
    }

    fn read_moof(&mut self, start: u64, body: &[u8]) -> Result<(), CmafError> {
        if !self.waiting.is_empty() {
            return Err(CmafError::SampleOutOfBounds);
        }
        if self.tracks.is_empty() {
            return Err(CmafError::MissingBox { kind: *b"moov" });
        }
        self.waiting = read_fragment(body, start, &mut self.tracks)?;
        Ok(())
    }

    fn read_mdat(&mut self, start: u64, body: &Bytes) -> Result<(), CmafError> {
        // samples that share bytes could make much of little
        let claimed: u64 = self.waiting.iter().map(|sample| u64::from(sample.size)).sum();
        if claimed > body.len() as u64 {
            return Err(CmafError::SampleOutOfBounds);
        }
        let mut frames = Vec::with_capacity(self.waiting.len());
        for sample in self.waiting.drain(..) {
            let track = &self.tracks[sample.track];
            let from = sample.position.checked_sub(start).ok_or(CmafError::SampleOutOfBounds)?;
            let to = from.checked_add(u64::from(sample.size)).ok_or(CmafError::SampleOutOfBounds)?;
            if to > body.len() as u64 {
                return Err(CmafError::SampleOutOfBounds);
            }
            let decoded = i64::try_from(sample.decode_time).unwrap_or(i64::MAX);
            frames.push(Frame {
                track: track.config.track,
                codec: track.config.codec,
                epoch: Epoch::UNKNOWN,
                pts_ns: to_ns(decoded.saturating_add(sample.offset), track.timescale),
                dts_ns: to_ns(decoded, track.timescale),
                key: sample.key,
                data: body.slice(from as usize..to as usize),
            });
        }
        if self.tracks.len() > 1 {
            frames.sort_by_key(|frame| frame.dts_ns);
        }
        self.packets.extend(frames.into_iter().map(Packet::Frame));
        Ok(())
    }
}
