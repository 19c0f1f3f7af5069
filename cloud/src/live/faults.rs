//! Inputs that arrive and show nothing: black, frozen or silent for too long.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::timeline::InputId;
use crate::event::Input;
use crate::settings::Settings;
use crate::transcode::Look;

/// What is wrong with what an input sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Black,
    Frozen,
    Silent,
}

impl Fault {
    const ALL: [Self; 3] = [Self::Black, Self::Frozen, Self::Silent];
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Black => "black",
            Self::Frozen => "frozen",
            Self::Silent => "silent",
        })
    }
}

/// For how long an input may have a fault; for ever, where it is not here.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits(BTreeMap<Fault, Duration>);

impl Limits {
    pub(super) fn of(settings: &Settings) -> Self {
        let seconds = [
            (Fault::Black, settings.switch_on_black_s),
            (Fault::Frozen, settings.switch_on_frozen_s),
            (Fault::Silent, settings.switch_on_silent_s),
        ];
        let set = seconds.into_iter().filter(|(_, seconds)| *seconds > 0);
        Self(set.map(|(fault, seconds)| (fault, Duration::from_secs(seconds))).collect())
    }

    /// Whether pictures have to be looked at.
    pub(super) fn is_seen(&self) -> bool {
        self.0.contains_key(&Fault::Black) || self.0.contains_key(&Fault::Frozen)
    }
}

/// One broadcast, as it is seen and heard.
#[derive(Debug)]
struct Broadcast {
    id: InputId,
    /// When its picture was looked at last.
    seen_at: Option<Instant>,
    since: BTreeMap<Fault, Instant>,
    /// What it was judged by last.
    fault: Option<Fault>,
}

/// The faults of an event's inputs.
#[derive(Debug)]
pub(super) struct Faults {
    limits: Limits,
    broadcasts: BTreeMap<Input, Broadcast>,
}

impl Faults {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, broadcasts: BTreeMap::new() }
    }

    pub(super) fn join(&mut self, id: InputId, input: Input) {
        self.broadcasts.insert(input, Broadcast { id, seen_at: None, since: BTreeMap::new(), fault: None });
    }

    pub(super) fn leave(&mut self, id: InputId) {
        self.broadcasts.retain(|_, broadcast| broadcast.id != id);
    }

    /// The input that a broadcast is on.
    pub(super) fn input(&self, id: InputId) -> Option<Input> {
        self.broadcasts.iter().find(|(_, broadcast)| broadcast.id == id).map(|(input, _)| *input)
    }

    /// Takes in what a key frame showed.
    pub(super) fn seen(&mut self, now: Instant, input: Input, look: Look) {
        let Some(broadcast) = self.broadcasts.get_mut(&input) else { return };
        // It is still since the picture that this one is like.
        let before = broadcast.seen_at.replace(now).unwrap_or(now);
        broadcast.note(Fault::Black, look.dark.then_some(now));
        broadcast.note(Fault::Frozen, look.still.then_some(before));
    }

    /// Takes in whether anything was heard in the second that is over, where that is known.
    pub(super) fn heard(&mut self, now: Instant, input: Input, is_silent: Option<bool>) {
        if let (Some(broadcast), Some(is_silent)) = (self.broadcasts.get_mut(&input), is_silent) {
            broadcast.note(Fault::Silent, is_silent.then_some(now));
        }
    }

    /// The broadcasts that are judged otherwise than before, and whether they are worth nothing.
    pub(super) fn judge(&mut self, now: Instant) -> Vec<(InputId, bool)> {
        let mut judged = Vec::new();
        for broadcast in self.broadcasts.values_mut() {
            let fault = broadcast.fault(now, &self.limits);
            if fault.is_some() != broadcast.fault.is_some() {
                judged.push((broadcast.id, fault.is_some()));
            }
            broadcast.fault = fault;
        }
        judged
    }

    /// What is wrong, as people are told.
    pub(super) fn words(&self) -> Option<String> {
        let faults: Vec<String> = self
            .broadcasts
            .iter()
            .filter_map(|(input, broadcast)| {
                let fault = broadcast.fault?;
                let limit = self.limits.0.get(&fault)?.as_secs();
                Some(format!("The {input} broadcast has been {fault} for over {limit} s: look at its camera, cables and mixer"))
            })
            .collect();
        (!faults.is_empty()).then(|| faults.join(". "))
    }
}

impl Broadcast {
    fn note(&mut self, fault: Fault, since: Option<Instant>) {
        match since {
            Some(since) => {
                self.since.entry(fault).or_insert(since);
            }
            None => {
                self.since.remove(&fault);
            }
        }
    }

    fn fault(&self, now: Instant, limits: &Limits) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| {
            let (since, limit) = (self.since.get(fault), limits.0.get(fault));
            since.zip(limit).is_some_and(|(since, limit)| now.saturating_duration_since(*since) >= *limit)
        })
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;

    const ID: InputId = InputId(7);

    fn faults(black_s: u64, frozen_s: u64, silent_s: u64) -> Faults {
        let settings = Settings {
            switch_on_black_s: black_s,
            switch_on_frozen_s: frozen_s,
            switch_on_silent_s: silent_s,
            ..Settings::default()
        };
        let mut faults = Faults::new(Limits::of(&settings));
        faults.join(ID, Input::Main);
        faults
    }

    #[test]
    fn a_fault_counts_once_it_has_lasted_and_goes_with_the_first_good_sign() {
        let mut faults = faults(5, 0, 0);
        let began = Instant::now();
        let at = |s: u64| began + Duration::from_secs(s);
        let look = |dark| Look { input: 0, dark, still: true };
        for s in (0..=4).step_by(2) {
            faults.seen(at(s), Input::Main, look(true));
            assert_eq!(faults.judge(at(s)), [], "frozen is nothing where it is not set");
        }
        assert_eq!(faults.judge(at(5)), [(ID, true)]);
        assert_eq!(faults.judge(at(6)), []);
        assert!(
            faults.words().is_some_and(|words| words.contains("main broadcast has been black for over 5 s"))
        );
        faults.seen(at(8), Input::Main, look(false));
        assert_eq!(faults.judge(at(8)), [(ID, false)]);
        assert_eq!(faults.words(), None);
    }

    #[test]
    fn a_picture_is_frozen_since_the_one_that_it_is_like() {
        let mut faults = faults(0, 4, 0);
        let began = Instant::now();
        let at = |s: u64| began + Duration::from_secs(s);
        faults.seen(at(0), Input::Main, Look { input: 0, dark: false, still: false });
        faults.seen(at(2), Input::Main, Look { input: 0, dark: false, still: true });
        assert_eq!((faults.judge(at(3)), faults.judge(at(4))), (vec![], vec![(ID, true)]));
    }

    #[test]
    fn a_second_of_which_nothing_is_known_changes_nothing() {
        let mut faults = faults(0, 0, 3);
        let began = Instant::now();
        let at = |s: u64| began + Duration::from_secs(s);
        faults.heard(at(0), Input::Main, Some(true));
        faults.heard(at(2), Input::Main, None);
        assert_eq!(faults.judge(at(3)), [(ID, true)]);
        faults.leave(ID);
        assert_eq!((faults.judge(at(4)), faults.input(ID)), (vec![], None));
    }
}
