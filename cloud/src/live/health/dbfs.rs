//! How loud something is, in two bytes.

use serde::{Deserialize, Serialize};

/// What is quieter than this is as good as nothing.
const FLOOR_TENTHS: f64 = -1_200.0;
/// Decoders overshoot full scale by a little, never by so much.
const CEILING_TENTHS: f64 = 400.0;

/// A level in tenths of a decibel, 0 being full scale; or that there is none.
///
/// Full scale is an amplitude of 1.0, so the RMS of the loudest sine is −3.0. Digital silence is −120.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Option<f64>", into = "Option<f64>")]
pub(crate) struct Dbfs(i16);

impl Dbfs {
    /// Nothing was measured; quieter than every level.
    pub(crate) const NONE: Self = Self(i16::MIN);

    /// The level of a mean square.
    pub(super) fn of_power(power: f64) -> Self {
        Self::of_tenths(100.0 * power.max(0.0).log10())
    }

    /// The level of the largest of some samples.
    pub(super) fn of_amplitude(amplitude: f64) -> Self {
        Self::of_tenths(200.0 * amplitude.abs().log10())
    }

    fn of_tenths(tenths: f64) -> Self {
        if tenths.is_nan() {
            return Self::NONE;
        }
        Self(tenths.clamp(FLOOR_TENTHS, CEILING_TENTHS).round() as i16)
    }

    /// In decibels.
    pub(crate) fn get(self) -> Option<f64> {
        (self != Self::NONE).then(|| f64::from(self.0) / 10.0)
    }

    /// The mean square that it stands for.
    pub(super) fn power(self) -> Option<f64> {
        self.get().map(|decibels| 10f64.powf(decibels / 10.0))
    }
}

impl Default for Dbfs {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<Option<f64>> for Dbfs {
    fn from(decibels: Option<f64>) -> Self {
        decibels.map_or(Self::NONE, |decibels| Self::of_tenths(decibels * 10.0))
    }
}

impl From<Dbfs> for Option<f64> {
    fn from(level: Dbfs) -> Self {
        level.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_known_signals() {
        assert_eq!(Dbfs::of_amplitude(1.0).get(), Some(0.0));
        assert_eq!(Dbfs::of_amplitude(-0.5).get(), Some(-6.0));
        assert_eq!(Dbfs::of_power(0.5).get(), Some(-3.0));
        assert_eq!(Dbfs::of_power(0.0).get(), Some(-120.0));
        assert_eq!(Dbfs::of_power(f64::NAN).get(), Some(-120.0), "max() takes the number");
        assert_eq!(Dbfs::of_amplitude(f64::NAN), Dbfs::NONE);
        assert_eq!(Dbfs::of_amplitude(f64::INFINITY).get(), Some(40.0));
    }

    #[test]
    fn none_is_null_and_below_all() {
        assert_eq!(serde_json::to_string(&[Dbfs::NONE, Dbfs::of_power(0.01)]).unwrap(), "[null,-20.0]");
        assert_eq!(
            serde_json::from_str::<[Dbfs; 2]>("[null,-20.04]").unwrap(),
            [Dbfs::NONE, Dbfs::of_power(0.01)]
        );
        assert!(Dbfs::NONE < Dbfs::of_power(0.0));
    }
}
