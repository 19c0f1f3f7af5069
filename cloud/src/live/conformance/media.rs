//! What a media playlist says, as it was read.

use std::sync::Arc;

use super::date::Date;
use super::version::Version;

/// Length and offset of a piece of a resource; the offset is `None` where it follows what is not listed.
pub(super) type Range = Option<(u64, Option<u64>)>;

/// The initialisation section of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Map {
    None,
    /// That of the last segment that a delta update left out.
    Inherited,
    /// URI and byte range.
    Told(Arc<str>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) line: u32,
    pub(super) uri: String,
    pub(super) range: Range,
    pub(super) duration_us: u64,
    pub(super) independent: bool,
    pub(super) gap: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) msn: u64,
    pub(super) line: u32,
    pub(super) uri: String,
    pub(super) range: Range,
    /// `None` where it was not told, or not in a way that can be read.
    pub(super) duration_us: Option<u64>,
    pub(super) discontinuity: bool,
    pub(super) map: Map,
    pub(super) date: Option<Date>,
    pub(super) gap: bool,
    pub(super) bitrate_kbps: Option<u64>,
    pub(super) parts: Vec<Part>,
}

/// The segment that is still growing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) parts: Vec<Part>,
    pub(super) discontinuity: bool,
    pub(super) date: Option<Date>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) line: u32,
    pub(super) skip_until_us: Option<u64>,
    pub(super) skip_ranges: bool,
    pub(super) hold_back_us: Option<u64>,
    pub(super) part_hold_back_us: Option<u64>,
    pub(super) block: bool,
    /// All attributes, sorted, for comparing.
    pub(super) written: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) line: u32,
    pub(super) segments: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) line: u32,
    /// A partial segment; otherwise an initialisation section.
    pub(super) part: bool,
    pub(super) uri: String,
    /// It is a piece of a resource, of which others may be listed.
    pub(super) ranged: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RenditionReport {
    pub(super) line: u32,
    pub(super) uri: String,
    pub(super) last_msn: Option<u64>,
    pub(super) last_part: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Event,
    Vod,
}

/// One look at a media playlist.
#[derive(Debug, Default)]
pub(super) struct MediaPlaylist {
    pub(super) version: Version,
    pub(super) target_s: Option<u64>,
    /// A target duration is told, in whatever way.
    pub(super) target_told: bool,
    pub(super) media_sequence: u64,
    pub(super) discontinuity_sequence: u64,
    pub(super) discontinuity_sequence_told: bool,
    pub(super) ended: bool,
    pub(super) kind: Option<Kind>,
    pub(super) iframes_only: bool,
    pub(super) independent: bool,
    pub(super) part_target_us: Option<u64>,
    pub(super) part_inf: bool,
    pub(super) control: Option<Control>,
    /// Line and microseconds.
    pub(super) start: Option<(u32, i64)>,
    pub(super) skip: Option<Skip>,
    pub(super) segments: Vec<Segment>,
    pub(super) open: Open,
    pub(super) hints: Vec<Hint>,
    pub(super) reports: Vec<RenditionReport>,
    /// The first line with a date range.
    pub(super) date_range: Option<u32>,
}

impl MediaPlaylist {
    pub(super) fn target_us(&self) -> Option<u64> {
        self.target_s.map(|target| target.saturating_mul(1_000_000))
    }

    /// Of all that is listed and complete.
    pub(super) fn listed_us(&self) -> u64 {
        self.segments.iter().filter_map(|segment| segment.duration_us).fold(0, u64::saturating_add)
    }

    pub(super) fn open_us(&self) -> u64 {
        self.open.parts.iter().map(|part| part.duration_us).fold(0, u64::saturating_add)
    }

    /// The number of the first segment that is listed.
    pub(super) fn first_msn(&self) -> u64 {
        self.media_sequence.saturating_add(self.skip.map_or(0, |skip| skip.segments))
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.open.parts.is_empty() || self.segments.iter().any(|segment| !segment.parts.is_empty())
    }

    /// All parts of all segments, the growing one's too, in order.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.segments.iter().flat_map(|segment| &segment.parts).chain(&self.open.parts)
    }
}
