//! Finds the samples of a segment in its bytes.

use super::scan::{Found, MAX_STEP_TICKS, SegmentScan};
use super::{InitSection, MAX_SEGMENT_BYTES, MAX_SEGMENT_SAMPLES, MAX_START_TICKS, OneFileError};
use crate::cmaf::CmafError;
use crate::cmaf::boxes::{HeaderRead, read_header};
use crate::cmaf::reader::fragments::{SampleAt, read_fragment};
use crate::cmaf::reader::tracks::ReadTrack;

/// Walks through the boxes of a segment.
#[derive(Debug)]
pub(super) struct Scanner {
    tracks: [ReadTrack; 1],
    /// In the segment, of the next box.
    position: u64,
    /// Samples of a `moof` whose `mdat` is still to come.
    waiting: Vec<SampleAt>,
    found: Vec<Found>,
    /// Tick at which what was found ends.
    end: u64,
}

impl Scanner {
    pub(super) fn new(init: &InitSection) -> Self {
        Self { tracks: [init.track.clone()], position: 0, waiting: Vec::new(), found: Vec::new(), end: 0 }
    }

    pub(super) fn part(&mut self, part: &[u8]) -> Result<(), OneFileError> {
        let mut rest = part;
        while !rest.is_empty() {
            let HeaderRead::Whole(header) = read_header(rest) else { return Err(OneFileError::CutOff) };
            let start = usize::try_from(header.header_bytes).map_err(|_| OneFileError::CutOff)?;
            let after = rest.get(start..).ok_or(OneFileError::CutOff)?;
            let length = match header.body_bytes {
                Some(length) => usize::try_from(length).map_err(|_| OneFileError::CutOff)?,
                None => after.len(),
            };
            let (body, tail) = after.split_at_checked(length).ok_or(OneFileError::CutOff)?;
            let end = self.position + (start + length) as u64;
            if end > MAX_SEGMENT_BYTES {
                return Err(OneFileError::SegmentTooLong);
            }
            match &header.kind {
                b"moof" if !self.waiting.is_empty() => return Err(CmafError::SampleOutOfBounds.into()),
                b"moof" => self.waiting = read_fragment(body, self.position, &mut self.tracks)?,
                b"mdat" if !self.waiting.is_empty() => self.take(self.position + start as u64, end)?,
                _ => {}
            }
            self.position = end;
            rest = tail;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<SegmentScan, OneFileError> {
        if !self.waiting.is_empty() {
            return Err(CmafError::SampleOutOfBounds.into());
        }
        Ok(SegmentScan::write(&self.found, self.end))
    }

    /// Takes the waiting samples, whose media data lie at `from..to`.
    fn take(&mut self, from: u64, to: u64) -> Result<(), OneFileError> {
        let waiting = std::mem::take(&mut self.waiting);
        // samples that share bytes could make much of little
        let claimed: u64 = waiting.iter().map(|sample| u64::from(sample.size)).sum();
        if claimed > to - from {
            return Err(CmafError::SampleOutOfBounds.into());
        }
        if self.found.len() + waiting.len() > MAX_SEGMENT_SAMPLES {
            return Err(OneFileError::TooManySamples);
        }
        let Some(first) = waiting.first().map(|sample| sample.decode_time) else { return Ok(()) };
        if first == u64::MAX {
            return Err(CmafError::MissingBox { kind: *b"tfdt" }.into());
        }
        let stated_end = self.tracks[0].next_decode_time;
        if stated_end > MAX_START_TICKS {
            return Err(OneFileError::Time);
        }
        // a fragment that goes back follows what is there
        let back = self.found.last().is_some_and(|last| first <= last.at);
        let shift = if back { self.end - first } else { 0 };
        for sample in &waiting {
            self.push(sample, shift, from..to)?;
        }
        let last = self.found.last().map_or(0, |last| last.at);
        self.end = (stated_end + shift).max(last + 1);
        if self.end - last > MAX_STEP_TICKS || self.end > MAX_START_TICKS {
            return Err(OneFileError::Time);
        }
        Ok(())
    }

    fn push(
        &mut self,
        sample: &SampleAt,
        shift: u64,
        data: std::ops::Range<u64>,
    ) -> Result<(), OneFileError> {
        let end = sample.position.saturating_add(u64::from(sample.size));
        if sample.position < data.start || end > data.end {
            return Err(CmafError::SampleOutOfBounds.into());
        }
        let mut at = sample.decode_time.saturating_add(shift);
        if let Some(last) = self.found.last() {
            // a sample of no duration still needs a tick
            at = at.max(last.at + 1);
            if at - last.at > MAX_STEP_TICKS {
                return Err(OneFileError::Time);
            }
        }
        if at > MAX_START_TICKS {
            return Err(OneFileError::Time);
        }
        self.found.push(Found {
            at,
            offset: i32::try_from(sample.offset).map_err(|_| OneFileError::Time)?,
            key: sample.key,
            // both lie within a segment of at most MAX_SEGMENT_BYTES
            position: sample.position as u32,
            size: sample.size,
        });
        Ok(())
    }
}
