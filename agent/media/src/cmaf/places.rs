//! Where each sample of a movie file lies, and the ordinary `moov` that says so once the file is closed.
//!
//! A file that is being written begins with `ftyp`, a `free` box of 16 bytes and a `moov` that announces fragments. To
//! close it, an ordinary `moov` is appended, and then the `free` box becomes the header of an `mdat` that reaches up to
//! that: editors and old players see one `mdat` with its tables behind it, and not a byte of the fragments has moved.
//! Until those 16 bytes are on disk the file is the fragmented one.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Edts, Elst, ElstEntry, Mvhd, Stsd};

use super::boxes::{HeaderRead, read_header};
use super::fragment::encode;
use super::init::{
    handler, media_header, movie_box, put_box, put_media_information, sample_entry, track_box,
};
use super::{TrackFormat, VIDEO_TIMESCALE};
use crate::Track;

/// What becomes the header of `mdat`.
pub(super) const MARKER_BYTES: usize = 16;
/// Ticks a second of a closed movie: that of video tracks, so that their edits are exact.
const MOVIE_TIMESCALE: u32 = VIDEO_TIMESCALE;

/// The samples of one track.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    first_decode_time: Option<u64>,
    last_decode_time: u64,
    /// Runs of equal times from one sample to the next.
    deltas: Vec<(u32, u32)>,
    /// Runs of equal composition offsets.
    offsets: Vec<(u32, i32)>,
    /// Numbers of the samples that a decoder can start at, from one.
    keys: Vec<u32>,
    sizes: Vec<u32>,
    /// Where stretches of samples begin, and how many each has.
    chunks: Vec<(u64, u32)>,
    /// Where the last sample ends.
    end: u64,
}

/// A sample as a fragment has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) decode_time: u64,
    pub(super) offset: i32,
    pub(super) key: bool,
    pub(super) position: u64,
    pub(super) size: u32,
}

impl Places {
    /// Takes the next sample.
    pub(super) fn push(&mut self, sample: &Placed) {
        let Placed { decode_time, offset, key, position, size } = *sample;
        if self.first_decode_time.is_none() {
            self.first_decode_time = Some(decode_time);
        } else {
            let delta = decode_time.saturating_sub(self.last_decode_time);
            count(&mut self.deltas, u32::try_from(delta).unwrap_or(u32::MAX));
        }
        self.last_decode_time = decode_time;
        count(&mut self.offsets, offset);
        self.sizes.push(size);
        if key {
            self.keys.push(self.sizes.len() as u32);
        }
        match self.chunks.last_mut() {
            Some((_, samples)) if self.end == position => *samples += 1,
            _ => self.chunks.push((position, 1)),
        }
        self.end = position + u64::from(size);
    }

    /// What `stbl` holds, for a track that ends at this decode time.
    fn put_tables(&self, format: &TrackFormat, end_time: u64, out: &mut BytesMut) {
        encode(&Stsd { codecs: vec![sample_entry(format)] }, out);
        let mut deltas = self.deltas.clone();
        let last = end_time.saturating_sub(self.last_decode_time);
        count(&mut deltas, u32::try_from(last).unwrap_or(u32::MAX));
        put_table(b"stts", 0, deltas.len(), out, |out| {
            deltas.iter().for_each(|(samples, delta)| put_two(*samples, *delta, out));
        });
        if self.offsets.iter().any(|(_, offset)| *offset != 0) {
            let signed = self.offsets.iter().any(|(_, offset)| *offset < 0);
            put_table(b"ctts", u8::from(signed), self.offsets.len(), out, |out| {
                self.offsets
                    .iter()
                    .for_each(|(samples, offset)| put_two(*samples, offset.cast_unsigned(), out));
            });
        }
        if format.track() == Track::Video && self.keys.len() < self.sizes.len() {
            put_table(b"stss", 0, self.keys.len(), out, |out| {
                self.keys.iter().for_each(|key| out.put_u32(*key));
            });
        }
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for (number, (_, samples)) in (1..).zip(&self.chunks) {
            if runs.last().is_none_or(|(_, last)| last != samples) {
                runs.push((number, *samples));
            }
        }
        put_table(b"stsc", 0, runs.len(), out, |out| {
            for (first, samples) in &runs {
                put_two(*first, *samples, out);
                out.put_u32(1);
            }
        });
        put_box(b"stsz", out, |out| {
            out.put_u64(0);
            out.put_u32(self.sizes.len() as u32);
            self.sizes.iter().for_each(|size| out.put_u32(*size));
        });
        let is_long = self.chunks.last().is_some_and(|(at, _)| u32::try_from(*at).is_err());
        put_table(if is_long { b"co64" } else { b"stco" }, 0, self.chunks.len(), out, |out| {
            for (at, _) in &self.chunks {
                if is_long {
                    out.put_u64(*at);
                } else {
                    out.put_u32(*at as u32);
                }
            }
        });
    }
}

/// The next of a run, or the first of another.
fn count<T: PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some((count, last)) if *last == value => *count += 1,
        _ => runs.push((1, value)),
    }
}

fn put_two(first: u32, second: u32, out: &mut BytesMut) {
    out.put_u32(first);
    out.put_u32(second);
}

fn put_table(
    kind: &[u8; 4],
    version: u8,
    entries: usize,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut),
) {
    put_box(kind, out, |out| {
        out.put_u32(u32::from(version) << 24);
        out.put_u32(entries as u32);
        body(out);
    });
}

