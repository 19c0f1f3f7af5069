//! What can be fetched of a live event right now: the newest segments, their parts and playlists.

mod edge;
mod lane;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub(crate) use edge::Edge;

use super::conformance::FileFacts;
use super::inspection::facts;
use super::lane::Packaged;
use super::playlist::{
    LEAST_SEGMENTS, LEAST_TARGET_DURATIONS, Lead, LowLatency, MediaPlaylist, PlaylistKind, RenditionReport,
};
use super::rates::{Rates, master};
use super::rendition::Rendition;
use super::segment::{Complete, PartInfo, Segment};
use crate::http::{Content, FileRange};
use lane::{Growing, Held, Lane};

/// Target durations of segments that are served from memory, at least: players begin three before the end, and take a
/// moment.
const MEMORY_TARGETS: u64 = 4;

/// Which of a rendition's playlists is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct View {
    /// The first segment that may be seen.
    pub(crate) from_msn: u64,
    pub(crate) plain: bool,
    pub(crate) skip: bool,
    /// The list of pictures that decoding can begin with.
    pub(crate) iframes: bool,
}

/// How long things are kept, and how parts are announced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub(crate) part_us: u64,
    /// What playlists reach back to.
    pub(crate) window_us: u64,
    /// What is served without the store, if segments are not so long that this is too little.
    pub(crate) memory_us: u64,
}

/// Where a segment's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Here(Content),
    /// In the store only.
    Stored,
    /// Not there yet, but announced.
    Coming,
    Missing,
}

/// The newest stretch of all renditions of one event.
#[derive(Debug)]
pub(crate) struct Window {
    keep: Keep,
    target_duration_s: Option<u64>,
    ended: bool,
    lanes: BTreeMap<Rendition, Lane>,
    /// The highest bit rates that encoders keep to, where they are known.
    peaks: BTreeMap<Rendition, u64>,
    /// Segments that nobody can reach back to any more.
    dropped: Vec<(Rendition, u64)>,
}

