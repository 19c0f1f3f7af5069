//! What may change from one look at a playlist to the next (RFC 8216bis, 6.2.1 and 6.2.2).

use super::content::{Content, Known, KnownPart};
use super::history::{Header, History, Promise};
use super::media::{Kind, Map, MediaPlaylist};
use super::report::{Report, seconds};
use super::rule;

/// Dates that are written anew may be rounded differently, in milliseconds.
const DATE_TOLERANCE_MS: u64 = 1;
/// Fewer segments than this are too few for a playlist that slides.
const LEAST_SEGMENTS: usize = 6;

impl History {
    /// Takes in the next look; with the `first` one there is nothing to compare.
    pub(super) fn update(&mut self, list: &MediaPlaylist, fetched_ms: u64, first: bool, report: &mut Report) {
        let header = Header::of(list);
        let mut content = Content::of(list, (!first).then_some(&self.content));
        if !first && self.same_stream(&header, &content, report) {
            self.compare(&header, &content, list, report);
            content.keep_files(&mut self.content);
        }
        let live = !header.ended && header.kind != Some(Kind::Vod);
        if live {
            let limits = (header.target_s, header.part_target_us);
            self.pace.watch(&content, fetched_ms, limits, report);
        }
        let hint = list.hints.iter().find(|hint| hint.part);
        self.promise =
            hint.map(|hint| Promise { uri: hint.uri.clone(), msn: content.end(), index: content.open.len() });
        self.inits.retain(|map, _| content.segments.iter().any(|known| known.map == Map::Told(map.clone())));
        (self.header, self.content, self.fetched_ms) = (header, content, fetched_ms);
        self.reports.clone_from(&list.reports);
    }

    /// Whether the two looks can be compared segment by segment.
    fn same_stream(&self, header: &Header, content: &Content, report: &mut Report) -> bool {
        let old = &self.header;
        if header.media_sequence < old.media_sequence {
            let words =
                format!("the media sequence was {}, now {}", old.media_sequence, header.media_sequence);
            report.add(rule::SEQUENCE_FALLS, None, words);
            return false;
        }
        if old.kind == Some(Kind::Vod) && header.kind == old.kind {
            let same = |(a, b): (&Known, &Known)| a.uri == b.uri && a.duration_us == b.duration_us;
            let changed = header.media_sequence != old.media_sequence
                || content.segments.len() != self.content.segments.len()
                || !content.segments.iter().zip(&self.content.segments).all(same);
            if changed {
                report.add(rule::VOD_CONSTANT, None, "the segments of a VOD playlist have changed");
            }
            return !changed;
        }
        let moved = content.numbered().find_map(|(msn, new)| {
            let known = self.content.get(msn)?;
            (known.uri != new.uri || known.range != new.range).then_some((msn, new, known))
        });
        let Some((msn, new, known)) = moved else { return true };
        let is = |one: &Known, other: &Known| one.uri == other.uri && one.range == other.range;
        let was = self.content.numbered().find(|(_, other)| is(other, new));
        let now = content.numbered().find(|(_, other)| is(other, known));
        let found = was.map(|(was, _)| (was, msn, new)).or(now.map(|(now, _)| (msn, now, known)));
        let Some((was, now, segment)) = found else { return true };
        let words = format!("`{}` was number {was}, now {now}", segment.uri);
        report.add(rule::SEQUENCE_COUNTS, segment.line, words);
        false
    }

    fn compare(&self, header: &Header, content: &Content, list: &MediaPlaylist, report: &mut Report) {
        headers(&self.header, header, report);
        ends(&self.header, header, self.content.end(), content.end(), report);
        segments(&self.content, content, report);
        discontinuities(self, header, content, report);
        for msn in self.content.first..=self.content.end() {
            let open = msn == self.content.end() && msn == content.end();
            same_parts(self.content.parts_of(msn), content.parts_of(msn), open, msn, report);
        }
        if header.media_sequence > self.header.media_sequence {
            removed(header, content, report);
        }
        self.promised(content, list, report);
    }

    /// What comes in the place of a hint must be what was hinted.
    fn promised(&self, content: &Content, list: &MediaPlaylist, report: &mut Report) {
        let Some(promise) = &self.promise else { return };
        let kept = list.parts().any(|part| part.uri == promise.uri)
            || list.hints.iter().any(|hint| hint.uri == promise.uri)
            || list.segments.iter().any(|segment| segment.uri == promise.uri);
        let parts = content.parts_of(promise.msn);
        // Only where nothing has gone from the segment's front is a part's place its index.
        let before = parts.get(..promise.index).is_some_and(|before| before == self.content.open);
        if let (false, true, Some(part)) = (kept, before, parts.get(promise.index)) {
            let words = format!("`{}` was hinted, but `{}` came", promise.uri, part.uri);
            report.add(rule::HINT_COMES, None, words);
        }
    }
}

fn headers(old: &Header, new: &Header, report: &mut Report) {
    if let (Some(was), Some(now)) = (old.target_s, new.target_s)
        && was != now
    {
        report.add(rule::TARGET_CONSTANT, None, format!("the target duration was {was} s, now {now} s"));
    }
    let mut changed = Vec::new();
    let mut note = |name: &str, same: bool| {
        if !same {
            changed.push(name.to_owned());
        }
    };
    note("EXT-X-PLAYLIST-TYPE", old.kind == new.kind);
    note("EXT-X-I-FRAMES-ONLY", old.iframes_only == new.iframes_only);
    note("EXT-X-INDEPENDENT-SEGMENTS", old.independent == new.independent);
    // Who has come to the end has nothing more to offer, and need not say so.
    if !new.ended {
        note("EXT-X-PART-INF", old.part_target_us == new.part_target_us);
        note("EXT-X-SERVER-CONTROL", old.control == new.control);
    }
    if !changed.is_empty() {
        report.add(rule::HEADER_CONSTANT, None, format!("{} changed", changed.join(", ")));
    }
}