/// A track of a file that is closed.
pub(super) struct ClosedTrack<'a> {
    pub(super) id: u32,
    pub(super) format: &'a TrackFormat,
    pub(super) places: &'a Places,
    /// Decode time at which the last sample ends.
    pub(super) end_time: u64,
}

impl ClosedTrack<'_> {
    /// In ticks of the movie: how long nothing is shown of it at first, and then how long something is.
    fn shown(&self) -> (u64, u64) {
        let first = self.places.first_decode_time.unwrap_or(0);
        let movie = |ticks: u64| {
            let scaled = u128::from(ticks) * u128::from(MOVIE_TIMESCALE);
            scaled.div_ceil(u128::from(self.format.timescale().max(1))) as u64
        };
        (movie(first), movie(self.end_time.saturating_sub(first)))
    }

    fn put(&self, out: &mut BytesMut) {
        let (empty, shown) = self.shown();
        let first = self.places.first_decode_time.unwrap_or(0);
        let kind = self.format.track();
        put_box(b"trak", out, |out| {
            encode(&track_box(self.id, self.format, empty + shown), out);
            if empty > 0 {
                let entry = |segment_duration, media_time| ElstEntry {
                    segment_duration,
                    media_time,
                    media_rate: 1.into(),
                };
                encode(
                    &Edts { elst: Some(Elst { entries: vec![entry(empty, None), entry(shown, Some(0))] }) },
                    out,
                );
            }
            put_box(b"mdia", out, |out| {
                let duration = self.end_time.saturating_sub(first);
                encode(&media_header(self.format.timescale(), duration), out);
                encode(&handler(kind), out);
                put_box(b"minf", out, |out| {
                    put_media_information(kind, out);
                    put_box(b"stbl", out, |out| self.places.put_tables(self.format, self.end_time, out));
                });
            });
        });
    }
}

/// The ordinary `moov` of a file, to be appended; tracks without samples are left out.
pub(super) fn ordinary_movie(tracks: &[ClosedTrack<'_>]) -> Bytes {
    let tracks: Vec<_> = tracks.iter().filter(|track| !track.places.sizes.is_empty()).collect();
    let duration =
        tracks.iter().map(|track| track.shown()).map(|(empty, shown)| empty + shown).max().unwrap_or(0);
    let next_track_id = tracks.iter().map(|track| track.id).max().unwrap_or(0) + 1;
    let mut out = BytesMut::new();
    put_box(b"moov", &mut out, |out| {
        encode(&Mvhd { timescale: MOVIE_TIMESCALE, ..movie_box(duration, next_track_id) }, out);
        tracks.iter().for_each(|track| track.put(out));
    });
    out.freeze()
}

/// Where the marker stands in a header, behind `ftyp`.
fn marker_at(header: &[u8]) -> Option<usize> {
    let HeaderRead::Whole(ftyp) = read_header(header) else { return None };
    let at = usize::try_from(ftyp.header_bytes + ftyp.body_bytes?).ok()?;
    (ftyp.kind == *b"ftyp" && header.len() >= at + MARKER_BYTES).then_some(at)
}

/// What a header's marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// The file is one of fragments.
    Open,
    /// The file is an ordinary one: its `mdat` ends here.
    Closed {
        /// Where `moov` begins.
        end: u64,
    },
}

impl Marker {
    /// Reads it from what a file begins with; `None` if that is no file of this crate's.
    #[must_use]
    pub fn read(header: &[u8]) -> Option<Self> {
        let at = marker_at(header)?;
        let HeaderRead::Whole(found) = read_header(header.get(at..)?) else { return None };
        match (&found.kind, found.header_bytes, found.body_bytes) {
            (b"free", 8, Some(8)) => Some(Self::Open),
            (b"mdat", 16, Some(body)) => Some(Self::Closed { end: at as u64 + 16 + body }),
            _ => None,
        }
    }

    /// The header with this marker; as it is, if it has no place for one.
    #[must_use]
    pub fn set(self, header: &[u8]) -> Bytes {
        let mut set = BytesMut::from(header);
        if let Some(at) = marker_at(header) {
            let mut marker = BytesMut::with_capacity(MARKER_BYTES);
            match self {
                Self::Open => {
                    marker.put_u32(MARKER_BYTES as u32);
                    marker.put_slice(b"free");
                    marker.put_u64(0);
                }
                Self::Closed { end } => {
                    marker.put_u32(1);
                    marker.put_slice(b"mdat");
                    marker.put_u64(end.saturating_sub(at as u64));
                }
            }
            set[at..at + MARKER_BYTES].copy_from_slice(&marker);
        }
        set.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_set() {
        let header =
            [&16_u32.to_be_bytes()[..], b"ftypisomisom", &16_u32.to_be_bytes(), b"free", &[0; 8], b"rest"]
                .concat();
        assert_eq!(Marker::read(&header), Some(Marker::Open));
        let closed = Marker::Closed { end: 5_000_000_000 };
        let set = closed.set(&header);
        assert_eq!((Marker::read(&set), set.len()), (Some(closed), header.len()));
        assert_eq!(Marker::Open.set(&set), header);
        for cut in 0..32 {
            assert_eq!(Marker::read(&set[..cut]), None, "{cut}");
        }
        assert_eq!(Marker::read(b"\0\0\0\x08ftyp\0\0\0\x10moov12345678"), None);
        assert_eq!(&closed.set(b"short")[..], b"short");
    }
}
