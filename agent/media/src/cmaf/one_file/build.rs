//! Puts a file together from what was found of its segments.

use std::collections::BTreeMap;

use super::chunks::{measure, put_in_order};
use super::header::{Head, duration_ms};
use super::timing::{Scale, common_timescale};
use super::track::{Counts, Entry, Extent, FileTrack, Segment};
use super::{
    InitSection, MAX_LENGTH_S, MAX_TRACK_SAMPLES, MAX_TRACK_SEGMENTS, OneFile, OneFileError, SegmentScan,
};
use crate::Track;

/// Takes the tracks and their segments, and gives the file.
#[derive(Debug, Default)]
pub struct OneFileBuilder {
    tracks: Vec<TrackBuilder>,
}

#[derive(Debug)]
struct TrackBuilder {
    kind: Track,
    entries: Vec<Entry>,
    /// Index of the configuration of each initialisation section.
    by_init: BTreeMap<u32, u32>,
    segments: Vec<Segment>,
    samples: u32,
    last: Option<Last>,
    /// Longest time from one sample to the next.
    longest_us: u64,
}

/// Where the segments that were pushed end.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// Decode time of the last sample, and where that ends, in ticks of its own.
    at: u64,
    end: u64,
    timescale: u32,
}

impl OneFileBuilder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a track with all initialisation sections that its segments name, and returns its number.
    ///
    /// Sections that say the same of the decoder become one entry of the file.
    ///
    /// # Errors
    /// There is no section, they are of different kinds, or there is such a track already.
    pub fn add_track(&mut self, inits: &BTreeMap<u32, InitSection>) -> Result<usize, OneFileError> {
        let kind = inits.values().next().ok_or(OneFileError::Mixed)?.track();
        if inits.values().any(|init| init.track() != kind) {
            return Err(OneFileError::Mixed);
        }
        if self.tracks.iter().any(|track| track.kind == kind) {
            return Err(super::CmafError::Tracks.into());
        }
        let mut entries: Vec<Entry> = Vec::new();
        let mut by_init = BTreeMap::new();
        for (number, init) in inits {
            let same = |entry: &Entry| entry.format == init.format && entry.timescale == init.timescale();
            let index = entries.iter().position(same).unwrap_or_else(|| {
                entries.push(Entry { format: init.format.clone(), timescale: init.timescale() });
                entries.len() - 1
            });
            by_init.insert(*number, index as u32);
        }
        self.tracks.push(TrackBuilder {
            kind,
            entries,
            by_init,
            segments: Vec::new(),
            samples: 0,
            last: None,
            longest_us: 0,
        });
        Ok(self.tracks.len() - 1)
    }

    /// Adds a track's next segment: `source` is what the caller calls it, `init` the section that it needs.
    ///
    /// A segment that is missing is left out: the next one says when it begins.
    /// One that begins before the last sample of what was pushed follows that at once.
    ///
    /// # Errors
    /// There is no such track or section, or the track breaks a limit; the segment is not taken then.
    pub fn push(
        &mut self,
        track: usize,
        source: u64,
        init: u32,
        scan: &SegmentScan,
    ) -> Result<(), OneFileError> {
        self.push_earlier(track, source, init, scan, 0)
    }

    /// The same for a segment before which something was cut out: it is `earlier_us` earlier in the file than it says.
    ///
    /// # Errors
    /// As for [`Self::push`].
    pub fn push_earlier(
        &mut self,
        track: usize,
        source: u64,
        init: u32,
        scan: &SegmentScan,
        earlier_us: u64,
    ) -> Result<(), OneFileError> {
        let builder = self.tracks.get_mut(track).ok_or(OneFileError::UnknownTrack(track))?;
        let entry = *builder.by_init.get(&init).ok_or(OneFileError::UnknownInit { track, init })?;
        let samples = builder.samples + scan.samples();
        if samples > MAX_TRACK_SAMPLES || builder.segments.len() >= MAX_TRACK_SEGMENTS {
            return Err(OneFileError::TrackTooLong(track));
        }
        if scan.samples() > 0 {
            builder.push(source, entry, scan, earlier_us)?;
            builder.samples = samples;
        }
        Ok(())
    }

    /// Lays out the file.
    ///
    /// # Errors
    /// There is no sample, or too long a time from the first to the last.
    pub fn finish(self) -> Result<OneFile, OneFileError> {
        let mut tracks = Vec::with_capacity(self.tracks.len());
        for (number, builder) in self.tracks.into_iter().enumerate() {
            tracks.extend(builder.finish(number));
        }
        let mut chunks = Vec::new();
        for (track, number) in tracks.iter_mut().zip(0..) {
            measure(track, number, &mut chunks);
        }
        if chunks.is_empty() {
            return Err(OneFileError::Empty);
        }
        chunks.shrink_to_fit();
        let payload_bytes = put_in_order(&mut tracks, &mut chunks);
        let duration_ms = duration_ms(&tracks);
        if duration_ms > MAX_LENGTH_S * 1000 {
            return Err(OneFileError::TooLong);
        }
        let head = Head::of(&tracks, payload_bytes);
        Ok(OneFile { tracks, chunks, head, payload_bytes, duration_ms })
    }
}

