//! Wall-clock times of an event's runs, as playlists tell them.

/// Dates that are further ahead of the wall clock than this begin with it anew: it was set.
const MAX_AHEAD_MS: i64 = 3_600_000;
const MS_NS: i64 = 1_000_000;

/// Where dates stand on the event's timeline.
///
/// A run's first frame can come before the last run's end is over: its last picture and sound are still shown. Players
/// that place segments by their dates would lay one over the other and lose pictures of both.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dates {
    /// Where the last run ended, and when that was.
    end: Option<(i64, i64)>,
}

impl Dates {
    /// Goes on where there are dates until then, in milliseconds since 1970.
    pub(super) fn after(until_ms: Option<i64>) -> Self {
        // Nothing lies between: the timeline goes on where it was left.
        Self { end: until_ms.map(|until_ms| (i64::MAX, until_ms)) }
    }

    /// The date of a run that begins at `at_ns` of the timeline, and whose first frame came at `unix_ms`.
    pub(super) fn begin(&self, at_ns: i64, unix_ms: i64) -> i64 {
        let free_ms = self.end.map_or(unix_ms, |(end_ns, end_ms)| {
            end_ms.saturating_add(up_to_ms(at_ns.saturating_sub(end_ns).max(0)))
        });
        let ahead_ms = free_ms.saturating_sub(unix_ms);
        if (0..=MAX_AHEAD_MS).contains(&ahead_ms) { free_ms } else { unix_ms }
    }

    /// The run that began at `from_ns`, at `from_unix_ms`, is over at `end_ns`.
    pub(super) fn end(&mut self, from_ns: i64, from_unix_ms: i64, end_ns: i64) {
        let length_ns = end_ns.saturating_sub(from_ns).max(0);
        self.end = Some((end_ns, from_unix_ms.saturating_add(up_to_ms(length_ns))));
    }
}

/// Begun milliseconds count.
fn up_to_ms(ns: i64) -> i64 {
    ns.saturating_add(MS_NS - 1).div_euclid(MS_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_never_begins_before_the_last_one_is_over() {
        assert_eq!([Dates::after(Some(9)), Dates::after(None)].map(|dates| dates.begin(7, 8)), [9, 8]);
        let mut dates = Dates::default();
        let ns = |ms: i64| ms * MS_NS;
        assert_eq!(dates.begin(ns(7), 50_000), 50_000, "the first one when it came");
        dates.end(ns(7), 50_000, ns(4_012) + 1);
        assert_eq!(
            dates.begin(ns(4_012) + 1, 54_000),
            54_006,
            "later, where the last one is longer than the time"
        );
        assert_eq!(dates.begin(ns(4_052), 54_000), 54_046, "a little later still");
        assert_eq!(
            dates.begin(ns(3_000), 54_000),
            54_006,
            "pictures that are shown before others change nothing"
        );
        assert_eq!(dates.begin(ns(4_012), 70_000), 70_000, "nothing was shown for a while");
        assert_eq!(dates.begin(ns(4_013), 54_007), 54_007, "just in time");
        assert_eq!(dates.begin(ns(4_013), 54_007 - 3_600_001), 54_007 - 3_600_001, "the clock was put back");
    }
}
