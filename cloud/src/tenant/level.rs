//! How full an account is: pure.

use crate::account::Limits;
use serde::Serialize;
use utoipa::ToSchema;

const GIB: u64 = 1 << 30;
/// What a level is left by is so much lower than what it is reached by, in percent: it does not flicker.
const HYSTERESIS: u64 = 1;

/// How much of its storage an account has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StorageLevel)]
pub enum Level {
    /// There is room.
    #[default]
    Free,
    /// More than 80 %.
    High,
    /// More than 95 %.
    NearlyFull,
    /// All: nothing more is recorded.
    Full,
}

impl Level {
    /// All that are worth a word, the lowest first.
    pub const WORTH_A_WORD: [Self; 3] = [Self::High, Self::NearlyFull, Self::Full];

    fn percent(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::High => 80,
            Self::NearlyFull => 95,
            Self::Full => 100,
        }
    }

    /// The level after `self`, with so much used.
    #[must_use]
    pub fn next(self, used: u64, limits: &Limits) -> Self {
        let Some(limit) = storage_bytes(limits) else { return Self::Free };
        // Of a limit of nothing, everything is used.
        let percent = |points: u64| u128::from(limit) * u128::from(points) / 100;
        let reached = |level: Self| u128::from(used) >= percent(level.percent());
        let held = |level: Self| level <= self && u128::from(used) >= percent(level.percent() - HYSTERESIS);
        let worth = Self::WORTH_A_WORD.into_iter().rev();
        worth.into_iter().find(|level| reached(*level) || (limit > 0 && held(*level))).unwrap_or_default()
    }
}

/// What an account may have in the media store.
pub(crate) fn storage_bytes(limits: &Limits) -> Option<u64> {
    limits.storage_gib.map(|gib| gib.saturating_mul(GIB))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(storage_gib: Option<u64>) -> Limits {
        Limits { storage_gib, ..Limits::default() }
    }

    #[test]
    fn levels_are_left_lower_than_they_are_reached() {
        let ten = limits(Some(10));
        let at = |before: Level, percent: u64| before.next(10 * GIB / 1000 * percent, &ten);
        for (permille, level) in [
            (0, Level::Free),
            (799, Level::Free),
            (801, Level::High),
            (951, Level::NearlyFull),
            (1001, Level::Full),
        ] {
            assert_eq!(at(Level::Free, permille), level, "{permille}");
        }
        assert_eq!(at(Level::Full, 995), Level::Full);
        assert_eq!(at(Level::Full, 989), Level::NearlyFull);
        assert_eq!(at(Level::High, 795), Level::High);
        assert_eq!(at(Level::High, 785), Level::Free);
        assert_eq!(Level::Free.next(0, &limits(Some(0))), Level::Full);
        assert_eq!(Level::Full.next(u64::MAX, &limits(None)), Level::Free);
    }

    proptest! {
        #[test]
        fn more_is_never_a_lower_level(before in 0usize..4, one: u64, other: u64, gib in 0u64..1 << 40) {
            let before = [Level::Free, Level::High, Level::NearlyFull, Level::Full][before];
            let limits = limits(Some(gib));
            let (low, high) = (one.min(other), one.max(other));
            prop_assert!(before.next(low, &limits) <= before.next(high, &limits));
            // What was reached stays reached with the same bytes.
            let now = before.next(low, &limits);
            prop_assert_eq!(now.next(low, &limits), now);
        }
    }
}
