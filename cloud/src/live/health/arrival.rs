//! How regularly frames arrive, measured against their timestamps.

/// The encoder's clock may run slower than ours by this much before it seems to fall behind.
///
/// Quartz is off by at most a twentieth of it. A real delay is forgotten at this pace too: a second in 83 minutes.
const DRIFT: i64 = 5_000;
/// A clock that jumps further than this was set anew.
const JUMP_NS: i64 = 1_000_000_000;

/// One frame's way from its timestamp to its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Arrival less timestamp: only the difference of two says anything.
    pub(super) way_ns: i64,
    /// By how much the way is longer than the shortest one so far.
    pub(super) late_ns: i64,
    /// It cannot be compared with the ways before it: the encoder's clock was set anew.
    pub(super) is_set_anew: bool,
}

/// The arrival of one track's frames.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    last_dts_ns: Option<i64>,
    best: Option<Best>,
}

/// The shortest way so far, and when that was.
#[derive(Debug, Clone, Copy)]
struct Best {
    way_ns: i64,
    at_ns: i64,
}

impl Arrival {
    /// Takes a frame that arrived at `at_ns` of any clock that only rises.
    pub(super) fn take(&mut self, at_ns: i64, dts_ns: i64) -> Arrived {
        let way_ns = at_ns.saturating_sub(dts_ns);
        let fell_back = self.last_dts_ns.is_some_and(|last| dts_ns < last.saturating_sub(JUMP_NS));
        self.last_dts_ns = Some(dts_ns);
        let best_ns = self.best.map(|best| {
            let drifted = at_ns.saturating_sub(best.at_ns).max(0) / DRIFT;
            best.way_ns.saturating_add(drifted)
        });
        // A frame from the future is one of a clock that was set forward: nothing travels back in time.
        let leapt = best_ns.is_some_and(|best| way_ns < best.saturating_sub(JUMP_NS));
        let is_set_anew = fell_back || leapt;
        match best_ns {
            Some(best) if !is_set_anew && way_ns >= best => {
                Arrived { way_ns, late_ns: way_ns.saturating_sub(best), is_set_anew }
            }
            _ => {
                self.best = Some(Best { way_ns, at_ns });
                Arrived { way_ns, late_ns: 0, is_set_anew }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn late_ms(frames: &[(i64, i64)]) -> Vec<i64> {
        let mut arrival = Arrival::default();
        frames.iter().map(|(at, dts)| arrival.take(at * MS, dts * MS).late_ns / MS).collect()
    }

    #[test]
    fn a_stall_is_late_until_it_is_made_up_for() {
        let frames = [(0, 500), (40, 540), (1_000, 580), (1_010, 620), (1_020, 660), (1_030, 1_530)];
        assert_eq!(late_ms(&frames), [0, 0, 919, 889, 859, 0]);
    }

    #[test]
    fn frames_that_come_in_a_bunch_at_first_do_not_count_against_later_ones() {
        assert_eq!(late_ms(&[(0, 0), (1, 1_000), (2, 2_000), (1_002, 3_000), (2_002, 4_000)]), [0; 5]);
    }

    #[test]
    fn a_clock_that_is_set_anew_begins_afresh() {
        let mut arrival = Arrival::default();
        arrival.take(0, 90_000 * MS);
        let back = arrival.take(40 * MS, 0);
        assert!(back.is_set_anew && back.late_ns == 0);
        let forward = arrival.take(80 * MS, 70_000 * MS);
        assert!(forward.is_set_anew && forward.late_ns == 0);
        assert!(!arrival.take(120 * MS, 70_040 * MS).is_set_anew);
    }

    #[test]
    fn an_encoder_that_leaves_frames_out_catches_up() {
        // Six seconds of upload lie in the queue; it throws three of them away.
        assert_eq!(late_ms(&[(0, 0), (6_040, 40), (6_050, 3_050), (6_060, 3_080)]), [0, 5_998, 2_998, 2_978]);
    }

    #[test]
    fn a_clock_that_is_a_little_slow_never_falls_behind() {
        let mut arrival = Arrival::default();
        // 50 millionths, for a day.
        let late = (0..86_400).map(|s| arrival.take(s * 1_000 * MS, s * 1_000 * MS - s * 50_000).late_ns);
        assert_eq!(late.max(), Some(0));
    }

    #[test]
    fn any_times_are_answered() {
        let mut arrival = Arrival::default();
        for dts_ns in [i64::MIN, i64::MAX, 0, i64::MAX, i64::MIN] {
            for at_ns in [0, i64::MAX, 1] {
                assert!(arrival.take(at_ns, dts_ns).late_ns >= 0);
            }
        }
    }
}
