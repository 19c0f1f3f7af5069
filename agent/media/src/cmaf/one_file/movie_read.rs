//! Reads a finished file the way a player does, by its tables and edit lists alone.

use mp4_atom::{Decode, Moov, StszSamples};

use super::{OneFile, Piece};
use crate::cmaf::boxes::child;

/// A sample with what the file says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// When it is shown, in nanoseconds of the movie; before zero it is cut off.
    pub(super) at_ns: i64,
    /// Decode time in ticks of the track.
    pub(super) decoded: u64,
    pub(super) duration: u32,
    pub(super) key: bool,
    /// Number of its configuration, from 1.
    pub(super) entry: u32,
    pub(super) place: u64,
    pub(super) size: u32,
}

pub(super) fn whole_head(file: &OneFile) -> Vec<u8> {
    file.head(0..u64::MAX).to_vec()
}

/// The bytes of a range, with `segment` giving those of a segment of a track.
pub(super) fn assemble<'a>(
    file: &OneFile,
    range: std::ops::Range<u64>,
    segment: impl Fn(usize, u64) -> &'a [u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in file.pieces(range) {
        match piece {
            Piece::Head { from, to } => out.extend_from_slice(&file.head(from..to)),
            Piece::Source { track, source, offset, len } => {
                out.extend_from_slice(&segment(track, source)[offset as usize..(offset + len) as usize]);
            }
        }
    }
    out
}

pub(super) fn movie(head: &[u8]) -> Moov {
    let body = child(head, b"moov").unwrap();
    let mut boxed = (body.len() as u32 + 8).to_be_bytes().to_vec();
    boxed.extend_from_slice(b"moov");
    boxed.extend_from_slice(body);
    Moov::decode(&mut &boxed[..]).unwrap()
}

/// Each track's samples.
pub(super) fn shown(head: &[u8]) -> Vec<Vec<Shown>> {
    let moov = movie(head);
    (0..moov.trak.len()).map(|track| track_samples(&moov, track)).collect()
}

fn track_samples(moov: &Moov, track: usize) -> Vec<Shown> {
    let trak = &moov.trak[track];
    let table = &trak.mdia.minf.stbl;
    let StszSamples::Different { sizes } = &table.stsz.samples else { panic!("sizes differ") };
    let timescale = i128::from(trak.mdia.mdhd.timescale);
    let edits = trak.edts.as_ref().and_then(|edts| edts.elst.as_ref()).map_or(&[][..], |elst| &elst.entries);
    let (mut empty, mut media_time) = (0, 0);
    for edit in edits {
        match edit.media_time {
            None => empty = i128::from(edit.segment_duration),
            Some(time) => media_time = i128::from(time),
        }
    }
    let empty_ns = empty * 1_000_000_000 / i128::from(moov.mvhd.timescale);
    let mut durations = table.stts.entries.iter().flat_map(|run| {
        assert!(run.sample_count > 0 && run.sample_delta <= i32::MAX as u32);
        std::iter::repeat_n(run.sample_delta, run.sample_count as usize)
    });
    let runs = table.ctts.as_ref().map_or(&[][..], |ctts| &ctts.entries);
    let mut offsets =
        runs.iter().flat_map(|run| std::iter::repeat_n(run.sample_offset, run.sample_count as usize));
    let places: Vec<u64> = match (&table.stco, &table.co64) {
        (Some(short), None) => short.entries.iter().map(|place| u64::from(*place)).collect(),
        (None, Some(long)) => long.entries.clone(),
        _ => panic!("one table of places"),
    };
    let mut out = Vec::new();
    let mut decoded = 0;
    for (index, place) in places.iter().enumerate() {
        let run = table.stsc.entries.iter().rfind(|run| run.first_chunk as usize <= index + 1).unwrap();
        let mut place = *place;
        for _ in 0..run.samples_per_chunk {
            let size = sizes[out.len()];
            let duration = durations.next().unwrap();
            let presented = i128::from(decoded) + i128::from(offsets.next().unwrap_or(0)) - media_time;
            let number = out.len() as u32 + 1;
            out.push(Shown {
                at_ns: ((presented * 2_000_000_000 + timescale).div_euclid(2 * timescale) + empty_ns) as i64,
                decoded,
                duration,
                key: table.stss.as_ref().is_none_or(|keys| keys.entries.contains(&number)),
                entry: run.sample_description_index,
                place,
                size,
            });
            decoded += u64::from(duration);
            place += u64::from(size);
        }
    }
    assert_eq!(out.len(), sizes.len());
    assert_eq!(durations.next(), None);
    assert_eq!(offsets.next(), None);
    assert_eq!(trak.mdia.mdhd.duration, decoded);
    out
}