impl TrackBuilder {
    fn push(
        &mut self,
        source: u64,
        entry: u32,
        scan: &SegmentScan,
        earlier_us: u64,
    ) -> Result<(), OneFileError> {
        let timescale = self.entries.get(entry as usize).map_or(1, |entry| entry.timescale);
        let columns = scan.columns();
        let (mut length, mut longest, mut own) = (0u64, 0u64, 0u64);
        for (count, delta) in columns.delta_runs() {
            own = delta.unsigned_abs();
            length += own * count;
            longest = longest.max(own);
        }
        let earlier = Scale { from: 1_000_000, to: timescale }.at(i128::from(earlier_us));
        let mut start = columns.start.saturating_sub(u64::try_from(earlier).map_err(|_| OneFileError::Time)?);
        let mut hole_us = 0;
        if let Some(last) = self.last {
            let scale = Scale { from: last.timescale, to: timescale };
            if i128::from(start) <= scale.after(i128::from(last.at)) {
                start = u64::try_from(scale.after(i128::from(last.end))).map_err(|_| OneFileError::Time)?;
            }
            hole_us = micros(start, timescale)?.saturating_sub(micros(last.at, last.timescale)?);
        }
        let end = start.checked_add(length).ok_or(OneFileError::Time)?;
        let first = self.segments.first();
        let began_us = match first.and_then(|first| Some((first, self.entries.get(first.entry as usize)?))) {
            Some((first, entry)) => micros(first.start, entry.timescale)?,
            None => micros(start, timescale)?,
        };
        if micros(end, timescale)?.saturating_sub(began_us) > MAX_LENGTH_S * 1_000_000 {
            return Err(OneFileError::TooLong);
        }
        self.longest_us = self.longest_us.max(hole_us).max(micros(longest, timescale)?);
        self.last = Some(Last { at: end - own, end, timescale });
        let scan = scan.clone();
        self.segments.push(Segment { source, entry, scan, start, before: Counts::default() });
        Ok(())
    }

    /// `None` if the track has no samples.
    fn finish(mut self, number: usize) -> Option<FileTrack> {
        self.keep_used_entries();
        let first = self.segments.first()?;
        let timescale = common_timescale(self.entries.iter().map(|entry| entry.timescale), self.longest_us);
        let scale = Scale { from: self.entries.get(first.entry as usize)?.timescale, to: timescale };
        let base = scale.at(i128::from(first.start));
        self.segments.shrink_to_fit();
        Some(FileTrack {
            number,
            kind: self.kind,
            timescale,
            entries: self.entries,
            segments: self.segments,
            totals: Counts::default(),
            base,
            extent: Extent::NONE,
            chunks: Vec::new(),
        })
    }

    /// Leaves out configurations that no segment has: players set up decoders for all they see.
    fn keep_used_entries(&mut self) {
        let mut places = vec![None; self.entries.len()];
        for segment in &self.segments {
            if let Some(place) = places.get_mut(segment.entry as usize) {
                *place = Some(0);
            }
        }
        for (place, number) in places.iter_mut().flatten().zip(0..) {
            *place = number;
        }
        let mut used = places.iter().map(Option::is_some);
        self.entries.retain(|_| used.next().unwrap_or(false));
        for segment in &mut self.segments {
            segment.entry = places.get(segment.entry as usize).copied().flatten().unwrap_or(0);
        }
    }
}

/// Rounded up.
fn micros(ticks: u64, timescale: u32) -> Result<u64, OneFileError> {
    let us = Scale { from: timescale, to: 1_000_000 }.after(i128::from(ticks));
    u64::try_from(us).map_err(|_| OneFileError::Time)
}
