//! Where a file lacks pictures.

use super::details::Gap;

/// A pause that is shorter is none, whatever the rate.
const SHORTEST_NS: i64 = 250_000_000;

/// Looks at the times of one track, in the order of decoding.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    last_ns: Option<i64>,
    /// From one frame to the next, last.
    step_ns: Option<i64>,
}

impl Continuity {
    /// Takes a frame's time in the file; returns the gap before it.
    pub(super) fn look(&mut self, at_ns: i64) -> Option<Gap> {
        let last_ns = self.last_ns.replace(at_ns)?;
        let pause_ns = at_ns.saturating_sub(last_ns);
        let step_ns = self.step_ns.unwrap_or(pause_ns);
        if pause_ns >= SHORTEST_NS && pause_ns > step_ns.saturating_mul(3) {
            let ms = |ns: i64| u64::try_from(ns / 1_000_000).unwrap_or(0);
            return Some(Gap { at_ms: ms(last_ns + step_ns), duration_ms: ms(pause_ns - step_ns) });
        }
        self.step_ns = Some(pause_ns.max(0));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(times_ms: &[i64]) -> Vec<(u64, u64)> {
        let mut continuity = Continuity::default();
        let found = times_ms.iter().filter_map(|ms| continuity.look(ms * 1_000_000));
        found.map(|gap| (gap.at_ms, gap.duration_ms)).collect()
    }

    #[test]
    fn pictures_that_are_missing_are_a_gap_and_a_slow_rate_is_none() {
        assert_eq!(gaps(&[0, 40, 80, 1_080, 1_120]), [(120, 960)]);
        assert_eq!(gaps(&[0, 40, 80, 300, 340]), [], "a pause of a fifth of a second");
        assert_eq!(gaps(&[0, 1_000, 2_000, 3_000]), [], "a picture a second");
        assert_eq!(gaps(&[0, 1_000, 2_000, 6_000, 7_000, 12_000]), [(3_000, 3_000), (8_000, 4_000)]);
        assert_eq!(gaps(&[500, 540, 0, 40, 80]), [], "a time that falls");
        assert_eq!(gaps(&[]), []);
    }
}
