//! A part of a recording: pure.

use super::Manifest;
use serde::{Deserialize, Serialize};

/// Which part of a recording is meant, in milliseconds from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Trim {
    pub(crate) from_ms: Option<u64>,
    pub(crate) to_ms: Option<u64>,
}

impl Manifest {
    /// The segments that have something of this part in them; nothing, if there are none.
    pub(crate) fn trimmed(mut self, trim: Trim) -> Option<Self> {
        if trim == Trim::default() {
            return Some(self);
        }
        let us = |ms: u64| ms.saturating_mul(1_000);
        let (from_us, to_us) = (us(trim.from_ms.unwrap_or(0)), trim.to_ms.map_or(u64::MAX, us));
        let mut end_us = 0_u64;
        let mut kept = None;
        for segment in &self.lead()?.segments {
            let start_us = end_us;
            end_us = end_us.saturating_add(segment.duration_us);
            if end_us > from_us && start_us < to_us {
                let (first, _) = *kept.get_or_insert((segment.msn, segment.msn));
                kept = Some((first, segment.msn));
            }
        }
        let (first, last) = kept?;
        for track in &mut self.tracks {
            track.segments.retain(|segment| (first..=last).contains(&segment.msn));
        }
        self.tracks.retain(|track| track.segments.iter().any(|segment| !segment.gap));
        (!self.tracks.is_empty()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EventId;
    use crate::recording::tests::manifest;

    /// Ten segments of two seconds.
    fn recorded() -> Manifest {
        let mut manifest = manifest(EventId::random(), 0);
        let segments = &mut manifest.tracks[0].segments;
        let first = segments[0].clone();
        *segments = (5..15).map(|msn| crate::live::Segment { msn, ..first.clone() }).collect();
        manifest
    }

    fn left(from_ms: Option<u64>, to_ms: Option<u64>) -> Option<(Vec<u64>, u64)> {
        let trimmed = recorded().trimmed(Trim { from_ms, to_ms })?;
        let msns = trimmed.tracks[0].segments.iter().map(|segment| segment.msn).collect();
        Some((msns, trimmed.duration_ms()))
    }

    #[test]
    fn segments_that_have_something_of_it_stay_whole() {
        assert_eq!(left(None, None).unwrap().1, 20_000);
        assert_eq!(left(Some(4_000), Some(8_000)), Some((vec![7, 8], 4_000)));
        assert_eq!(left(Some(3_999), Some(8_001)), Some((vec![6, 7, 8, 9], 8_000)));
        assert_eq!(left(Some(18_000), None), Some((vec![14], 2_000)));
        assert_eq!(left(None, Some(1)), Some((vec![5], 2_000)));
    }

    #[test]
    fn nothing_is_left_beyond_the_end() {
        assert_eq!((left(Some(20_000), None), left(None, Some(0))), (None, None));
        assert_eq!(left(Some(8_000), Some(4_000)), None);
    }
}
