//! Whether segments are left out where they may be (RFC 8216bis, 4.4.5.2 and 6.2.5.1).

use super::content::Content;
use super::media::MediaPlaylist;
use super::report::{Report, seconds};
use super::rule;

/// `asked`: the request had `_HLS_skip`. `before` is what was known when it was made.
pub(super) fn check(list: &MediaPlaylist, asked: bool, before: Option<&Content>, report: &mut Report) {
    let boundary_us = list.control.as_ref().and_then(|control| control.skip_until_us);
    let Some(skip) = list.skip else {
        if let (true, false, Some(boundary_us)) = (asked, list.ended, boundary_us) {
            unanswered(list, boundary_us, report);
        }
        return;
    };
    if !asked {
        report.add(rule::SKIP_ASKED, skip.line, "segments are skipped, but nobody asked for it");
    }
    if list.ended {
        report.add(rule::SKIP_ENDED, skip.line, "segments are skipped after the end");
        return;
    }
    let Some(boundary_us) = boundary_us else {
        report.add(rule::SKIP_OFFERED, skip.line, "segments are skipped, but there is no CAN-SKIP-UNTIL");
        return;
    };
    // Where the last segment that was skipped is not known, it lasts as long as one can.
    let last_us = before
        .and_then(|before| before.get(list.first_msn().checked_sub(1)?)?.duration_us)
        .or(list.target_us())
        .unwrap_or(u64::MAX);
    let rest_us = list.listed_us().saturating_add(list.open_us());
    if skip.segments > 0 && rest_us.saturating_add(last_us) < boundary_us {
        let words = format!(
            "{} segments are skipped, but only {} remain, and the boundary is {}",
            skip.segments,
            seconds(rest_us),
            seconds(boundary_us),
        );
        report.add(rule::SKIP_FAR, skip.line, words);
    }
}

/// There is no skip; is there something that had to be left out?
fn unanswered(list: &MediaPlaylist, boundary_us: u64, report: &mut Report) {
    let Some(first) = list.segments.first() else { return };
    let (Some(first_us), Some(target_us)) = (first.duration_us, list.target_us()) else { return };
    let after_us = list.listed_us().saturating_sub(first_us);
    // A server may count from either end of a segment, so one more must be beyond the boundary.
    if after_us > boundary_us.saturating_add(target_us.saturating_mul(2)) {
        let words = format!(
            "the first segment ends {} before the end, the skip boundary is {}, and nothing is skipped",
            seconds(after_us),
            seconds(boundary_us),
        );
        report.add(rule::SKIP_DONE, first.line, words);
    }
}
