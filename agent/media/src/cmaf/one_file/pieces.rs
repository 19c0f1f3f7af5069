//! Which bytes of which segments stand at a place of the file.

use std::ops::Range;

use super::OneFile;
use super::chunks::Chunk;

/// Where the next bytes of the file come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The file's own header: [`OneFile::head`] renders it.
    Head { from: u64, to: u64 },
    /// A stretch of a segment.
    Source {
        /// As [`super::OneFileBuilder::add_track`] numbered it.
        track: usize,
        /// As the caller of [`super::OneFileBuilder::push`] named it.
        source: u64,
        /// In the segment.
        offset: u64,
        len: u64,
    },
}

impl OneFile {
    /// The pieces that make up a range of the file, in order, as far as the file goes.
    ///
    /// A segment's pieces follow each other with few of another track's between
    /// them, so whoever keeps the last segment of each track fetches each once.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = Piece> + '_ {
        let head_bytes = self.head_bytes();
        let to = range.end.min(head_bytes);
        let head = (range.start < to).then_some(Piece::Head { from: range.start, to });
        // from here on counted from the first byte of all samples
        let wanted = range.start.saturating_sub(head_bytes)..range.end.saturating_sub(head_bytes);
        let first = self.chunks.partition_point(|chunk| chunk.at + u64::from(chunk.bytes) <= wanted.start);
        let chunks = self.chunks.get(first..).unwrap_or_default();
        let end = wanted.end;
        let sources = chunks
            .iter()
            .take_while(move |chunk| chunk.at < end)
            .flat_map(move |chunk| self.chunk_pieces(chunk, wanted.clone()));
        head.into_iter().chain(sources)
    }

    /// The stretches of a chunk's segment that lie in the wanted range.
    fn chunk_pieces(&self, chunk: &Chunk, wanted: Range<u64>) -> impl Iterator<Item = Piece> + '_ {
        let track = self.tracks.get(chunk.track as usize);
        let segment = track.and_then(|track| track.segments.get(chunk.segment as usize));
        // in the segment's samples, one after the other
        let from = u64::from(chunk.skip) + wanted.start.saturating_sub(chunk.at);
        let to = u64::from(chunk.skip) + u64::from(chunk.bytes).min(wanted.end.saturating_sub(chunk.at));
        track.zip(segment).into_iter().flat_map(move |(track, segment)| {
            let mut start = 0;
            segment.scan.columns().data().filter_map(move |(offset, len)| {
                let (begins, ends) = (from.max(start), to.min(start + len));
                let offset = offset + begins.saturating_sub(start);
                start += len;
                let len = ends.checked_sub(begins).filter(|len| *len > 0)?;
                Some(Piece::Source { track: track.number, source: segment.source, offset, len })
            })
        })
    }
}
