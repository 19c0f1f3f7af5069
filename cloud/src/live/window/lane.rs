//! One rendition of what can be fetched.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::Edge;
use crate::http::Content;
use crate::live::conformance::FileFacts;
use crate::live::rates::Rates;
use crate::live::segment::{Description, Segment};

/// Bit rates are those of the newest segments.
const RATE_SEGMENTS: usize = 30;
/// Players begin three segments from the end: what has nothing there is no rendition to begin with.
const BEGIN_SEGMENTS: usize = 3;

#[derive(Debug)]
pub(super) struct Held {
    pub(super) segment: Segment,
    /// The parts' bytes one after the other; gone once the store alone has them.
    pub(super) data: Option<Content>,
    /// What is in them; gone with them.
    pub(super) facts: Option<FileFacts>,
}

#[derive(Debug)]
pub(super) struct Growing {
    pub(super) segment: Segment,
    pub(super) parts: Vec<Bytes>,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) description: Option<Description>,
    pub(super) inits: BTreeMap<u32, Bytes>,
    /// The section of what comes next.
    pub(super) next_init: Option<u32>,
    pub(super) segments: VecDeque<Held>,
    /// Of all segments.
    pub(super) length_us: u64,
    /// How many of the oldest segments are in the store only, and how long they are.
    pub(super) stored: usize,
    pub(super) stored_us: u64,
    pub(super) open: Option<Growing>,
}

impl Held {
    /// Of an earlier time, or of a gap: there is nothing in memory.
    pub(super) fn without_data(segment: Segment) -> Self {
        Self { segment, data: None, facts: None }
    }
}

impl Lane {
    pub(super) fn held(&self, msn: u64) -> Option<&Held> {
        let index = self.segments.binary_search_by_key(&msn, |held| held.segment.msn).ok()?;
        self.segments.get(index)
    }

    pub(super) fn held_mut(&mut self, msn: u64) -> Option<&mut Held> {
        let index = self.segments.binary_search_by_key(&msn, |held| held.segment.msn).ok()?;
        self.segments.get_mut(index)
    }

    pub(super) fn edge(&self) -> Edge {
        Edge {
            complete: self.segments.back().map(|held| (held.segment.msn, held.segment.parts.len() as u64)),
            open: self.open.as_ref().map(|open| (open.segment.msn, open.parts.len() as u64)),
        }
    }

    /// Whether it has any segment, be it a gap.
    pub(super) fn has_begun(&self) -> bool {
        self.open.is_some() || !self.segments.is_empty()
    }

    /// Whether any of the newest segments has anything in it.
    pub(super) fn is_there(&self) -> bool {
        self.open.is_some() || self.segments.iter().rev().take(BEGIN_SEGMENTS).any(|held| !held.segment.gap)
    }

    /// The part that will come next.
    pub(super) fn hint(&self) -> Option<(u64, u64)> {
        let edge = self.edge();
        edge.open.or(edge.complete.map(|(msn, _)| (msn + 1, 0)))
    }

    pub(super) fn rates(&self) -> Rates {
        let newest = self.segments.iter().rev().map(|held| &held.segment).filter(|segment| !segment.gap);
        let mut rates = Rates::of(newest.take(RATE_SEGMENTS));
        if let (0, Some(open)) = (rates.peak_bps, &self.open) {
            rates = Rates::of(std::iter::once(&open.segment));
        }
        rates
    }
}
