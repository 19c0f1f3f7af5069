//! Which samples stand together in the file, and where.

use super::timing::Scale;
use super::track::{Counts, Extent, FileTrack, Segment, Timed};

/// About how much of a track stands in one stretch before another track's turn comes.
const CHUNK_MS: i128 = 750;

/// A stretch of one segment's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Where it begins, from the first byte of all samples; the time in microseconds until it has a place.
    pub(super) at: u64,
    pub(super) bytes: u32,
    /// Bytes of the segment's samples that stand before it.
    pub(super) skip: u32,
    /// Index of the segment in its track.
    pub(super) segment: u32,
    pub(super) samples: u32,
    /// Index of the track.
    pub(super) track: u32,
}

/// Counts what a track's tables will hold, and cuts its samples into chunks that have no place yet.
pub(super) fn measure(track: &mut FileTrack, number: u32, chunks: &mut Vec<Chunk>) {
    let (mut totals, mut extent) = (Counts::default(), Extent::NONE);
    for index in 0..track.segments.len() {
        let before = totals;
        if let Some(segment) = track.segments.get(index) {
            count(track, index, segment, &mut totals, &mut extent);
            cut(track, (number, index), segment, chunks);
        }
        if let Some(segment) = track.segments.get_mut(index) {
            segment.before = before;
        }
    }
    (track.totals, track.extent) = (totals, extent);
}

fn count(track: &FileTrack, index: usize, segment: &Segment, totals: &mut Counts, extent: &mut Extent) {
    let mut last: Option<Timed> = None;
    for sample in track.timed(index) {
        totals.times += u32::from(last.is_none_or(|last| last.delta != sample.delta));
        totals.offsets += u32::from(last.is_none_or(|last| last.offset != sample.offset));
        last = Some(sample);
        extent.add(&sample);
    }
    let columns = segment.scan.columns();
    totals.samples += columns.count;
    totals.keys += columns.keys().zip(0u32..).filter(|(key, _)| *key).count() as u32;
}

fn cut(track: &FileTrack, (number, index): (u32, usize), segment: &Segment, chunks: &mut Vec<Chunk>) {
    let to_us = Scale { from: track.timescale, to: 1_000_000 };
    let columns = segment.scan.columns();
    let length: i64 = columns.delta_runs().map(|(count, delta)| delta * count as i64).sum();
    let step = chunk_ticks(length, track.timescale_of(segment), track.timescale);
    let (mut open, mut end, mut skip): (Option<Chunk>, i64, u32) = (None, 0, 0);
    for (sample, size) in track.timed(index).zip(columns.sizes()) {
        match &mut open {
            Some(chunk) if sample.at < end => {
                chunk.samples += 1;
                chunk.bytes += size;
            }
            _ => {
                chunks.extend(open.take());
                end = sample.at + step;
                let at_us = to_us.at(track.base + i128::from(sample.at));
                open = Some(Chunk {
                    at: u64::try_from(at_us).unwrap_or(0),
                    bytes: size,
                    skip,
                    segment: index as u32,
                    samples: 1,
                    track: number,
                });
            }
        }
        skip += size;
    }
    chunks.extend(open);
}

/// A segment is cut into stretches of about the same length, in ticks of the track.
fn chunk_ticks(length: i64, from: u32, to: u32) -> i64 {
    let length = Scale { from, to }.at(i128::from(length));
    let usual = (CHUNK_MS * i128::from(to) / 1000).max(1);
    let count = ((length + usual / 2) / usual).max(1);
    // rounded up, so that no sample is left over
    i64::try_from((length + count - 1) / count).unwrap_or(i64::MAX / 4).max(1)
}

/// Sorts all tracks' chunks by time and gives them their places; returns the bytes of all.
pub(super) fn put_in_order(tracks: &mut [FileTrack], chunks: &mut [Chunk]) -> u64 {
    // a track's chunks stay in order even where their times are rounded to the same
    chunks.sort_unstable_by_key(|chunk| (chunk.at, chunk.track, chunk.segment, chunk.skip));
    let mut at = 0;
    for chunk in &mut *chunks {
        chunk.at = at;
        at += u64::from(chunk.bytes);
    }
    for (track, number) in tracks.iter_mut().zip(0..) {
        let own = || chunks.iter().zip(0..).filter(|(chunk, _)| chunk.track == number);
        track.chunks = Vec::with_capacity(own().count());
        track.chunks.extend(own().map(|(_, index)| index));
    }
    at
}
