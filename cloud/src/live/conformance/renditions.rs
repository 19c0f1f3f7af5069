//! Whether two renditions show the same, at the same times (RFC 8216bis, 6.2.4; Apple's specification, 8.22).

use super::history::History;
use super::media::Kind;
use super::report::Report;
use super::rule;

/// Only the newest segments are compared; the others have been.
const NEWEST: usize = 50;
/// Sound cannot begin just where a picture does.
const BOUNDARY_TOLERANCE_MS: u64 = 250;
/// Dates of one media time may differ by this much.
const MAPPING_TOLERANCE_MS: u64 = 500;
/// What requests one after the other may take away.
const SLACK_MS: u64 = 250;

/// A segment's place in time.
#[derive(Debug, Clone, Copy)]
struct Spot {
    msn: u64,
    at_ms: i64,
    length_ms: i64,
    discontinuity: Option<u64>,
}

/// Compares `other` with the family's first rendition.
pub(super) fn compare(
    (first_name, first): (&str, &History),
    (name, other): (&str, &History),
    reports: (&mut Report, &mut Report),
) {
    let (first_report, report) = reports;
    let on_demand = other.header.kind == Some(Kind::Vod);
    if let (Some(a), Some(b)) = (first.header.target_s, other.header.target_s)
        && a != b
        && !(other.header.iframes_only && on_demand)
    {
        report.add(rule::SAME_TARGET, None, format!("the target duration is {b} s, in {first_name} {a} s"));
    }
    if first.header.kind != other.header.kind {
        report.add(rule::SAME_TYPE, None, format!("the playlist type is not that of {first_name}"));
    }
    if first.header.iframes_only || other.header.iframes_only {
        return;
    }
    let ended = first.header.ended || other.header.ended;
    if first.header.control != other.header.control && !ended {
        report.add(rule::SAME_CONTROL, None, format!("EXT-X-SERVER-CONTROL is not that of {first_name}"));
    }
    if first.content.segments.is_empty() || other.content.segments.is_empty() {
        return;
    }
    let whole = first.content.whole && other.content.whole;
    match (first.is_dated(), other.is_dated()) {
        (true, false) if whole => {
            report.add(rule::DATES_EVERYWHERE, None, format!("there are no dates, {first_name} has them"));
        }
        (false, true) if whole => {
            first_report.add(rule::DATES_EVERYWHERE, None, format!("there are no dates, {name} has them"));
        }
        (true, true) => {
            places(first_name, &spots(first), &spots(other), first, report);
            mapping(first_name, first, other, report);
            reach((first_name, first, first_report), (name, other, report));
        }
        _ => {}
    }
}

/// The newest segments whose dates are known, or follow from an earlier one.
fn spots(history: &History) -> Vec<Spot> {
    let mut spots = Vec::new();
    let mut next_ms: Option<i64> = None;
    let skipped = history.content.segments.len().saturating_sub(NEWEST);
    for (index, (msn, known)) in history.content.numbered().enumerate() {
        let length_ms = known.duration_us.and_then(|us| i64::try_from((us + 500) / 1000).ok());
        let at_ms = known.date_ms.or(next_ms.filter(|_| !known.interrupted));
        next_ms = at_ms.zip(length_ms).map(|(at, length)| at.saturating_add(length));
        if let (Some(at_ms), Some(length_ms), true) = (at_ms, length_ms, index >= skipped) {
            spots.push(Spot { msn, at_ms, length_ms, discontinuity: known.discontinuity });
        }
    }
    spots
}

