//! How evenly pictures follow on each other, by their decoding times.

/// Steps that tell what is usual.
const STEPS: usize = 32;
/// Fewer tell nothing.
const LEAST_STEPS: usize = 8;
/// A longer step is a pause, or a clock that was set anew: nobody can say how many pictures it left out.
const PAUSE_US: i64 = 5_000_000;
/// A longer step back is a clock that was set anew.
const CLOCK_SET_US: i64 = 1_000_000;
/// RTMP's timestamps are whole milliseconds, so two steps of one length may differ by as much as this.
const ROUNDING_US: u32 = 2_000;

/// How a picture follows on the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// As the ones before, or nobody can say yet.
    Usual,
    /// Sooner or later than usual.
    Uneven,
    /// Not later than the one before at all.
    Back,
    /// Too late: pictures are missing, as far as their number can be told.
    Gap { missing: u32 },
}

/// The usual step from picture to picture.
#[derive(Debug, Default)]
pub(super) struct Cadence {
    last_dts_ns: Option<i64>,
    steps_us: [u32; STEPS],
    taken: usize,
    usual: Option<Usual>,
}

#[derive(Debug, Clone, Copy)]
struct Usual {
    step_us: u32,
    /// Nearly all steps are this one, or a multiple of it.
    is_even: bool,
}

impl Cadence {
    pub(super) fn take(&mut self, dts_ns: i64) -> Step {
        let Some(last) = self.last_dts_ns.replace(dts_ns) else { return Step::Usual };
        let step_us = dts_ns.saturating_sub(last) / 1_000;
        if step_us > PAUSE_US {
            return Step::Gap { missing: 0 };
        }
        if step_us < -CLOCK_SET_US {
            return Step::Uneven;
        }
        let Some(step_us) = u32::try_from(step_us).ok().filter(|step| *step > 0) else { return Step::Back };
        let step = self.usual.map_or(Step::Usual, |usual| usual.judge(step_us));
        self.learn(step_us);
        step
    }

    /// Pictures a second by the usual step, where the steps are even enough to tell.
    pub(super) fn grid_fps(&self) -> Option<f64> {
        let usual = self.usual.filter(|usual| usual.is_even && self.taken >= STEPS)?;
        Some(1e6 / f64::from(usual.step_us))
    }

    fn learn(&mut self, step_us: u32) {
        if let Some(slot) = self.steps_us.get_mut(self.taken % STEPS) {
            *slot = step_us;
        }
        self.taken = self.taken.saturating_add(1);
        if self.taken >= LEAST_STEPS && self.taken.is_multiple_of(LEAST_STEPS) {
            self.usual = self.steps_us.get(..self.taken.min(STEPS)).and_then(Usual::of);
        }
    }
}

impl Usual {
    /// The step that is common among the short ones: where pictures are missing, the others are multiples of it.
    fn of(steps_us: &[u32]) -> Option<Self> {
        let mut sorted = [0; STEPS];
        let sorted = sorted.get_mut(..steps_us.len())?;
        sorted.copy_from_slice(steps_us);
        sorted.sort_unstable();
        let quartile = *sorted.get(steps_us.len() / 4)?;
        let single = sorted.iter().filter(|step| **step <= quartile.saturating_add(quartile / 2));
        let (sum, count) =
            single.fold((0u64, 0u64), |(sum, count), step| (sum + u64::from(*step), count + 1));
        let step_us = u32::try_from(sum.checked_div(count)?).ok()?.max(1);
        let usual = Self { step_us, is_even: true };
        let even = steps_us.iter().filter(|step| usual.is_multiple(**step)).count();
        Some(Self { is_even: even * 10 >= steps_us.len() * 9, ..usual })
    }

    fn judge(self, step_us: u32) -> Step {
        // Where steps vary anyway, only a long one says that a picture is missing.
        let halves = if self.is_even { 3 } else { 5 };
        if u64::from(step_us) * 2 > u64::from(self.step_us) * halves {
            Step::Gap { missing: self.multiple(step_us).saturating_sub(1).max(1) }
        } else if step_us.abs_diff(self.step_us) > self.tolerance_us() {
            Step::Uneven
        } else {
            Step::Usual
        }
    }

    /// How many usual steps a step is, to the nearest.
    fn multiple(self, step_us: u32) -> u32 {
        step_us.saturating_add(self.step_us / 2) / self.step_us
    }

    fn is_multiple(self, step_us: u32) -> bool {
        let multiple = self.multiple(step_us).max(1);
        step_us.abs_diff(multiple.saturating_mul(self.step_us)) <= self.tolerance_us()
    }

    fn tolerance_us(self) -> u32 {
        ROUNDING_US.max(self.step_us / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(times_ms: impl IntoIterator<Item = i64>) -> (Cadence, Vec<Step>) {
        let mut cadence = Cadence::default();
        let steps = times_ms.into_iter().map(|ms| cadence.take(ms * 1_000_000)).collect();
        (cadence, steps)
    }

    fn missing(steps: &[Step]) -> u32 {
        steps.iter().map(|step| if let Step::Gap { missing } = step { *missing } else { 0 }).sum()
    }

    #[test]
    fn even_pictures_are_even_at_any_rate() {
        for fps in [1, 10, 24, 25, 30, 50, 60, 120] {
            let (cadence, steps) = run((0..200).map(|n| n * 1_000 / fps));
            assert!(steps.iter().all(|step| *step == Step::Usual), "{fps}");
            let grid = cadence.grid_fps().unwrap();
            assert!((grid / fps as f64 - 1.0).abs() < 0.02, "{grid} of {fps}");
        }
    }

    #[test]
    fn pictures_left_out_are_counted() {
        let (cadence, steps) = run((0..120).filter(|n| !(60..65).contains(n)).map(|n| n * 1_000 / 30));
        assert_eq!(steps.iter().filter(|step| **step == Step::Gap { missing: 5 }).count(), 1);
        assert_eq!(missing(&steps), 5);
        // 18 of 30: the grid is still seen.
        let (few, steps) =
            run((0..300).filter(|n| ![1, 3, 6, 8].contains(&(n % 10))).map(|n| n * 1_000 / 30));
        assert!(
            (few.grid_fps().unwrap() - 30.0).abs() < 0.5 && (cadence.grid_fps().unwrap() - 30.0).abs() < 0.5
        );
        assert!((100..=120).contains(&missing(&steps)), "{}", missing(&steps));
    }

    #[test]
    fn a_camera_that_wavers_is_uneven_and_tells_no_grid() {
        let (cadence, steps) = run((0..200).map(|n| n * 33 + (n * 7_919 % 23) - 11));
        assert_eq!(cadence.grid_fps(), None);
        assert!(steps.iter().filter(|step| **step == Step::Uneven).count() > 60);
        assert!(missing(&steps) < 3);
    }

    #[test]
    fn a_rate_that_changes_is_usual_again_soon() {
        let (cadence, _) = run((0..100).map(|n| n * 16).chain((0..40).map(|n| 1_600 + n * 33)));
        assert!((cadence.grid_fps().unwrap() - 30.3).abs() < 0.5);
    }

    #[test]
    fn pauses_and_clocks_set_anew_leave_out_no_number() {
        let (_, steps) = run((0..50).map(|n| n * 40).chain([90_000, 10, 10]));
        assert_eq!(steps.get(50..), Some(&[Step::Gap { missing: 0 }, Step::Uneven, Step::Back][..]));
        run([i64::MIN / 1_000_000, i64::MAX / 1_000_000, 0, i64::MIN / 1_000_000]);
    }
}
