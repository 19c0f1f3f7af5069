//! One track of the file: its segments in order, and the times of their samples in the file's ticks.

use super::scan::SegmentScan;
use super::timing::{MOVIE_TIMESCALE, Presented, Scale};
use crate::Track;
use crate::cmaf::TrackFormat;

/// How many entries of each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) samples: u32,
    /// Runs of equal durations; none goes on in another segment.
    pub(super) times: u32,
    /// Runs of equal composition offsets, likewise.
    pub(super) offsets: u32,
    pub(super) keys: u32,
}

/// A segment that has samples.
#[derive(Debug)]
pub(super) struct Segment {
    /// What the caller calls it.
    pub(super) source: u64,
    /// Index of its configuration.
    pub(super) entry: u32,
    pub(super) scan: SegmentScan,
    /// Decode time of the first sample, in ticks of its configuration.
    pub(super) start: u64,
    /// Entries of all segments before it.
    pub(super) before: Counts,
}

/// A configuration of a track.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) format: TrackFormat,
    pub(super) timescale: u32,
}

#[derive(Debug)]
pub(super) struct FileTrack {
    /// What the caller calls it.
    pub(super) number: usize,
    pub(super) kind: Track,
    pub(super) timescale: u32,
    pub(super) entries: Vec<Entry>,
    /// At least one.
    pub(super) segments: Vec<Segment>,
    /// Of all segments.
    pub(super) totals: Counts,
    /// Where the track's media begin on the event's timeline, in ticks of the track.
    pub(super) base: i128,
    pub(super) extent: Extent,
    /// Its chunks in order, as indices into the file's.
    pub(super) chunks: Vec<u32>,
}

/// What the samples of a track reach, in ticks from the first decode time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) decoded_to: i64,
    pub(super) presented_from: i64,
    pub(super) presented_to: i64,
    pub(super) least_offset: i64,
    pub(super) most_offset: i64,
}

impl Extent {
    pub(super) const NONE: Self = Self {
        decoded_to: 0,
        presented_from: i64::MAX,
        presented_to: i64::MIN,
        least_offset: i64::MAX,
        most_offset: i64::MIN,
    };

    pub(super) fn add(&mut self, sample: &Timed) {
        let presented = sample.at + sample.offset;
        self.decoded_to = sample.at + i64::from(sample.delta);
        self.presented_from = self.presented_from.min(presented);
        self.presented_to = self.presented_to.max(presented + i64::from(sample.delta));
        self.least_offset = self.least_offset.min(sample.offset);
        self.most_offset = self.most_offset.max(sample.offset);
    }
}

/// A sample's times in ticks of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed {
    /// Decode time, from the track's first.
    pub(super) at: i64,
    /// Until the next sample's decode time.
    pub(super) delta: u32,
    /// Presentation time less decode time.
    pub(super) offset: i64,
}

/// Turns the ticks of one segment into those of its track.
#[derive(Debug, Clone, Copy)]
struct Clock {
    scale: Scale,
    start: i128,
    base: i128,
}

impl Clock {
    /// The tick of the track for one of the segment, counted from its first sample.
    fn tick(&self, tick: i64) -> i64 {
        // the length of the whole is limited, so it always fits
        i64::try_from(self.scale.at(self.start + i128::from(tick)) - self.base).unwrap_or(i64::MAX)
    }
}

impl FileTrack {
    pub(super) fn timescale_of(&self, segment: &Segment) -> u32 {
        self.entries.get(segment.entry as usize).map_or(1, |entry| entry.timescale)
    }

    fn clock(&self, segment: &Segment) -> Clock {
        let scale = Scale { from: self.timescale_of(segment), to: self.timescale };
        Clock { scale, start: i128::from(segment.start), base: self.base }
    }

    /// Times of a segment's samples, in order.
    pub(super) fn timed(&self, index: usize) -> impl Iterator<Item = Timed> + '_ {
        let following = self.segments.get(index + 1).map(|next| self.clock(next).tick(0));
        self.segments.get(index).into_iter().flat_map(move |segment| {
            let (clock, columns) = (self.clock(segment), segment.scan.columns());
            let (mut tick, mut at, mut left) = (0, clock.tick(0), columns.count);
            columns.deltas().zip(columns.offsets()).map(move |(delta, offset)| {
                let presented = clock.tick(tick + offset);
                tick += delta;
                left = left.saturating_sub(1);
                let next = following.filter(|_| left == 0).unwrap_or_else(|| clock.tick(tick));
                let delta = u32::try_from(next - at).unwrap_or(0);
                let sample = Timed { at, delta, offset: presented - at };
                at = next;
                sample
            })
        })
    }

    /// What is added to each offset so that none is negative, which older readers do not know.
    pub(super) fn offset_shift(&self) -> i64 {
        -self.extent.least_offset.min(0)
    }

    /// Whether the order of presentation has to be told.
    pub(super) fn has_offsets(&self) -> bool {
        self.extent.least_offset != 0 || self.extent.most_offset != 0
    }

    /// Whether it has to be told which samples can be entered at.
    pub(super) fn has_keys(&self) -> bool {
        self.kind == Track::Video && self.totals.keys < self.totals.samples
    }

    pub(super) fn presented(&self) -> Presented {
        let shift = self.offset_shift();
        let from = self.base + i128::from(self.extent.presented_from);
        Presented {
            from: Scale { from: self.timescale, to: MOVIE_TIMESCALE }.at(from),
            media_from: self.extent.presented_from + shift,
            media_to: self.extent.presented_to + shift,
            timescale: self.timescale,
        }
    }

    /// The configuration that most segments have.
    pub(super) fn usual_format(&self) -> Option<&TrackFormat> {
        let mut counts = vec![0u32; self.entries.len()];
        for segment in &self.segments {
            if let Some(count) = counts.get_mut(segment.entry as usize) {
                *count += 1;
            }
        }
        let entries = self.entries.iter().zip(counts).rev();
        entries.max_by_key(|(_, count)| *count).map(|(entry, _)| &entry.format)
    }
}

/// Runs of equal values: how many, and which.
pub(super) fn equal_runs<T: PartialEq + Copy>(
    values: impl Iterator<Item = T>,
) -> impl Iterator<Item = (u32, T)> {
    let mut values = values.peekable();
    std::iter::from_fn(move || {
        let first = values.next()?;
        let mut count = 1;
        while values.next_if_eq(&first).is_some() {
            count += 1;
        }
        Some((count, first))
    })
}
