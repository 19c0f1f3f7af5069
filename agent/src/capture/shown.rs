//! What is shown of a signal: the picture, or why there is none. A contact that trembles is no news: pure.
//!
//! ```text
//!            no picture for LOST_NS
//!   Locked ─────────────────────────▶ one of the others ──┐ another reason
//!     ▲                                      │     ▲      │ for SETTLED_NS
//!     └──────────── picture for LOCKED_NS ───┘     └──────┘
//! ```

use stagebox_protocol::telemetry::{SignalState, SignalStatus};

/// A picture that is away for less is not missed: the last one stands.
const LOST_NS: i64 = 200_000_000;
/// A picture has to stay for so long to be shown again.
const LOCKED_NS: i64 = 300_000_000;
/// A reason has to stay for so long to be told.
const SETTLED_NS: i64 = 200_000_000;

/// The signal as it is shown.
#[derive(Debug, Default)]
pub struct Shown {
    signal: Option<SignalStatus>,
    /// What it would become, and since when.
    next: Option<(SignalState, i64)>,
}

impl Shown {
    /// Takes what the source says at this moment of the stream; whether that changes what is shown.
    pub fn look(&mut self, at_ns: i64, now: &SignalStatus) -> bool {
        let Some(shown) = &mut self.signal else {
            self.signal = Some(now.clone());
            return true;
        };
        if now.state == shown.state {
            self.next = None;
            // Another size or rate needs no rest: the source has looked at it.
            let is_other = *shown != *now;
            shown.clone_from(now);
            return is_other;
        }
        let since = match self.next {
            Some((state, since)) if state == now.state => since,
            // Between reasons, the loss itself goes on.
            Some((_, since)) if shown.state == SignalState::Locked && now.state != SignalState::Locked => {
                since
            }
            _ => at_ns,
        };
        self.next = Some((now.state, since));
        let rest = match (shown.state, now.state) {
            (SignalState::Locked, _) => LOST_NS,
            (_, SignalState::Locked) => LOCKED_NS,
            _ => SETTLED_NS,
        };
        if at_ns.saturating_sub(since) < rest {
            return false;
        }
        shown.clone_from(now);
        self.next = None;
        true
    }

    /// What is shown; nothing before the first look.
    #[must_use]
    pub fn signal(&self) -> SignalStatus {
        self.signal.clone().unwrap_or_default()
    }

    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.signal.as_ref().is_some_and(|signal| signal.state == SignalState::Locked)
    }
}

/// Why there is no picture, and what to do, for whoever looks at the box or its stream.
#[must_use]
pub fn reason(signal: &SignalStatus) -> Option<String> {
    Some(match signal.state {
        SignalState::Locked | SignalState::Unknown => return None,
        SignalState::NoCable => "No cable is plugged in".to_owned(),
        SignalState::None => "Nothing comes through the cable: switch the source on".to_owned(),
        SignalState::Unstable => "The picture is not stable yet".to_owned(),
        SignalState::OutOfRange => {
            let SignalStatus { width, height, fps, .. } = signal;
            format!(
                "{width}x{height} at {fps} pictures a second is more than the box takes: set the source to 1080p60 or less"
            )
        }
        SignalState::Protected => "The source protects its picture (HDCP): switch that off there".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEP_NS: i64 = 33_000_000;

    fn signal(state: SignalState) -> SignalStatus {
        SignalStatus { state, width: 1280, height: 720, fps: 50.0, ..SignalStatus::default() }
    }

    /// What is shown after so many looks at each state.
    fn after(states: &[(SignalState, usize)]) -> Vec<SignalState> {
        let (mut shown, mut at_ns, mut out) = (Shown::default(), 0, Vec::new());
        for (state, looks) in states {
            for _ in 0..*looks {
                shown.look(at_ns, &signal(*state));
                at_ns += STEP_NS;
            }
            out.push(shown.signal().state);
        }
        out
    }

    #[test]
    fn a_moment_is_no_loss_and_a_flash_no_picture() {
        use SignalState::{Locked, NoCable, None, Unstable};
        assert_eq!(after(&[(Locked, 1)]), [Locked], "the first look counts at once");
        assert_eq!(after(&[(Locked, 5), (None, 6), (Locked, 1), (None, 6)]), [Locked; 4]);
        assert_eq!(after(&[(Locked, 5), (None, 8)]), [Locked, None]);
        assert_eq!(after(&[(None, 5), (Locked, 9), (None, 1), (Locked, 9)]), [None; 4]);
        assert_eq!(after(&[(None, 5), (Locked, 11)]), [None, Locked]);
        // One reason after the other is one loss; and then the last one counts.
        assert_eq!(after(&[(Locked, 5), (Unstable, 4), (NoCable, 4)]), [Locked, Locked, NoCable]);
        assert_eq!(
            after(&[(NoCable, 5), (Unstable, 3), (NoCable, 1), (Unstable, 8)]),
            [NoCable, NoCable, NoCable, Unstable]
        );
    }

    #[test]
    fn another_size_is_told_at_once() {
        let mut shown = Shown::default();
        assert!(shown.look(0, &signal(SignalState::Locked)));
        assert!(!shown.look(1, &signal(SignalState::Locked)));
        let other = SignalStatus { width: 1920, ..signal(SignalState::Locked) };
        assert!(shown.look(2, &other) && shown.signal() == other && shown.is_locked());
    }

    #[test]
    fn every_state_without_a_picture_has_its_reason() {
        for state in [SignalState::NoCable, SignalState::None, SignalState::Unstable, SignalState::Protected]
        {
            assert!(reason(&signal(state)).is_some_and(|words| words.len() > 10), "{state:?}");
        }
        assert!(reason(&signal(SignalState::OutOfRange)).unwrap().starts_with("1280x720 at 50 pictures"));
        assert_eq!(reason(&signal(SignalState::Locked)), None);
    }

    proptest! {
        /// Within half a second of a loss the slate is there, and within a second of a picture the picture, whatever
        /// happened before; and nothing changes more often than every 200 ms.
        #[test]
        fn what_stays_is_shown_in_time(states in prop::collection::vec((0_usize..4, 1_usize..20), 1..40)) {
            let kinds = [SignalState::Locked, SignalState::None, SignalState::Unstable, SignalState::NoCable];
            let (mut shown, mut at_ns, mut changed_at) = (Shown::default(), 0, None);
            let (mut since, mut last) = (0, None);
            for (kind, looks) in states {
                for _ in 0..looks {
                    let state = kinds[kind];
                    let is_locked = state == SignalState::Locked;
                    if last.replace(is_locked) != Some(is_locked) {
                        since = at_ns;
                    }
                    let before = shown.signal().state;
                    if shown.look(at_ns, &signal(state)) && shown.signal().state != before {
                        let rested = changed_at.is_none_or(|before| at_ns - before >= LOST_NS);
                        prop_assert!(rested, "two changes within {} ns", LOST_NS);
                        changed_at = Some(at_ns);
                    }
                    let lasted = at_ns - since;
                    prop_assert!(lasted < LOST_NS + STEP_NS || is_locked || !shown.is_locked());
                    prop_assert!(lasted < LOCKED_NS + STEP_NS || !is_locked || shown.is_locked());
                    at_ns += STEP_NS;
                }
            }
        }
    }
}
