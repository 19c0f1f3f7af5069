//! What is remembered of one media playlist from look to look.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::content::Content;
use super::edge::{Edge, Pace};
use super::files::{TrackFacts, TrackKind};
use super::media::{Kind, MediaPlaylist, RenditionReport};

/// What a playlist said of itself as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) target_s: Option<u64>,
    pub(super) media_sequence: u64,
    pub(super) discontinuity_sequence: u64,
    pub(super) ended: bool,
    pub(super) kind: Option<Kind>,
    pub(super) iframes_only: bool,
    pub(super) independent: bool,
    pub(super) part_target_us: Option<u64>,
    /// The attributes of EXT-X-SERVER-CONTROL, sorted.
    pub(super) control: Option<String>,
}

impl Header {
    pub(super) fn of(list: &MediaPlaylist) -> Self {
        Self {
            target_s: list.target_s,
            media_sequence: list.media_sequence,
            discontinuity_sequence: list.discontinuity_sequence,
            ended: list.ended,
            kind: list.kind,
            iframes_only: list.iframes_only,
            independent: list.independent,
            part_target_us: list.part_target_us,
            control: list.control.as_ref().map(|control| control.written.clone()),
        }
    }

    pub(super) fn target_us(&self) -> Option<u64> {
        self.target_s.map(|target_s| target_s.saturating_mul(1_000_000))
    }
}

/// The part that was promised next, and the place that it was promised for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) uri: String,
    pub(super) msn: u64,
    pub(super) index: usize,
}

/// Sizes and lengths of all segments whose files were told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    pub(super) bytes: u64,
    pub(super) duration_us: u64,
}

#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) fetched_ms: u64,
    pub(super) header: Header,
    pub(super) content: Content,
    pub(super) promise: Option<Promise>,
    pub(super) reports: Vec<RenditionReport>,
    pub(super) pace: Pace,
    pub(super) measured: Measured,
    /// The tracks of initialisation sections, by URI and byte range.
    pub(super) inits: BTreeMap<Arc<str>, Vec<(u32, TrackKind)>>,
    /// What was told of parts, by their URIs, newest last.
    pub(super) part_files: VecDeque<(String, Vec<TrackFacts>)>,
}

impl History {
    pub(super) fn edge(&self) -> Option<Edge> {
        Edge::of(&self.content)
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.content.open.is_empty() || self.content.segments.iter().any(|known| !known.parts.is_empty())
    }

    pub(super) fn is_dated(&self) -> bool {
        self.content.segments.iter().any(|known| known.date_ms.is_some())
    }

    /// When the last complete segment ends, in milliseconds since 1970.
    pub(super) fn end_ms(&self) -> Option<i64> {
        let mut after_us = 0u64;
        for known in self.content.segments.iter().rev() {
            after_us = after_us.checked_add(known.duration_us?)?;
            if let Some(date_ms) = known.date_ms {
                return date_ms.checked_add(i64::try_from(after_us / 1000).ok()?);
            }
        }
        None
    }

    /// How much there is of a stretch of time, both in milliseconds since 1970.
    pub(super) fn lasts_ms(&self, stretch: Range<i64>) -> u64 {
        let mut sum_ms = 0u64;
        let mut next_ms = None;
        for known in &self.content.segments {
            let Some(from_ms) = known.date_ms.or(next_ms) else { continue };
            let lasts_ms = i64::try_from(known.duration_us.unwrap_or(0) / 1000).unwrap_or(i64::MAX);
            let to_ms = from_ms.saturating_add(lasts_ms);
            let (from_ms, until_ms) = (from_ms.max(stretch.start), to_ms.min(stretch.end));
            sum_ms = sum_ms.saturating_add(u64::try_from(until_ms.saturating_sub(from_ms)).unwrap_or(0));
            next_ms = Some(to_ms);
        }
        sum_ms
    }

    /// When the first segment begins, if all are known.
    pub(super) fn start_ms(&self) -> Option<i64> {
        self.content.segments.front().filter(|_| self.content.whole)?.date_ms
    }
}
