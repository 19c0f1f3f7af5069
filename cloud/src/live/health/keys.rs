//! How far key frames are apart.

use std::num::NonZeroU32;

/// Until there were two key frames, only one that is missing for so long is worth a figure.
const PATIENCE_MS: u32 = 4_000;
/// A step that is longer is a clock that was set anew.
const MAX_STEP_NS: i64 = 60_000_000_000;

/// The last two key frames of a video track, by decoding time.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The last key frame, or the first frame of all.
    since_dts_ns: Option<i64>,
    newest_dts_ns: i64,
    has_key: bool,
    interval_ms: Option<u32>,
}

impl Keys {
    pub(super) fn take(&mut self, dts_ns: i64, is_key: bool) {
        let step_ns = dts_ns.saturating_sub(self.newest_dts_ns);
        if self.since_dts_ns.is_none() || !(0..=MAX_STEP_NS).contains(&step_ns) {
            self.since_dts_ns = Some(dts_ns);
            self.has_key = is_key;
        } else if is_key {
            if self.has_key {
                self.interval_ms = self.open_ms(dts_ns);
            }
            self.since_dts_ns = Some(dts_ns);
            self.has_key = true;
        }
        self.newest_dts_ns = dts_ns;
    }

    /// The last interval; the present one if it is longer already.
    pub(super) fn interval_ms(&self) -> Option<NonZeroU32> {
        let open_ms = self.open_ms(self.newest_dts_ns);
        let open_ms = open_ms.filter(|open| self.interval_ms.is_some() || *open > PATIENCE_MS);
        self.interval_ms.max(open_ms).and_then(NonZeroU32::new)
    }

    fn open_ms(&self, dts_ns: i64) -> Option<u32> {
        let open_ns = dts_ns.saturating_sub(self.since_dts_ns?);
        u32::try_from(open_ns / 1_000_000).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(times_ms: impl IntoIterator<Item = (i64, bool)>) -> Option<u32> {
        let mut keys = Keys::default();
        for (ms, is_key) in times_ms {
            keys.take(ms * 1_000_000, is_key);
        }
        keys.interval_ms().map(NonZeroU32::get)
    }

    #[test]
    fn it_is_the_last_one_until_the_present_one_is_longer() {
        let every_2_s = (0..=100).map(|n| (n * 40, n % 50 == 0));
        assert_eq!(interval(every_2_s.clone()), Some(2_000));
        assert_eq!(interval(every_2_s.clone().chain([(5_000, false)])), Some(2_000));
        assert_eq!(interval(every_2_s.chain([(9_000, false)])), Some(5_000));
    }

    #[test]
    fn one_key_frame_or_none_is_told_once_it_is_long() {
        assert_eq!(interval([(0, true), (1_000, false)]), None);
        assert_eq!(interval([(0, true), (5_000, false)]), Some(5_000));
        assert_eq!(interval([(0, false), (5_000, false)]), Some(5_000));
        assert_eq!(interval([]), None);
    }

    #[test]
    fn a_clock_set_anew_is_no_interval() {
        assert_eq!(interval([(900_000, true), (902_000, true), (0, true), (1_000, false)]), Some(2_000));
        assert_eq!(interval([(0, true), (900_000, true), (901_000, true)]), Some(1_000));
        interval([(i64::MIN / 1_000_000, true), (i64::MAX / 1_000_000, true), (0, false)]);
    }
}
