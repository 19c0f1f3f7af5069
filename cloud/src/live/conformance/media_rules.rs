//! What one media playlist must be, seen alone (RFC 8216bis, 4.4.3 to 4.4.5).

use super::media::{Kind, Map, MediaPlaylist};
use super::report::{Report, seconds};
use super::rule;

/// How far dates and durations may be apart, in milliseconds.
const DATE_TOLERANCE_MS: u64 = 200;
/// From here on an overlap is no more a small one.
const OVERLAP_MS: i64 = 1000;

/// Endings of fragmented MP4 files.
const FMP4: [&str; 7] = [".m4s", ".mp4", ".m4v", ".m4a", ".cmfv", ".cmfa", ".cmft"];

pub(super) fn check(list: &MediaPlaylist, report: &mut Report) {
    list.version.check(true, report);
    target(list, report);
    maps(list, report);
    dates(list, report);
    date_steps(list, report);
    start(list, report);
    if list.kind == Some(Kind::Vod) && !list.ended {
        report.add(rule::VOD_ENDS, None, "the type is VOD, but there is no EXT-X-ENDLIST");
    }
    let discontinuity = list.segments.iter().find(|segment| segment.discontinuity);
    if let Some(segment) = discontinuity.filter(|_| is_live(list) && !list.discontinuity_sequence_told) {
        let words = "a live playlist has a discontinuity and no discontinuity sequence";
        report.add(rule::DISCONTINUITY_SEQUENCE, segment.line, words);
    }
}

fn is_live(list: &MediaPlaylist) -> bool {
    !list.ended && list.kind != Some(Kind::Vod)
}

fn target(list: &MediaPlaylist, report: &mut Report) {
    if !list.target_told {
        report.add(rule::TARGET_PRESENT, None, "there is no EXT-X-TARGETDURATION");
    }
    let Some(target_us) = list.target_us() else { return };
    if target_us == 0 {
        report.add(rule::TARGET_POSITIVE, None, "the target duration is 0");
        return;
    }
    for segment in &list.segments {
        // Just half a second above may be rounded either way.
        if let Some(us) = segment.duration_us.filter(|us| *us > target_us.saturating_add(500_000)) {
            let words = format!(
                "segment {} lasts {}, the target is {}",
                segment.msn,
                seconds(us),
                seconds(target_us)
            );
            report.add(rule::WITHIN_TARGET, segment.line, words);
        }
    }
}

/// Whether a file is fragmented MP4, by its name.
fn is_fmp4(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    FMP4.iter().any(|ending| path.ends_with(ending))
}

fn maps(list: &MediaPlaylist, report: &mut Report) {
    for segment in &list.segments {
        if segment.map == Map::None && !segment.gap && is_fmp4(&segment.uri) {
            report.add(rule::MAP_PRESENT, segment.line, format!("`{}` has no EXT-X-MAP", segment.uri));
        }
        let (Map::Told(map), true) = (&segment.map, list.iframes_only) else { continue };
        // URI and range of the section are kept together.
        let Some((map_uri, range)) = map.rsplit_once(' ') else { continue };
        let map_range = super::number::byte_range(range).and_then(|(length, offset)| Some((length, offset?)));
        let range = segment.range.and_then(|(length, offset)| Some((length, offset?)));
        if let (Some((map_length, map_at)), Some((length, at))) = (map_range, range)
            && map_uri == segment.uri
            && at < map_at.saturating_add(map_length)
            && map_at < at.saturating_add(length)
        {
            let words = format!("the bytes {length}@{at} reach into the section at {map_length}@{map_at}");
            report.add(rule::IFRAME_RANGE, segment.line, words);
        }
    }
    // The first part of the first segment needs one too, but its segment tells when it is complete.
}

fn dates(list: &MediaPlaylist, report: &mut Report) {
    let dated = list.segments.iter().any(|segment| segment.date.is_some()) || list.open.date.is_some();
    if dated {
        for segment in list.segments.iter().filter(|segment| segment.discontinuity && segment.date.is_none())
        {
            let words = format!("segment {} follows a discontinuity and has no date", segment.msn);
            report.add(rule::DATE_AT_DISCONTINUITY, segment.line, words);
        }
        return;
    }
    // In a delta update the dates may be among what was left out.
    if list.skip.is_some() || list.segments.is_empty() {
        return;
    }
    if list.date_range.is_some() {
        report.add(
            rule::RANGE_NEEDS_DATE,
            list.date_range,
            "there are date ranges, but no program date time",
        );
    } else if is_live(list) {
        report.add(rule::DATE_PRESENT, None, "a live playlist has no EXT-X-PROGRAM-DATE-TIME");
    }
}

/// From each date to the next.
fn date_steps(list: &MediaPlaylist, report: &mut Report) {
    let mut expected_ms: Option<i64> = None;
    let mut continuous = true;
    for segment in &list.segments {
        continuous &= !segment.discontinuity;
        if let (Some(date), Some(expected_ms)) = (segment.date, expected_ms) {
            let step_ms = date.unix_ms.saturating_sub(expected_ms);
            let words = format!("segment {} begins {step_ms} ms from the end of the one before", segment.msn);
            if step_ms <= -OVERLAP_MS {
                report.add(rule::DATE_UNAMBIGUOUS, segment.line, words);
            } else if continuous && step_ms.unsigned_abs() > DATE_TOLERANCE_MS {
                report.add(rule::DATE_FOLLOWS, segment.line, words);
            }
        }
        if let Some(date) = segment.date {
            expected_ms = Some(date.unix_ms);
            continuous = true;
        } else if segment.discontinuity {
            // Nobody can tell how long the interruption was.
            expected_ms = None;
        }
        let length_ms = segment.duration_us.and_then(|us| i64::try_from((us + 500) / 1000).ok());
        expected_ms = expected_ms.zip(length_ms).map(|(at, length)| at.saturating_add(length));
    }
}

/// Whether there is nothing but gaps before this: near the end or not, nobody can begin earlier.
fn is_first_there(list: &MediaPlaylist, offset_us: i64) -> bool {
    let gaps = list.segments.iter().take_while(|segment| segment.gap);
    let gaps_us: u64 = gaps.filter_map(|segment| segment.duration_us).sum();
    gaps_us > 0 && u64::try_from(offset_us) == Ok(gaps_us)
}

fn start(list: &MediaPlaylist, report: &mut Report) {
    let (Some((line, offset_us)), None) = (list.start, list.skip) else { return };
    let length_us = list.listed_us();
    let size_us = offset_us.unsigned_abs();
    let from_end_us = if offset_us < 0 { size_us } else { length_us.saturating_sub(size_us) };
    let near_us = list.target_us().unwrap_or(0).saturating_mul(3);
    if size_us > length_us {
        let words =
            format!("the start is {} away, the playlist {} long", seconds(size_us), seconds(length_us));
        report.add(rule::START_WITHIN, line, words);
    } else if is_live(list) && from_end_us < near_us && !is_first_there(list, offset_us) {
        let words = format!("the start is {} from the end of a live playlist", seconds(from_end_us));
        report.add(rule::START_WITHIN, line, words);
    }
}
