//! The stretches of an event that its recording leaves out, although viewers saw them: pure.

use super::Recording;
use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Why something is not recorded: the account's storage is full, or its settings or the event's say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RecordingPause)]
pub enum Pause {
    /// The account has used its storage.
    Storage,
    /// The account's settings say so.
    Setting,
    /// The event's own settings say so.
    Event,
    /// The event was not started, in a recording that several were made one of.
    Stopped,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => {
                "Not recorded: the account has used all of its storage. Viewers see the event as before. Delete items, or have \
                 the limit raised: it is recorded again as soon as there is room."
            }
            Self::Setting => {
                "Not recorded: the account's settings say that events are not recorded. Viewers see the event as before."
            }
            Self::Event => {
                "Not recorded: this event's settings say that it is not. Viewers see the event as before."
            }
            Self::Stopped => "Not recorded: the event was not started then.",
        })
    }
}

/// A stretch that was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why.
    pub reason: Pause,
    /// Since when.
    pub from: Timestamp,
    /// Until when; absent while it lasts.
    pub to: Option<Timestamp>,
    /// The first segment that is left out.
    pub from_segment: u64,
    /// The first segment that is in it again.
    pub to_segment: Option<u64>,
}

impl Gap {
    fn leaves_out(&self, msn: u64) -> bool {
        msn >= self.from_segment && self.to_segment.is_none_or(|to| msn < to)
    }
}

impl Recording {
    /// Whether a segment of the event is in it.
    pub fn keeps(&self, msn: u64) -> bool {
        msn >= self.from_segment
            && self.to_segment.is_none_or(|to| msn < to)
            && !self.gaps.iter().any(|gap| gap.leaves_out(msn))
    }

    /// The gap that lasts.
    pub fn open_gap(&self) -> Option<&Gap> {
        self.gaps.last().filter(|gap| gap.to_segment.is_none())
    }

    /// What is missing in it, in words.
    pub fn warning(&self) -> Option<String> {
        if let Some(open) = self.open_gap().filter(|_| self.ended_at.is_none()) {
            return Some(open.reason.to_string());
        }
        // What viewers did not see is not missing.
        match self.gaps.iter().filter(|gap| gap.reason != Pause::Stopped).count() {
            0 => None,
            1 => Some("A part of the event is missing: it was not recorded then.".to_owned()),
            parts => Some(format!("{parts} parts of the event are missing: they were not recorded.")),
        }
    }

    /// The recording as it goes on from the segment `msn`; none if that changes nothing.
    pub(crate) fn paused(&self, pause: Option<Pause>, msn: u64, now: Timestamp) -> Option<Self> {
        let before = self.open_gap().map(|gap| gap.reason);
        if before == pause || self.ended_at.is_some() {
            return None;
        }
        let mut next = self.clone();
        if let Some(open) = next.gaps.last_mut().filter(|gap| gap.to_segment.is_none()) {
            (open.to, open.to_segment) = (Some(now), Some(msn.max(open.from_segment)));
        }
        if let Some(reason) = pause {
            next.gaps.push(Gap { reason, from: now, to: None, from_segment: msn, to_segment: None });
        }
        // One that left nothing out was none.
        next.gaps.retain(|gap| gap.to_segment != Some(gap.from_segment));
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recording() -> Recording {
        crate::recording::tests::recording(10, None)
    }

    #[test]
    fn a_gap_begins_and_ends_with_a_segment() {
        let now = Timestamp::from_unix_ms(5);
        let one = recording();
        assert_eq!(one.paused(None, 12, now), None);
        let one = one.paused(Some(Pause::Storage), 12, now).unwrap();
        assert_eq!(one.paused(Some(Pause::Storage), 13, now), None);
        assert!(one.keeps(11) && !one.keeps(12) && !one.keeps(400) && !one.keeps(9));
        assert_eq!(one.open_gap().unwrap().reason, Pause::Storage);
        let one = one.paused(None, 20, now).unwrap();
        assert!(!one.keeps(19) && one.keeps(20) && one.open_gap().is_none());
        let other = one.paused(Some(Pause::Setting), 25, now).unwrap().paused(Some(Pause::Storage), 25, now);
        assert_eq!(other.unwrap().gaps.len(), 2, "the first of two at one segment left nothing out");
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_allowed(steps in prop::collection::vec((0u8..3, 1u64..4), 1..30)) {
            let (mut one, mut msn, mut allowed) = (recording(), 10, Vec::new());
            for (pause, segments) in steps {
                let pause = [None, Some(Pause::Storage), Some(Pause::Setting)][usize::from(pause)];
                if let Some(next) = one.paused(pause, msn, Timestamp::default()) {
                    one = next;
                }
                allowed.extend((msn..msn + segments).map(|msn| (msn, pause.is_none())));
                msn += segments;
            }
            for (msn, is_kept) in allowed {
                prop_assert_eq!(one.keeps(msn), is_kept, "{}", msn);
            }
        }
    }
}
