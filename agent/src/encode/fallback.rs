//! Which encoders are not to be used any more, because they failed while they ran. Pure.

use std::time::{Duration, Instant};

use stagebox_hw::Encoder;

use super::EncoderFailure;

/// An encoder that fails twice within this time gives way.
const WINDOW: Duration = Duration::from_secs(60);

/// The encoders that failed, and since when each of them is passed over.
#[derive(Debug, Default)]
pub(super) struct Fallback {
    /// The last failure of each.
    failed: Vec<(Encoder, Instant)>,
    /// Those that are passed over and why, the first one first.
    avoided: Vec<(Encoder, String)>,
    /// The one that was chosen last.
    used: Option<Encoder>,
}

impl Fallback {
    /// Takes a failure; true if the encoder gives way to the next one from now on.
    ///
    /// Software never does: nothing comes after it.
    pub(super) fn failed(
        &mut self,
        encoder: Encoder,
        failure: EncoderFailure,
        reason: &str,
        now: Instant,
    ) -> bool {
        if !encoder.is_hardware() || self.avoids(encoder) {
            return false;
        }
        let before = self.failed.iter().find(|(failed, _)| *failed == encoder).map(|(_, at)| *at);
        self.failed.retain(|(failed, _)| *failed != encoder);
        let is_again = before.is_some_and(|at| now.saturating_duration_since(at) <= WINDOW);
        if failure == EncoderFailure::Ended && !is_again {
            self.failed.push((encoder, now));
            return false;
        }
        let how = if failure == EncoderFailure::Hung { ":" } else { " failed twice:" };
        self.avoided.push((encoder, format!("{encoder}{how} {reason}")));
        true
    }

    /// Takes what a media process has chosen.
    pub(super) fn uses(&mut self, encoder: Encoder) {
        self.used = Some(encoder);
    }

    /// Whether another one can stand in for the one that was chosen last.
    pub(super) fn can_give_way(&self) -> bool {
        self.used.is_some_and(|encoder| encoder.is_hardware() && !self.avoids(encoder))
    }

    /// Has the one that was chosen last give way, whatever it did; true if it does.
    pub(super) fn give_way(&mut self, reason: &str) -> bool {
        let Some(encoder) = self.used.filter(|_| self.can_give_way()) else { return false };
        self.avoided.push((encoder, format!("{encoder}: {reason}")));
        true
    }

    /// Those that are passed over.
    pub(super) fn avoided(&self) -> Vec<Encoder> {
        self.avoided.iter().map(|(encoder, _)| *encoder).collect()
    }

    /// Has an encoder be used again that has proven itself anew.
    pub(super) fn proven(&mut self, encoder: Encoder) {
        self.avoided.retain(|(avoided, _)| *avoided != encoder);
    }

    /// Takes why an encoder that was tried again does not do.
    pub(super) fn not_proven(&mut self, encoder: Encoder, reason: &str) {
        for (avoided, why) in &mut self.avoided {
            if *avoided == encoder {
                *why = format!("{encoder} failed when it was tried again: {reason}");
            }
        }
    }

    /// What does not encode although it should, in words.
    pub(super) fn degraded(&self) -> Option<String> {
        let told: Vec<&str> = self.avoided.iter().map(|(_, why)| why.as_str()).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    fn avoids(&self, encoder: Encoder) -> bool {
        self.avoided.iter().any(|(avoided, _)| *avoided == encoder)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use std::sync::LazyLock;

    use Encoder::{Qsvh264enc, Vah264enc, X264enc};
    use proptest::prelude::*;

    use super::EncoderFailure::{Ended, Hung};
    use super::*;

    fn at(seconds: u64) -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(seconds)
    }

    #[test]
    fn twice_within_a_minute_is_enough_and_a_hang_at_once() {
        let mut fallback = Fallback::default();
        assert!(!fallback.failed(Vah264enc, Ended, "reset", at(0)));
        assert_eq!((fallback.avoided(), fallback.degraded()), (vec![], None));
        assert!(!fallback.failed(Vah264enc, Ended, "reset", at(61)), "too long ago");
        assert!(fallback.failed(Vah264enc, Ended, "reset", at(121)));
        assert_eq!(fallback.degraded().unwrap(), "vah264enc failed twice: reset");
        assert!(fallback.failed(Qsvh264enc, Hung, "hangs", at(122)));
        assert_eq!(fallback.avoided(), [Vah264enc, Qsvh264enc]);
        assert_eq!(fallback.degraded().unwrap(), "vah264enc failed twice: reset; qsvh264enc: hangs");
    }

    #[test]
    fn one_that_proves_itself_is_used_again() {
        let mut fallback = Fallback::default();
        fallback.failed(Vah264enc, Hung, "hangs", at(0));
        fallback.not_proven(Vah264enc, "no device");
        assert_eq!(fallback.degraded().unwrap(), "vah264enc failed when it was tried again: no device");
        fallback.proven(Vah264enc);
        assert_eq!((fallback.avoided(), fallback.degraded()), (vec![], None));
        assert!(!fallback.failed(Vah264enc, Ended, "reset", at(1)), "it begins anew");
    }

    #[test]
    fn the_one_in_use_gives_way_when_it_is_told_to() {
        let mut fallback = Fallback::default();
        assert!(!fallback.give_way("no picture"), "none is in use");
        fallback.uses(Vah264enc);
        assert!(fallback.give_way("no picture"));
        assert!(!fallback.give_way("no picture"), "it did already");
        assert_eq!(fallback.degraded().unwrap(), "vah264enc: no picture");
        fallback.uses(X264enc);
        assert!(!fallback.give_way("no picture"), "nothing comes after software");
    }

    proptest! {
        #[test]
        fn software_never_gives_way_and_no_encoder_twice(
            failures in prop::collection::vec((0_usize..7, any::<bool>(), 0_u64..90), 0..60),
        ) {
            let mut fallback = Fallback::default();
            let mut now = 0;
            for (encoder, hung, wait) in failures {
                now += wait;
                let failure = if hung { Hung } else { Ended };
                let before = fallback.avoided();
                let gives_way = fallback.failed(Encoder::ALL[encoder], failure, "it failed", at(now));
                let after = fallback.avoided();
                prop_assert_eq!(after.len(), before.len() + usize::from(gives_way));
                prop_assert!(!after.contains(&X264enc));
                prop_assert!(!hung || !Encoder::ALL[encoder].is_hardware() || after.contains(&Encoder::ALL[encoder]));
            }
        }
    }
}
