//! The segments of a playlist as they are remembered from look to look, delta updates filled in.

use std::collections::VecDeque;

use super::files::KnownFile;
use super::media::{Map, MediaPlaylist, Part, Range};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownPart {
    pub(super) uri: String,
    pub(super) range: Range,
    pub(super) duration_us: u64,
    pub(super) independent: bool,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) line: Option<u32>,
    pub(super) uri: String,
    pub(super) range: Range,
    pub(super) duration_us: Option<u64>,
    /// Discontinuity sequence number, if what came before is known.
    pub(super) discontinuity: Option<u64>,
    /// It was told to follow a discontinuity.
    pub(super) interrupted: bool,
    pub(super) date_ms: Option<i64>,
    pub(super) map: Map,
    pub(super) gap: bool,
    pub(super) bitrate_kbps: Option<u64>,
    pub(super) parts: Vec<KnownPart>,
    pub(super) file: Option<KnownFile>,
}

/// Segments without a hole between them.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The number of the first one.
    pub(super) first: u64,
    pub(super) segments: VecDeque<Known>,
    /// Nothing that the playlist holds is missing here.
    pub(super) whole: bool,
    /// What is known of the growing segment.
    pub(super) open: Vec<KnownPart>,
}

pub(super) fn parts(parts: &[Part]) -> Vec<KnownPart> {
    let known = |part: &Part| KnownPart {
        uri: part.uri.clone(),
        range: part.range,
        duration_us: part.duration_us,
        independent: part.independent,
    };
    parts.iter().map(known).collect()
}

impl Content {
    /// What `list` holds; what it skipped is taken out of `before`.
    pub(super) fn of(list: &MediaPlaylist, before: Option<&Self>) -> Self {
        let listed = list.first_msn();
        let (mut discontinuity, mut map) = (Some(list.discontinuity_sequence), Map::None);
        let mut content = Self { first: listed, whole: true, ..Self::default() };
        if list.skip.is_some() {
            let last = before.as_ref().and_then(|before| before.get(listed.checked_sub(1)?));
            discontinuity = last.and_then(|last| last.discontinuity);
            map = last.map_or(Map::Inherited, |last| last.map.clone());
            if let (Some(before), true) = (before, last.is_some()) {
                content.take_skipped(before, list.media_sequence, listed);
            }
            content.whole &= content.first <= list.media_sequence;
        }
        for segment in &list.segments {
            let map = if segment.map == Map::Inherited { map.clone() } else { segment.map.clone() };
            discontinuity =
                discontinuity.map(|number| number.saturating_add(u64::from(segment.discontinuity)));
            content.segments.push_back(Known {
                line: Some(segment.line),
                uri: segment.uri.clone(),
                range: segment.range,
                duration_us: segment.duration_us,
                discontinuity,
                interrupted: segment.discontinuity,
                date_ms: segment.date.map(|date| date.unix_ms),
                map,
                gap: segment.gap,
                bitrate_kbps: segment.bitrate_kbps,
                parts: parts(&segment.parts),
                file: None,
            });
        }
        content.open = parts(&list.open.parts);
        content
    }

    fn take_skipped(&mut self, before: &Self, from: u64, to: u64) {
        let gone = usize::try_from(from.saturating_sub(before.first)).unwrap_or(usize::MAX);
        let end = usize::try_from(to.saturating_sub(before.first)).unwrap_or(usize::MAX);
        self.first = before.first.max(from);
        for (index, known) in before.segments.iter().enumerate() {
            if (gone..end).contains(&index) {
                self.segments.push_back(known.skipped());
            }
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.segments.len() as u64)
    }

    pub(super) fn get(&self, msn: u64) -> Option<&Known> {
        self.segments.get(usize::try_from(msn.checked_sub(self.first)?).ok()?)
    }

    pub(super) fn get_mut(&mut self, msn: u64) -> Option<&mut Known> {
        self.segments.get_mut(usize::try_from(msn.checked_sub(self.first)?).ok()?)
    }

    /// The parts that are known of a segment, the growing one's too.
    pub(super) fn parts_of(&self, msn: u64) -> &[KnownPart] {
        if msn == self.end() { &self.open } else { self.get(msn).map_or(&[], |known| &known.parts) }
    }

    /// Each segment with its number, oldest first.
    pub(super) fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &Known)> {
        let first = self.first;
        self.segments
            .iter()
            .enumerate()
            .map(move |(index, known)| (first.saturating_add(index as u64), known))
    }

    /// The length of all segments; `None` where one's is not known.
    pub(super) fn duration_us(&self) -> Option<u64> {
        self.segments.iter().try_fold(0u64, |sum, known| sum.checked_add(known.duration_us?))
    }

    /// Puts back what was learnt of files that are still listed as they were.
    pub(super) fn keep_files(&mut self, before: &mut Self) {
        let first = before.first;
        for (index, old) in before.segments.iter_mut().enumerate() {
            let Some(file) = old.file.take() else { continue };
            let new = self.get_mut(first.saturating_add(index as u64));
            if let Some(new) = new.filter(|new| new.uri == old.uri && new.range == old.range) {
                new.file.get_or_insert(file);
            }
        }
    }
}

impl Known {
    /// The same segment, left out of a delta update; its file stays where it was.
    fn skipped(&self) -> Self {
        Self {
            line: None,
            uri: self.uri.clone(),
            range: self.range,
            duration_us: self.duration_us,
            discontinuity: self.discontinuity,
            interrupted: self.interrupted,
            date_ms: self.date_ms,
            map: self.map.clone(),
            gap: self.gap,
            bitrate_kbps: self.bitrate_kbps,
            parts: Vec::new(),
            file: None,
        }
    }
}
