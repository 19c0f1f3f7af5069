//! How far a playlist has come, and whether it goes on in time (RFC 8216bis, 6.2.1).

use super::content::Content;
use super::report::Report;
use super::rule;

/// What requests and clocks may take away.
const SLACK_MS: u64 = 250;

/// The newest segment that has anything in it, and its newest part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) msn: u64,
    pub(super) part: Option<u64>,
}

impl Edge {
    pub(super) fn of(content: &Content) -> Option<Self> {
        let last = content.end().checked_sub(1).filter(|_| !content.segments.is_empty());
        let msn = if content.open.is_empty() { last? } else { content.end() };
        let parts = content.parts_of(msn).len() as u64;
        Some(Self { msn, part: parts.checked_sub(1) })
    }

    /// Whether this is farther than `other`; parts count where both have them.
    pub(super) fn is_beyond(self, other: Self) -> bool {
        let parts = self.part.zip(other.part);
        self.msn > other.msn || (self.msn == other.msn && parts.is_some_and(|(mine, its)| mine > its))
    }
}

/// Something that must move on, and since when it has not.
#[derive(Debug, Clone, Copy)]
struct Still<T> {
    at: T,
    since_ms: u64,
    told: bool,
}

impl<T: PartialEq + Copy> Still<T> {
    /// For how long it has been still; `None` where it moved or this was told already.
    fn watch(slot: &mut Option<Self>, at: T, now_ms: u64, limit_ms: u64) -> Option<u64> {
        let still = slot.get_or_insert(Self { at, since_ms: now_ms, told: false });
        if still.at != at {
            *still = Self { at, since_ms: now_ms, told: false };
        }
        let late_ms = now_ms.saturating_sub(still.since_ms);
        let tell = late_ms > limit_ms && !still.told;
        still.told |= tell;
        tell.then_some(late_ms)
    }
}

/// Watches one playlist's pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    segment: Option<Still<u64>>,
    part: Option<Still<Edge>>,
}

impl Pace {
    /// `limits`: target duration in seconds and part target in microseconds, where there are any.
    pub(super) fn watch(
        &mut self,
        content: &Content,
        now_ms: u64,
        (target_s, part_us): (Option<u64>, Option<u64>),
        report: &mut Report,
    ) {
        let Some(edge) = Edge::of(content) else { return };
        if let Some(target_s) = target_s {
            let limit_ms = target_s.saturating_mul(1500).saturating_add(SLACK_MS);
            if let Some(ms) = Still::watch(&mut self.segment, content.end(), now_ms, limit_ms) {
                let words = format!("no new segment for {ms} ms, the target duration is {target_s} s");
                report.add(rule::SEGMENT_LATE, None, words);
            }
        }
        if let (Some(part_us), Some(_)) = (part_us, edge.part) {
            // One part target by the letter: seen from afar it cannot be told so exactly.
            let limit_ms = (part_us / 1000).saturating_mul(3).saturating_add(SLACK_MS);
            if let Some(ms) = Still::watch(&mut self.part, edge, now_ms, limit_ms) {
                let words = format!("no new part for {ms} ms, the part target is {} ms", part_us / 1000);
                report.add(rule::PART_LATE, None, words);
            }
        }
    }
}
