//! What media files must be, as far as facts on them tell (RFC 8216bis, 3; Apple's specification, 7 and 8).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::Known;
use super::history::History;
use super::media::Map;
use super::report::{Report, seconds};
use super::rule;

/// Clock ticks that are rounded to microseconds, and clocks of milliseconds.
const DECODE_TOLERANCE_US: u64 = 5_000;
/// More than a frame of any usual rate.
const DURATION_TOLERANCE_US: u64 = 100_000;
/// No file that is believed has more tracks.
const MAX_TRACKS: usize = 16;
/// Facts of this many parts are kept.
const MAX_PART_FILES: usize = 64;
/// Sections that are remembered.
const MAX_INITS: usize = 64;

/// What was learnt of a segment, a part or an initialisation section by fetching it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFacts {
    /// Size of the whole file.
    pub(crate) bytes: u64,
    /// Its tracks, if it was read.
    pub(crate) tracks: Option<Vec<TrackFacts>>,
}

/// One track of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrackFacts {
    /// `track_ID` of ISO/IEC 14496-12.
    pub(crate) id: u32,
    pub(crate) kind: TrackKind,
    /// Decode time of the first sample, in microseconds on the media's own timeline.
    pub(crate) first_decode_us: Option<u64>,
    /// From the first sample's decode time to where the last one's duration ends.
    pub(crate) duration_us: Option<u64>,
    /// Decoding can begin with the first sample; `None` where nobody looked.
    pub(crate) key_at_start: Option<bool>,
}

/// What a track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrackKind {
    Video,
    Audio,
    Other,
}

/// What is kept of a segment's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownFile {
    pub(super) bytes: u64,
    pub(super) tracks: Vec<TrackFacts>,
}

fn kinds(tracks: &[TrackFacts]) -> Vec<(u32, TrackKind)> {
    let mut kinds: Vec<_> = tracks.iter().map(|track| (track.id, track.kind)).collect();
    kinds.sort_by_key(|(id, _)| *id);
    kinds
}

impl History {
    /// Takes in what was learnt of the file at `uri`; one that is not listed now is let be.
    ///
    /// `independent`: the multivariant playlist says that all segments are.
    pub(super) fn file(&mut self, uri: &str, facts: &FileFacts, independent: bool, report: &mut Report) {
        let tracks: Vec<TrackFacts> = facts.tracks.iter().flatten().take(MAX_TRACKS).cloned().collect();
        let segment = self.content.numbered().rev().find(|(_, known)| known.uri == uri);
        if let Some((msn, known)) = segment {
            // The size of a resource tells nothing of its pieces.
            if !known.gap && known.range.is_none() {
                self.segment_file(msn, facts.bytes, tracks, independent, report);
            }
            return;
        }
        if self.part_file(uri, facts.bytes, &tracks, report) {
            return;
        }
        let listed = self.content.segments.iter().find_map(|known| match &known.map {
            Map::Told(map) if **map == *uri => Some(Arc::clone(map)),
            _ => None,
        });
        let Some(map) = listed else { return };
        if facts.bytes == 0 {
            report.add(rule::FILE_EMPTY, None, format!("`{uri}` is empty"));
        } else if facts.tracks.is_some() && self.inits.len() < MAX_INITS {
            self.inits.insert(map, kinds(&tracks));
        }
    }

    fn segment_file(
        &mut self,
        msn: u64,
        bytes: u64,
        tracks: Vec<TrackFacts>,
        independent: bool,
        report: &mut Report,
    ) {
        let Some(known) = self.content.get(msn) else { return };
        if bytes == 0 {
            report.add(rule::FILE_EMPTY, known.line, format!("segment {msn}, `{}`, is empty", known.uri));
            return;
        }
        bit_rate(known, msn, bytes, report);
        begins(known, msn, &tracks, independent || self.header.independent, report);
        lasts(known, msn, &tracks, report);
        self.has_section(known, msn, &tracks, report);
        if let Some(before) = msn.checked_sub(1).and_then(|msn| self.content.get(msn)) {
            let joined = before.file.as_ref().filter(|_| goes_on(before, known));
            if let Some(file) = joined {
                follows(&file.tracks, &tracks, (msn, known.line), report);
            }
        }
        if let Some(after) = msn.checked_add(1).and_then(|msn| self.content.get(msn)) {
            let joined = after.file.as_ref().filter(|_| goes_on(known, after));
            if let Some(file) = joined {
                follows(&tracks, &file.tracks, (msn.saturating_add(1), after.line), report);
            }
        }
        let Some(known) = self.content.get_mut(msn) else { return };
        if let (None, Some(duration_us)) = (&known.file, known.duration_us) {
            self.measured.bytes = self.measured.bytes.saturating_add(bytes);
            self.measured.duration_us = self.measured.duration_us.saturating_add(duration_us);
        }
        known.file = Some(KnownFile { bytes, tracks });
    }

    fn has_section(&self, known: &Known, msn: u64, tracks: &[TrackFacts], report: &mut Report) {
        let Map::Told(map) = &known.map else { return };
        let Some(section) = self.inits.get(map) else { return };
        let missing = kinds(tracks).into_iter().find(|track| !section.contains(track));
        if let Some((id, kind)) = missing {
            let words = format!("segment {msn} has the {kind:?} track {id}, which `{map}` does not have");
            report.add(rule::INIT_TRACKS, known.line, words);
        }
    }

