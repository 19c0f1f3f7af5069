//! The tables that say when each sample is shown, how long it is and where it lies, rendered by ranges.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use super::chunks::Chunk;
use super::track::{Counts, FileTrack, equal_runs};

/// A table whose length grows with the recording (ISO/IEC 14496-12, 8.6 and 8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// `stts`: how long samples last.
    Times,
    /// `ctts`: how much later than decoded they are shown.
    Offsets,
    /// `stss`: where a decoder can start.
    Keys,
    /// `stsz`.
    Sizes,
    /// `stsc`: how many samples, of which configuration, each chunk has.
    Chunks,
    /// `stco`: where the chunks are, in a file of less than 4 GiB.
    Places,
    /// `co64`: the same in any file.
    LongPlaces,
}

/// What the tables are rendered from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contents<'a> {
    pub(super) track: &'a FileTrack,
    pub(super) chunks: &'a [Chunk],
    /// Length of the file's header.
    pub(super) head_bytes: u64,
}

impl Table {
    pub(super) fn kind(self) -> &'static [u8; 4] {
        match self {
            Self::Times => b"stts",
            Self::Offsets => b"ctts",
            Self::Keys => b"stss",
            Self::Sizes => b"stsz",
            Self::Chunks => b"stsc",
            Self::Places => b"stco",
            Self::LongPlaces => b"co64",
        }
    }

    pub(super) fn entry_bytes(self) -> u64 {
        match self {
            Self::Keys | Self::Sizes | Self::Places => 4,
            Self::Times | Self::Offsets | Self::LongPlaces => 8,
            Self::Chunks => 12,
        }
    }

    pub(super) fn entries(self, track: &FileTrack) -> u32 {
        match self {
            // there are no more chunks than samples
            Self::Chunks | Self::Places | Self::LongPlaces => track.chunks.len() as u32,
            _ => self.entries_before(&track.totals),
        }
    }

    /// How many entries stand before those of a segment.
    fn entries_before(self, before: &Counts) -> u32 {
        match self {
            Self::Times => before.times,
            Self::Offsets => before.offsets,
            Self::Keys => before.keys,
            Self::Sizes => before.samples,
            Self::Chunks | Self::Places | Self::LongPlaces => 0,
        }
    }

    /// Writes these bytes of the entries.
    pub(super) fn render(self, contents: &Contents<'_>, range: &Range<u64>, out: &mut BytesMut) {
        let size = self.entry_bytes();
        let entries = range.start / size..range.end.div_ceil(size);
        let mut whole = BytesMut::with_capacity(((entries.end - entries.start) * size) as usize);
        match self {
            Self::Chunks | Self::Places | Self::LongPlaces => self.of_chunks(contents, &entries, &mut whole),
            _ => self.of_segments(contents.track, &entries, &mut whole),
        }
        let from = range.start - entries.start * size;
        let to = from + (range.end - range.start);
        out.extend_from_slice(whole.get(from as usize..to as usize).unwrap_or_default());
    }

    fn of_chunks(self, contents: &Contents<'_>, entries: &Range<u64>, out: &mut BytesMut) {
        let Contents { track, chunks, head_bytes } = contents;
        let own = track.chunks.get(entries.start as usize..entries.end as usize).unwrap_or_default();
        for (index, number) in own.iter().zip(entries.start + 1..) {
            let Some(chunk) = chunks.get(*index as usize) else { return };
            match self {
                Self::LongPlaces => out.put_u64(head_bytes + chunk.at),
                Self::Places => out.put_u32((head_bytes + chunk.at) as u32),
                _ => {
                    let segment = track.segments.get(chunk.segment as usize);
                    out.put_u32(number as u32);
                    out.put_u32(chunk.samples);
                    out.put_u32(segment.map_or(0, |segment| segment.entry) + 1);
                }
            }
        }
    }

    fn of_segments(self, track: &FileTrack, entries: &Range<u64>, out: &mut BytesMut) {
        let before = |index: usize| {
            track.segments.get(index).map(|segment| u64::from(self.entries_before(&segment.before)))
        };
        let following = track
            .segments
            .partition_point(|segment| u64::from(self.entries_before(&segment.before)) <= entries.start);
        let mut index = following.saturating_sub(1);
        while let Some(first) = before(index).filter(|first| *first < entries.end) {
            let skip = entries.start.saturating_sub(first) as usize;
            let take = (entries.end - first.max(entries.start)) as usize;
            self.of_segment(track, index, skip..skip.saturating_add(take), out);
            index += 1;
        }
    }

    /// Writes these of a segment's entries, as far as there are so many.
    fn of_segment(self, track: &FileTrack, index: usize, entries: Range<usize>, out: &mut BytesMut) {
        let Some(segment) = track.segments.get(index) else { return };
        let (skip, take) = (entries.start, entries.len());
        let columns = segment.scan.columns();
        match self {
            Self::Sizes => columns.sizes().skip(skip).take(take).for_each(|size| out.put_u32(size)),
            Self::Keys => {
                let first = segment.before.samples + 1;
                let keys = columns.keys().zip(first..).filter(|(key, _)| *key);
                keys.skip(skip).take(take).for_each(|(_, number)| out.put_u32(number));
            }
            Self::Times => {
                let runs = equal_runs(track.timed(index).map(|sample| sample.delta));
                runs.skip(skip).take(take).for_each(|(count, delta)| {
                    out.put_u32(count);
                    out.put_u32(delta);
                });
            }
            _ => {
                let shift = track.offset_shift();
                let runs = equal_runs(track.timed(index).map(|sample| sample.offset));
                runs.skip(skip).take(take).for_each(|(count, offset)| {
                    out.put_u32(count);
                    // two numbers of 31 bits, the shift taking the sign away
                    out.put_u32(u32::try_from(offset + shift).unwrap_or(u32::MAX));
                });
            }
        }
    }
}
