//! The boxes before the samples: short ones in memory, long tables as promises.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Edts, Elst, ElstEntry, Encode, Ftyp, Mvhd, Stsd};

use super::MAX_TRIM_MS;
use super::chunks::Chunk;
use super::table::{Contents, Table};
use super::timing::{Edit, MOVIE_TIMESCALE};
use super::track::FileTrack;
use crate::Track;
use crate::cmaf::fragment::encode;
use crate::cmaf::init::{handler, media_header, movie_box, put_media_information, sample_entry, track_box};

/// A stretch of the header.
#[derive(Debug, Clone)]
enum Section {
    Bytes(Bytes),
    /// All entries of a table of the track of this index.
    Table {
        track: usize,
        table: Table,
        bytes: u64,
    },
}

impl Section {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Table { bytes, .. } => *bytes,
        }
    }
}

/// All of the header, in order.
#[derive(Debug)]
pub(super) struct Head {
    sections: Vec<Section>,
    bytes: u64,
}

impl Head {
    pub(super) fn of(tracks: &[FileTrack], payload_bytes: u64) -> Self {
        let head = Self::with_places(tracks, payload_bytes, Table::Places);
        if head.bytes + payload_bytes <= u64::from(u32::MAX) {
            return head;
        }
        Self::with_places(tracks, payload_bytes, Table::LongPlaces)
    }

    fn with_places(tracks: &[FileTrack], payload_bytes: u64, places: Table) -> Self {
        let ftyp = Ftyp {
            major_brand: b"isom".into(),
            minor_version: 512,
            compatible_brands: vec![b"isom".into(), b"iso2".into(), b"avc1".into(), b"mp41".into()],
        };
        let edits = edits(tracks);
        let duration = edits.iter().map(Edit::end).max().unwrap_or(0);
        let mut movie =
            vec![atom(&Mvhd { timescale: MOVIE_TIMESCALE, ..movie_box(duration, tracks.len() as u32 + 1) })];
        for ((index, track), edit) in tracks.iter().enumerate().zip(&edits) {
            movie.extend(track_sections(index, track, *edit, places));
        }
        let mut sections = vec![atom(&ftyp)];
        sections.extend(boxed(b"moov", movie));
        let mut mdat = BytesMut::with_capacity(16);
        match places {
            Table::LongPlaces => {
                mdat.put_u32(1);
                mdat.put_slice(b"mdat");
                mdat.put_u64(payload_bytes + 16);
            }
            // not used if the whole file is longer than that says
            _ => {
                mdat.put_u32((payload_bytes + 8) as u32);
                mdat.put_slice(b"mdat");
            }
        }
        sections.push(Section::Bytes(mdat.freeze()));
        let bytes = sections.iter().map(Section::bytes).sum();
        Self { sections, bytes }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn render(
        &self,
        range: Range<u64>,
        tracks: &[FileTrack],
        chunks: &[Chunk],
        out: &mut BytesMut,
    ) {
        let mut start = 0;
        for section in &self.sections {
            let from = range.start.max(start) - start;
            let to = range.end.min(start + section.bytes()).saturating_sub(start);
            start += section.bytes();
            if from >= to {
                continue;
            }
            match section {
                Section::Bytes(bytes) => {
                    out.extend_from_slice(bytes.get(from as usize..to as usize).unwrap_or_default());
                }
                Section::Table { track, table, .. } => {
                    if let Some(track) = tracks.get(*track) {
                        let contents = Contents { track, chunks, head_bytes: self.bytes };
                        table.render(&contents, &(from..to), out);
                    }
                }
            }
        }
    }
}

pub(super) fn duration_ms(tracks: &[FileTrack]) -> u64 {
    let ticks = edits(tracks).iter().map(Edit::end).max().unwrap_or(0);
    ticks / u64::from(MOVIE_TIMESCALE / 1000)
}

/// The movie begins with the first picture, unless there is much sound before it.
fn edits(tracks: &[FileTrack]) -> Vec<Edit> {
    let presented: Vec<_> = tracks.iter().map(|track| (track.kind, track.presented())).collect();
    let earliest = presented.iter().map(|(_, presented)| presented.from).min().unwrap_or(0);
    let picture = presented.iter().find(|(kind, _)| *kind == Track::Video).map(|(_, video)| video.from);
    let most = i128::from(MAX_TRIM_MS) * i128::from(MOVIE_TIMESCALE) / 1000;
    let zero = picture.filter(|picture| picture - earliest <= most).unwrap_or(earliest);
    presented.iter().map(|(_, presented)| presented.edit(zero)).collect()
}

fn track_sections(index: usize, track: &FileTrack, edit: Edit, places: Table) -> Vec<Section> {
    let Some(format) = track.usual_format() else { return Vec::new() };
    let mut information = BytesMut::new();
    put_media_information(track.kind, &mut information);
    let codecs = track.entries.iter().map(|entry| sample_entry(&entry.format)).collect();
    let mut samples = vec![atom(&Stsd { codecs })];
    samples.extend(table_box(index, track, Table::Times));
    if track.has_keys() {
        samples.extend(table_box(index, track, Table::Keys));
    }
    if track.has_offsets() {
        samples.extend(table_box(index, track, Table::Offsets));
    }
    for table in [Table::Chunks, Table::Sizes, places] {
        samples.extend(table_box(index, track, table));
    }
    let mut minf = vec![Section::Bytes(information.freeze())];
    minf.extend(boxed(b"stbl", samples));
    let decoded = u64::try_from(track.extent.decoded_to).unwrap_or(0);
    let mut media = vec![atom(&media_header(track.timescale, decoded)), atom(&handler(track.kind))];
    media.extend(boxed(b"minf", minf));
    let mut parts = vec![atom(&track_box(index as u32 + 1, format, edit.end()))];
    if edit.empty > 0 || edit.media_time > 0 {
        parts.push(atom(&edit_box(edit)));
    }
    parts.extend(boxed(b"mdia", media));
    boxed(b"trak", parts)
}

fn edit_box(edit: Edit) -> Edts {
    let shown = ElstEntry {
        segment_duration: edit.duration,
        media_time: Some(edit.media_time),
        media_rate: 1.into(),
    };
    let empty = ElstEntry { segment_duration: edit.empty, media_time: None, media_rate: 1.into() };
    let entries = (edit.empty > 0).then_some(empty).into_iter().chain([shown]).collect();
    Edts { elst: Some(Elst { entries }) }
}

fn atom(atom: &impl Encode) -> Section {
    let mut out = BytesMut::new();
    encode(atom, &mut out);
    Section::Bytes(out.freeze())
}

/// Puts a box around sections; all of a header is far below 4 GiB, as tracks are limited.
fn boxed(kind: &[u8; 4], inside: Vec<Section>) -> Vec<Section> {
    let bytes = 8 + inside.iter().map(Section::bytes).sum::<u64>();
    let mut header = BytesMut::with_capacity(8);
    header.put_u32(bytes as u32);
    header.put_slice(kind);
    let mut sections = vec![Section::Bytes(header.freeze())];
    sections.extend(inside);
    sections
}

/// A table with what stands before its entries: version, flags, for `stsz` a common size of none, and the count.
fn table_box(index: usize, track: &FileTrack, table: Table) -> Vec<Section> {
    let entries = table.entries(track);
    let mut head = BytesMut::with_capacity(12);
    head.put_u32(0);
    if table == Table::Sizes {
        head.put_u32(0);
    }
    head.put_u32(entries);
    let bytes = u64::from(entries) * table.entry_bytes();
    boxed(table.kind(), vec![Section::Bytes(head.freeze()), Section::Table { track: index, table, bytes }])
}