impl Window {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            keep,
            target_duration_s: None,
            ended: false,
            lanes: BTreeMap::new(),
            peaks: BTreeMap::new(),
            dropped: Vec::new(),
        }
    }

    /// Takes in what the packager made; a complete segment's bytes are given back for storing.
    pub(crate) fn apply(&mut self, packaged: Packaged) -> Option<Complete> {
        match packaged {
            Packaged::Target { target_duration_s } => {
                self.target_duration_s = Some(target_duration_s);
                None
            }
            Packaged::Init { rendition, init, data, description } => {
                let lane = self.lanes.entry(rendition).or_default();
                lane.description = Some(description);
                lane.inits.insert(init, data);
                lane.next_init = Some(init);
                None
            }
            Packaged::Part { rendition, segment, data } => {
                self.fill(rendition, segment.msn);
                let lane = self.lanes.entry(rendition).or_default();
                let mut parts = lane.open.take().filter(|open| open.segment.msn == segment.msn);
                let mut parts = parts.take().map_or_else(Vec::new, |open| open.parts);
                parts.push(data);
                lane.open = Some(Growing { segment, parts });
                None
            }
            Packaged::Close { rendition, segment } => self.close(rendition, segment),
        }
    }

    /// Puts back what an index tells of before a restart; the store has its bytes.
    pub(crate) fn restore(&mut self, rendition: Rendition, mut segment: Segment) {
        let lane = self.lanes.entry(rendition).or_default();
        lane.next_init = if segment.gap { lane.next_init } else { Some(segment.init) };
        lane.length_us += segment.duration_us;
        // Parts are served from memory only: what is not there is not listed.
        segment.parts = Vec::new();
        lane.segments.push_back(Held::without_data(segment));
        self.trim(rendition);
    }

    /// What others have from before a rendition's first segment is a gap in it, so that all reach back equally far.
    fn fill(&mut self, rendition: Rendition, first_msn: u64) {
        if self.lanes.get(&rendition).is_some_and(Lane::has_begun) {
            return;
        }
        let longest = self.lanes.values().max_by_key(|lane| lane.segments.len());
        let others = longest.into_iter().flat_map(|lane| lane.segments.iter().map(|held| &held.segment));
        let before: Vec<Segment> =
            others.take_while(|other| other.msn < first_msn).map(Segment::as_gap).collect();
        let lane = self.lanes.entry(rendition).or_default();
        lane.length_us = before.iter().map(|gap| gap.duration_us).sum();
        lane.segments = before.into_iter().map(Held::without_data).collect();
    }

    fn close(&mut self, rendition: Rendition, segment: Segment) -> Option<Complete> {
        self.fill(rendition, segment.msn);
        let lane = self.lanes.entry(rendition).or_default();
        let parts = lane.open.take().filter(|open| open.segment.msn == segment.msn);
        let parts = parts.map_or_else(Vec::new, |open| open.parts);
        let mut data = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        for part in &parts {
            data.extend_from_slice(part);
        }
        let data = (!segment.gap).then(|| data.freeze());
        lane.length_us += segment.duration_us;
        let section = lane.inits.get(&segment.init);
        let read = data.as_ref().map(|data| facts(section.map(|section| &section[..]), data));
        let (facts, scan) = read.unzip();
        lane.segments.push_back(Held { segment, data: data.clone().map(Content::from), facts });
        self.trim(rendition);
        Some(Complete { data: data?, scan: scan.flatten() })
    }

    /// A file has a segment's bytes now: they need not be in memory any more.
    pub(crate) fn kept(&mut self, rendition: Rendition, msn: u64, file: File) {
        let held = self.lanes.get_mut(&rendition).and_then(|lane| lane.held_mut(msn));
        if let Some(data @ Content::Memory(_)) = held.and_then(|held| held.data.as_mut()) {
            *data = Content::File(FileRange::new(Arc::new(file), data.len()));
        }
    }

    fn trim(&mut self, rendition: Rendition) {
        let Some(lane) = self.lanes.get_mut(&rendition) else { return };
        let least_us = LEAST_TARGET_DURATIONS * self.target_duration_s.unwrap_or(0) * 1_000_000;
        while let Some(first_us) = lane.segments.front().map(|held| held.segment.duration_us) {
            let is_short = lane.length_us - first_us < self.keep.window_us.max(least_us);
            if is_short || lane.segments.len() <= LEAST_SEGMENTS {
                break;
            }
            lane.length_us -= first_us;
            if let Some(stored) = lane.stored.checked_sub(1) {
                (lane.stored, lane.stored_us) = (stored, lane.stored_us - first_us);
            }
            let gone = lane.segments.pop_front().filter(|held| !held.segment.gap);
            self.dropped.extend(gone.map(|held| (rendition, held.segment.msn)));
        }
        let least_us = self.target_duration_s.unwrap_or(0) * MEMORY_TARGETS * 1_000_000;
        let memory_us = self.keep.memory_us.max(least_us);
        // The list of a day is long: what was let go before is not looked at again.
        while lane.length_us - lane.stored_us > memory_us {
            let Some(held) = lane.segments.get_mut(lane.stored) else { break };
            (held.data, held.facts) = (None, None);
            held.segment.parts = Vec::new();
            lane.stored += 1;
            lane.stored_us += held.segment.duration_us;
        }
    }

    /// What has left the window since this was last asked.
    pub(crate) fn take_dropped(&mut self) -> Vec<(Rendition, u64)> {
        std::mem::take(&mut self.dropped)
    }

    /// Nothing will come any more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    pub(crate) fn renditions(&self) -> impl Iterator<Item = Rendition> {
        self.lanes.keys().copied()
    }

    /// The renditions of pictures, with their sizes.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (Rendition, (u32, u32))> {
        self.lanes.iter().filter_map(|(name, lane)| Some((*name, lane.description.as_ref()?.resolution?)))
    }

    pub(crate) fn edge(&self, rendition: Rendition) -> Edge {
        self.lanes.get(&rendition).map_or_else(Edge::default, Lane::edge)
    }

    pub(crate) fn init(&self, rendition: Rendition, init: u32) -> Option<Bytes> {
        self.lanes.get(&rendition)?.inits.get(&init).cloned()
    }

    /// What is in one of the newest segments.
    pub(crate) fn facts(&self, rendition: Rendition, msn: u64) -> Option<FileFacts> {
        self.lanes.get(&rendition)?.held(msn)?.facts.clone()
    }

    pub(crate) fn segment(&self, rendition: Rendition, msn: u64) -> Found {
        let Some(held) = self.lanes.get(&rendition).and_then(|lane| lane.held(msn)) else {
            return Found::Missing;
        };
        match &held.data {
            Some(data) => Found::Here(data.clone()),
            None if held.segment.gap => Found::Missing,
            None => Found::Stored,
        }
    }

    pub(crate) fn part(&self, rendition: Rendition, msn: u64, part: u64) -> Found {
        let Some(lane) = self.lanes.get(&rendition) else { return Found::Missing };
        let index = usize::try_from(part).unwrap_or(usize::MAX);
        if let Some(open) = lane.open.as_ref().filter(|open| open.segment.msn == msn) {
            let next = index == open.parts.len();
            return open
                .parts
                .get(index)
                .cloned()
                .map_or(if next { Found::Coming } else { Found::Missing }, |data| Found::Here(data.into()));
        }
        if let Some(held) = lane.held(msn) {
            let place = held.segment.parts.get(index);
            let of = |(data, place): (&Content, &PartInfo)| {
                data.slice(place.start as u64, place.end.checked_sub(place.start)? as u64)
            };
            return held.data.as_ref().zip(place).and_then(of).map_or(Found::Missing, Found::Here);
        }
        // The first part of the next segment, announced while that is still empty.
        let next =
            lane.open.is_none() && lane.segments.back().is_some_and(|held| held.segment.msn + 1 == msn);
        if next && index == 0 && !self.ended { Found::Coming } else { Found::Missing }
    }

    /// Writes a rendition's playlist; `None` while there is nothing to list.
    pub(crate) fn playlist(&self, rendition: Rendition, view: View) -> Option<String> {
        let lane = self.lanes.get(&rendition)?;
        let is_low_latency = !view.plain && !view.iframes;
        let segments: Vec<&Segment> = lane
            .segments
            .iter()
            .map(|held| &held.segment)
            .filter(|segment| segment.msn >= view.from_msn)
            .collect();
        let open = lane.open.as_ref().map(|open| &open.segment).filter(|open| open.msn >= view.from_msn);
        let open = open.filter(|_| is_low_latency);
        let first = segments.first().copied().or(open)?;
        let target_duration_s = self.target_duration_s?;
        let begins = is_low_latency && !self.ended && first.msn == view.from_msn;
        let lead = begins.then(|| Lead::of(first, &segments, target_duration_s * 1_000_000)).flatten();
        let playlist = MediaPlaylist {
            target_duration_s,
            lead,
            discontinuity_sequence: first.discontinuity_sequence,
            first_msn: lead.map_or(first.msn, |lead| lead.msn),
            segments: &segments,
            low_latency: is_low_latency.then(|| LowLatency {
                part_target_us: self.keep.part_us,
                open,
                hint: lane.hint(),
                hint_init: lane.next_init,
                reports: self.reports(rendition),
                skip: view.skip,
            }),
            kind: if self.ended { PlaylistKind::Ended } else { PlaylistKind::Live },
        };
        Some(if view.iframes { playlist.render_iframes() } else { playlist.render() })
    }

    /// Writes the list of renditions; `None` while there are none, or not all that begin together.
    pub(crate) fn master(&self, plain: bool) -> Option<String> {
        if self.awaits_sound() {
            return None;
        }
        master(
            &self.lanes.iter().filter(|(_, lane)| lane.is_there()).filter_map(|(name, lane)| {
                Some((*name, lane.description.as_ref()?, self.rates(*name, lane)))
            }),
            plain,
        )
    }

    /// Whether sound is announced that has not begun, while the first segment grows: a player that was given the pictures
    /// alone would stay without it.
    fn awaits_sound(&self) -> bool {
        let is_announced = |lane: &Lane| lane.description.is_some() && !lane.has_begun();
        self.lanes.iter().any(|(name, lane)| !name.is_video() && is_announced(lane))
            && self.lanes.values().all(|lane| lane.segments.is_empty())
    }

    /// Tells how high the bit rate of a rendition can be, which is more than what was measured so far.
    pub(crate) fn set_peak(&mut self, rendition: Rendition, peak_bps: u64) {
        self.peaks.insert(rendition, peak_bps);
    }

    fn rates(&self, name: Rendition, lane: &Lane) -> Rates {
        let measured = lane.rates();
        let peak_bps = self.peaks.get(&name).map_or(measured.peak_bps, |peak| measured.peak_bps.max(*peak));
        Rates { peak_bps, ..measured }
    }

    fn reports(&self, but: Rendition) -> Vec<RenditionReport> {
        let others = self.lanes.iter().filter(|(name, _)| **name != but);
        others
            .filter_map(|(name, lane)| {
                let edge = lane.edge();
                let (last_msn, parts) = edge.open.or(edge.complete)?;
                Some(RenditionReport {
                    rendition: name.to_string(),
                    last_msn,
                    last_part: parts.checked_sub(1),
                })
            })
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests;