fn ends(old: &Header, new: &Header, was: u64, now: u64, report: &mut Report) {
    if now < was {
        let words = format!("the playlist went up to segment {}, now to before {now}", was.saturating_sub(1));
        report.add(rule::END_KEPT, None, words);
    }
    if old.ended && !new.ended {
        report.add(rule::END_FINAL, None, "the end that was told is taken back");
    } else if old.ended && now > was {
        report.add(rule::END_FINAL, None, format!("after the end {} segments came", now - was));
    }
}

fn segments(old: &Content, new: &Content, report: &mut Report) {
    for (msn, now) in new.numbered() {
        let (Some(was), Some(line)) = (old.get(msn), now.line) else { continue };
        if (&was.uri, was.range) != (&now.uri, now.range) {
            let words = format!("segment {msn} was `{}`, now `{}`", was.uri, now.uri);
            report.add(rule::SEGMENT_URI, line, words);
        }
        if let (Some(a), Some(b)) = (was.duration_us, now.duration_us)
            && a != b
        {
            let words = format!("segment {msn} lasted {}, now {}", seconds(a), seconds(b));
            report.add(rule::SEGMENT_DURATION, line, words);
        }
        if let (Some(a), Some(b)) = (was.date_ms, now.date_ms)
            && a.abs_diff(b) > DATE_TOLERANCE_MS
        {
            let words = format!("the date of segment {msn} moved by {} ms", b.saturating_sub(a));
            report.add(rule::SEGMENT_DATE, line, words);
        }
        if was.gap != now.gap {
            let words = format!("segment {msn} {} a gap", if now.gap { "has become" } else { "is no more" });
            report.add(rule::SEGMENT_GAP, line, words);
        }
        // A gap needs no section, so nothing is said for it.
        let told = was.map != Map::Inherited && now.map != Map::Inherited && !was.gap && !now.gap;
        if told && was.map != now.map {
            let words = format!("segment {msn} had {}, now {}", map_words(&was.map), map_words(&now.map));
            report.add(rule::SEGMENT_MAP, line, words);
        }
    }
}

fn map_words(map: &Map) -> String {
    match map {
        Map::None => "no EXT-X-MAP".to_owned(),
        Map::Inherited => "an unknown EXT-X-MAP".to_owned(),
        Map::Told(map) => format!("the EXT-X-MAP `{map}`"),
    }
}

fn discontinuities(old: &History, header: &Header, content: &Content, report: &mut Report) {
    let (was, now) = (old.header.discontinuity_sequence, header.discontinuity_sequence);
    if now < was {
        report.add(
            rule::DISCONTINUITY_FALLS,
            None,
            format!("the discontinuity sequence was {was}, now {now}"),
        );
        return;
    }
    let differs = content.numbered().find_map(|(msn, new)| {
        let was = old.content.get(msn)?.discontinuity?;
        let now = new.discontinuity?;
        (was != now).then_some((msn, new.line, was, now))
    });
    if let Some((msn, line, was, now)) = differs {
        let words = format!("segment {msn} had the discontinuity sequence number {was}, now {now}");
        report.add(rule::DISCONTINUITY_COUNTS, line, words);
    }
}

/// `open`: the segment grows still, so that none of its parts may have gone.
fn same_parts(old: &[KnownPart], new: &[KnownPart], open: bool, msn: u64, report: &mut Report) {
    let (Some(first), false) = (new.first(), old.is_empty()) else { return };
    let place = old.iter().position(|part| part.uri == first.uri && part.range == first.range);
    let words = match place {
        Some(place) => {
            let kept = old.get(place..).unwrap_or_default();
            let differs = kept.iter().zip(new).find(|(a, b)| a != b);
            match differs {
                Some((was, now)) => Some(format!(
                    "a part of segment {msn} was `{}`, {}, now `{}`, {}",
                    was.uri,
                    seconds(was.duration_us),
                    now.uri,
                    seconds(now.duration_us)
                )),
                None => {
                    (new.len() < kept.len()).then(|| format!("parts of segment {msn} are gone from its end"))
                }
            }
        }
        None => old
            .first()
            .filter(|_| open)
            .map(|was| format!("segment {msn} began with `{}`, now with `{}`", was.uri, first.uri)),
    };
    if let Some(words) = words {
        report.add(rule::PART_CONSTANT, None, words);
    }
}

/// Segments have gone from the front.
fn removed(header: &Header, content: &Content, report: &mut Report) {
    if header.kind == Some(Kind::Event) {
        report.add(rule::EVENT_APPENDS, None, "segments are removed from an EVENT playlist");
        return;
    }
    if header.ended || !content.whole {
        return;
    }
    let (Some(target_us), Some(length_us)) = (header.target_us(), content.duration_us()) else { return };
    if length_us < target_us.saturating_mul(3) {
        let words =
            format!("after removing, {} remain, the target is {}", seconds(length_us), seconds(target_us));
        report.add(rule::WINDOW_LENGTH, None, words);
    } else if content.segments.len() < LEAST_SEGMENTS {
        let words = format!("a sliding playlist has {} segments", content.segments.len());
        report.add(rule::WINDOW_SEGMENTS, None, words);
    }
}