    /// Whether `uri` is that of a part.
    fn part_file(&mut self, uri: &str, bytes: u64, tracks: &[TrackFacts], report: &mut Report) -> bool {
        let lists = std::iter::once(&self.content.open)
            .chain(self.content.segments.iter().rev().map(|known| &known.parts));
        let place = lists.into_iter().find_map(|list| {
            let index = list.iter().position(|part| part.uri == uri)?;
            let neighbour = |at: Option<usize>| list.get(at?).map(|part| part.uri.clone());
            Some((list.get(index)?.clone(), neighbour(index.checked_sub(1)), neighbour(index.checked_add(1))))
        });
        let Some((part, before, after)) = place else { return false };
        if part.range.is_some() {
            return true;
        }
        if bytes == 0 {
            report.add(rule::FILE_EMPTY, None, format!("the part `{uri}` is empty"));
            return true;
        }
        let key = |track: &TrackFacts| track.kind == TrackKind::Video && track.key_at_start == Some(true);
        if tracks.iter().any(key) && !part.independent {
            report.add(
                rule::PART_MARKED,
                None,
                format!("`{uri}` begins with a key frame, but is not marked"),
            );
        }
        let told = |uri: &Option<String>| {
            self.part_files.iter().find(|(known, _)| Some(known) == uri.as_ref()).map(|(_, tracks)| tracks)
        };
        for (first, second) in
            [(told(&before), Some(tracks)), (Some(&tracks.to_vec()), told(&after).map(Vec::as_slice))]
        {
            if let (Some(first), Some(second)) = (first, second)
                && let Some(words) = jump(first, second)
            {
                report.add(rule::DECODE_TIME, None, format!("at the part `{uri}`, {words}"));
            }
        }
        self.part_files.retain(|(known, _)| known != uri);
        if self.part_files.len() >= MAX_PART_FILES {
            self.part_files.pop_front();
        }
        self.part_files.push_back((uri.to_owned(), tracks.to_vec()));
        true
    }
}

/// Nothing interrupts the timeline between two neighbours.
fn goes_on(before: &Known, after: &Known) -> bool {
    let same = before.discontinuity.zip(after.discontinuity).is_some_and(|(a, b)| a == b);
    same && !after.interrupted && !before.gap && !after.gap
}

fn follows(
    before: &[TrackFacts],
    after: &[TrackFacts],
    (msn, line): (u64, Option<u32>),
    report: &mut Report,
) {
    // A file that nobody read tells nothing.
    if before.is_empty() || after.is_empty() {
        return;
    }
    if kinds(before) != kinds(after) {
        let words =
            format!("segment {msn} has the tracks {:?}, the one before {:?}", kinds(after), kinds(before));
        report.add(rule::TRACKS_CONSTANT, line, words);
    } else if let Some(words) = jump(before, after) {
        report.add(rule::DECODE_TIME, line, format!("at segment {msn}, {words}"));
    }
}

/// How a track's decode time does not go on.
fn jump(before: &[TrackFacts], after: &[TrackFacts]) -> Option<String> {
    after.iter().find_map(|after| {
        let before = before.iter().find(|before| before.id == after.id)?;
        let end_us = before.first_decode_us?.checked_add(before.duration_us?)?;
        let begin_us = after.first_decode_us?;
        let off = end_us.abs_diff(begin_us) > DECODE_TOLERANCE_US;
        off.then(|| format!("track {} goes on at {begin_us} µs, but ended at {end_us} µs", after.id))
    })
}

fn bit_rate(known: &Known, msn: u64, bytes: u64, report: &mut Report) {
    let (Some(told), Some(duration_us)) = (known.bitrate_kbps, known.duration_us) else { return };
    let Some(real_bps) = bits_per_second(bytes, duration_us) else { return };
    let told_bps = u128::from(told) * 1000;
    let real = u128::from(real_bps);
    if told_bps * 10 < real * 9 || told_bps * 10 > real * 11 {
        let words = format!("EXT-X-BITRATE is {told} kbit/s, segment {msn} has {} kbit/s", real_bps / 1000);
        report.add(rule::BITRATE_TRUE, known.line, words);
    }
}

fn begins(known: &Known, msn: u64, tracks: &[TrackFacts], independent: bool, report: &mut Report) {
    let late = |track: &&TrackFacts| track.kind == TrackKind::Video && track.key_at_start == Some(false);
    if let Some(track) = tracks.iter().find(late) {
        let rule = if independent { rule::INDEPENDENT_TRUE } else { rule::KEY_FRAME };
        report.add(rule, known.line, format!("track {} of segment {msn} begins with no key frame", track.id));
    }
}

fn lasts(known: &Known, msn: u64, tracks: &[TrackFacts], report: &mut Report) {
    let timed = |track: &&TrackFacts| track.duration_us.is_some();
    let video = tracks.iter().filter(timed).find(|track| track.kind == TrackKind::Video);
    let track = video.or_else(|| tracks.iter().find(timed));
    let (Some(real_us), Some(told_us)) = (track.and_then(|track| track.duration_us), known.duration_us)
    else {
        return;
    };
    if real_us.abs_diff(told_us) > DURATION_TOLERANCE_US {
        let words = format!(
            "segment {msn} is said to last {}, its samples last {}",
            seconds(told_us),
            seconds(real_us)
        );
        report.add(rule::DURATION_TRUE, known.line, words);
    }
}

/// `None` without a duration.
pub(super) fn bits_per_second(bytes: u64, duration_us: u64) -> Option<u64> {
    let bits = u128::from(bytes) * 8_000_000;
    u64::try_from(bits.checked_div(u128::from(duration_us))?).ok()
}