/// Boundaries, numbers and discontinuities of the same times.
fn places(first_name: &str, first: &[Spot], other: &[Spot], history: &History, report: &mut Report) {
    let target_ms = history.header.target_s.unwrap_or(1).saturating_mul(1000);
    let near_ms = BOUNDARY_TOLERANCE_MS.min(target_ms / 4);
    let margin_ms = i64::try_from(near_ms).unwrap_or(0);
    let (mut numbers, mut discontinuities, mut aligned) = (true, true, true);
    for spot in other {
        let mut same = first.iter().filter(|known| known.at_ms.abs_diff(spot.at_ms) <= near_ms);
        let Some(known) = same.next() else {
            let within = |known: &&Spot| {
                known.at_ms.saturating_add(margin_ms) < spot.at_ms
                    && spot.at_ms < known.at_ms.saturating_add(known.length_ms).saturating_sub(margin_ms)
            };
            if let (true, Some(known)) = (aligned, first.iter().find(within)) {
                let words = format!("segment {} begins within {} of {first_name}", spot.msn, known.msn);
                report.add(rule::ALIGNED, None, words);
                aligned = false;
            }
            continue;
        };
        // After a clock was set back, one date may be that of two segments; a short one may be taken for its neighbour.
        if same.next().is_some() || known.length_ms.min(spot.length_ms) <= margin_ms {
            continue;
        }
        if numbers && known.msn != spot.msn {
            let words = format!("segment {} is number {} in {first_name}", spot.msn, known.msn);
            report.add(rule::SAME_NUMBERS, None, words);
            numbers = false;
        }
        if let (true, Some(a), Some(b)) = (discontinuities, known.discontinuity, spot.discontinuity)
            && a != b
        {
            let words = format!(
                "segment {} has the discontinuity sequence number {b}, in {first_name} {a}",
                spot.msn
            );
            report.add(rule::SAME_DISCONTINUITIES, None, words);
            discontinuities = false;
        }
    }
}

/// Dates less decode times, where files told both, must be alike.
fn mapping(first_name: &str, first: &History, other: &History, report: &mut Report) {
    let offset = |history: &History| {
        history.content.segments.iter().rev().find_map(|known| {
            let decode_us = known.file.as_ref()?.tracks.iter().find_map(|track| track.first_decode_us)?;
            let offset_ms = known.date_ms?.checked_sub(i64::try_from(decode_us / 1000).ok()?)?;
            Some((known.discontinuity?, offset_ms))
        })
    };
    let (Some((a_number, a)), Some((b_number, b))) = (offset(first), offset(other)) else { return };
    let off_ms = a.abs_diff(b);
    if a_number == b_number && off_ms > MAPPING_TOLERANCE_MS {
        let words = format!("dates and decode times are {off_ms} ms from those of {first_name}");
        report.add(rule::SAME_DATES, None, words);
    }
}

/// Neither begins nor ends more than a target duration from the other.
fn reach(
    (first_name, first, first_report): (&str, &History, &mut Report),
    (name, other, report): (&str, &History, &mut Report),
) {
    let Some(target_s) = first.header.target_s.into_iter().chain(other.header.target_s).min() else { return };
    // Whoever was looked at later may have gone on since.
    let between_ms = first.fetched_ms.abs_diff(other.fetched_ms);
    // A segment may be half a second longer than the target.
    let limit_ms = target_s.saturating_mul(1000).saturating_add(500 + SLACK_MS).saturating_add(between_ms);
    let beyond = |a: Option<i64>, b: Option<i64>, at_end: bool| {
        let (a, b) = a.zip(b)?;
        // A pause of the broadcast makes dates jump, and is in no playlist.
        let farther = if (a < b) == at_end { other } else { first };
        let by_ms = farther.lasts_ms(a.min(b)..a.max(b));
        (by_ms > limit_ms).then_some((a < b, by_ms))
    };
    if let Some((first_is_short, ms)) = beyond(first.end_ms(), other.end_ms(), true) {
        let (report, than) =
            if first_is_short { (&mut *first_report, name) } else { (&mut *report, first_name) };
        report.add(rule::SAME_ENDS, None, format!("the playlist ends {ms} ms before {than}"));
    }
    if let Some((other_is_short, ms)) = beyond(first.start_ms(), other.start_ms(), false) {
        let (report, than) = if other_is_short { (report, first_name) } else { (first_report, name) };
        report.add(rule::SAME_ENDS, None, format!("the playlist begins {ms} ms after {than}"));
    }
}
