//! What a low-latency playlist must be, seen alone (RFC 8216bis, 4.4.3.7, 4.4.3.8, 4.4.4.9 and B.1).

use super::media::{MediaPlaylist, Part};
use super::report::{Report, seconds};
use super::rule;

/// Sums of rounded durations may be off by this much.
const SUM_TOLERANCE_US: u64 = 50_000;

pub(super) fn check(list: &MediaPlaylist, report: &mut Report) {
    control(list, report);
    hints(list, report);
    for uri in list.reports.iter().filter(|entry| entry.uri.contains("://") || entry.uri.starts_with('/')) {
        report.add(rule::REPORT_RELATIVE, uri.line, format!("`{}` is not relative", uri.uri));
    }
    let Some(first) = list.parts().next() else { return };
    if list.iframes_only {
        report.add(rule::IFRAME_PARTS, first.line, "an I-frame playlist has partial segments");
    }
    if !list.part_inf {
        report.add(rule::PART_INF, first.line, "there are partial segments, but no EXT-X-PART-INF");
    }
    for segment in &list.segments {
        lengths(list, &segment.parts, report);
        independent(list, &segment.parts, report);
    }
    lengths(list, &list.open.parts, report);
    independent(list, &list.open.parts, report);
    sums(list, report);
    near_the_end(list, report);
}

fn control(list: &MediaPlaylist, report: &mut Report) {
    let control = list.control.clone().unwrap_or_default();
    let line = list.control.as_ref().map(|control| control.line);
    if list.part_inf && control.part_hold_back_us.is_none() {
        report.add(rule::PART_HOLD_BACK, line, "there is a part target, but no PART-HOLD-BACK");
    }
    if let (Some(part_us), Some(back_us)) = (list.part_target_us, control.part_hold_back_us) {
        let words = format!("PART-HOLD-BACK is {}, the part target {}", seconds(back_us), seconds(part_us));
        if back_us < part_us.saturating_mul(2) {
            report.add(rule::PART_HOLD_BACK_TWICE, line, words);
        } else if back_us < part_us.saturating_mul(3) {
            report.add(rule::PART_HOLD_BACK_THRICE, line, words);
        }
    }
    if let Some(target_us) = list.target_us() {
        let below = |value: Option<u64>, times: u64| value.filter(|us| *us < target_us.saturating_mul(times));
        if let Some(us) = below(control.hold_back_us, 3) {
            let words = format!("HOLD-BACK is {}, the target duration {}", seconds(us), seconds(target_us));
            report.add(rule::HOLD_BACK, line, words);
        }
        if let Some(us) = below(control.skip_until_us, 6) {
            let words =
                format!("CAN-SKIP-UNTIL is {}, the target duration {}", seconds(us), seconds(target_us));
            report.add(rule::SKIP_BOUNDARY, line, words);
        }
    }
    if control.skip_ranges && control.skip_until_us.is_none() {
        report.add(rule::SKIP_RANGES, line, "CAN-SKIP-DATERANGES stands without CAN-SKIP-UNTIL");
    }
    if list.has_parts() && !list.ended && !control.block {
        report.add(rule::BLOCKING, line, "there are partial segments, but CAN-BLOCK-RELOAD is not YES");
    }
}

fn hints(list: &MediaPlaylist, report: &mut Report) {
    if let (true, Some(hint)) = (list.ended, list.hints.first()) {
        report.add(rule::HINT_ENDED, hint.line, format!("`{}` is hinted after the end", hint.uri));
        return;
    }
    if list.has_parts() && !list.ended && !list.iframes_only && !list.hints.iter().any(|hint| hint.part) {
        report.add(rule::HINT_PRESENT, None, "there are partial segments, but the next is not hinted");
    }
    for part in [true, false] {
        if let Some(second) = list.hints.iter().filter(|hint| hint.part == part).nth(1) {
            let kind = if part { "PART" } else { "MAP" };
            report.add(rule::HINT_ONCE, second.line, format!("there is more than one hint of type {kind}"));
        }
    }
    // That there is more than one has been told; the first is the one that clients look at.
    for hint in list.hints.iter().filter(|hint| hint.part && !hint.ranged).take(1) {
        if list.parts().any(|part| part.uri == hint.uri && part.range.is_none()) {
            report.add(rule::HINT_NEW, hint.line, format!("`{}` is hinted and listed already", hint.uri));
        }
    }
}

fn lengths(list: &MediaPlaylist, parts: &[Part], report: &mut Report) {
    let Some(target_us) = list.part_target_us else { return };
    for (index, part) in parts.iter().enumerate() {
        let words = || {
            format!(
                "`{}` lasts {}, the part target is {}",
                part.uri,
                seconds(part.duration_us),
                seconds(target_us)
            )
        };
        if part.duration_us > target_us {
            report.add(rule::PART_WITHIN_TARGET, part.line, words());
        }
        let next = parts.get(index + 1);
        // The growing segment's last part may turn out to be the last of all.
        let last = next.is_none();
        let excused = last || part.independent || part.gap || next.is_some_and(|next| next.gap);
        let least_us = target_us.saturating_mul(85) / 100;
        if !excused && part.duration_us < least_us {
            report.add(rule::PART_LONG_ENOUGH, part.line, words());
        }
    }
}

fn independent(list: &MediaPlaylist, parts: &[Part], report: &mut Report) {
    let first = parts.first().filter(|first| list.independent && !first.independent && !first.gap);
    // Parts are removed from the front; what is listed first need not be its segment's first.
    let listed_first = list.parts().next().map(|part| part.line);
    if let Some(first) = first.filter(|first| Some(first.line) != listed_first || list.segments.is_empty()) {
        let words = format!("`{}` begins an independent segment, but is not marked", first.uri);
        report.add(rule::PART_INDEPENDENT, first.line, words);
    }
}

fn sums(list: &MediaPlaylist, report: &mut Report) {
    let mut whole = false;
    for segment in list.segments.iter().filter(|segment| !segment.parts.is_empty()) {
        let sum_us = segment.parts.iter().map(|part| part.duration_us).fold(0, u64::saturating_add);
        let Some(duration_us) = segment.duration_us else { continue };
        let over = sum_us > duration_us.saturating_add(SUM_TOLERANCE_US);
        // The first with parts may have lost some of them already.
        let under = whole && sum_us.saturating_add(SUM_TOLERANCE_US) < duration_us;
        if over || under {
            let words = format!(
                "segment {} lasts {}, its parts {}",
                segment.msn,
                seconds(duration_us),
                seconds(sum_us)
            );
            report.add(rule::PARTS_SUM, segment.line, words);
        }
        whole = true;
    }
}

fn near_the_end(list: &MediaPlaylist, report: &mut Report) {
    let Some(kept_us) = list.target_us().map(|target_us| target_us.saturating_mul(3)) else { return };
    let mut from_end_us = list.open_us();
    for segment in list.segments.iter().rev() {
        if let Some(first) = segment.parts.first().filter(|_| from_end_us > kept_us.saturating_add(1000)) {
            let words = format!(
                "segment {} ends {} before the end and has parts still",
                segment.msn,
                seconds(from_end_us)
            );
            report.add(rule::PARTS_NEAR_END, first.line, words);
        }
        from_end_us = from_end_us.saturating_add(segment.duration_us.unwrap_or(0));
    }
}
