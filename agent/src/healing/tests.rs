#![allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use std::ops::Range;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use stagebox_protocol::HealingStep::{self, NextEncoder, Reboot, RestartAgent, RestartCapture, ToggleEdid};

use super::ladder::{Action, Circumstances, Kind, Ladder, Now, Rules, Taken, Trouble};

/// Nobody uses the box.
const IDLE: Circumstances = Circumstances { on_air: false, can_give_way: true };

const UNIX_MS: i64 = 1_800_000_000_000;

fn at(seconds: u64) -> Now {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let unix_ms = UNIX_MS + i64::try_from(seconds).unwrap() * 1000;
    Now { instant: *START + Duration::from_secs(seconds), unix_ms }
}

fn begun(at: Now, may_reboot: bool, taken: Vec<Taken>) -> Ladder {
    Ladder::resume(at, Rules { after: Duration::from_secs(10), may_reboot }, taken)
}

fn trouble(kind: Kind) -> Trouble {
    Trouble { kind, reason: "it does not answer".to_owned() }
}

/// The steps during `seconds` of one trouble, with the seconds at which they are taken.
fn during(ladder: &mut Ladder, kind: Kind, seconds: Range<u64>) -> Vec<(u64, HealingStep)> {
    of(ladder, IDLE, kind, seconds)
}

fn of(ladder: &mut Ladder, of: Circumstances, kind: Kind, seconds: Range<u64>) -> Vec<(u64, HealingStep)> {
    let trouble = trouble(kind);
    let look = |second| match ladder.look(at(second), of, Some(&trouble)) {
        Some(Action::Take { step, .. }) => Some((second, step)),
        _ => None,
    };
    seconds.filter_map(look).collect()
}

#[test]
fn each_trouble_has_its_rungs() {
    for (kind, expected) in [
        (Kind::Signal, vec![(10, RestartCapture), (20, ToggleEdid)]),
        (Kind::Device, vec![(10, RestartCapture), (20, ToggleEdid), (80, RestartAgent), (200, Reboot)]),
        (Kind::Encoding, vec![(15, NextEncoder), (75, RestartAgent), (195, Reboot)]),
    ] {
        let mut ladder = begun(at(0), true, Vec::new());
        assert_eq!(during(&mut ladder, kind, 0..700), expected, "{kind:?}");
    }
    let mut ladder = begun(at(0), false, Vec::new());
    assert!(!during(&mut ladder, Kind::Device, 0..7_200).iter().any(|(_, step)| *step == Reboot));
}

#[test]
fn stream_and_recording_are_not_ended_for_a_picture() {
    let on_air = Circumstances { on_air: true, ..IDLE };
    let cheap = [(10, RestartCapture), (20, ToggleEdid)];
    for kind in [Kind::Signal, Kind::Device] {
        let mut ladder = begun(at(0), true, Vec::new());
        assert_eq!(of(&mut ladder, on_air, kind, 0..600), cheap, "{kind:?}");
    }
    // Once both have stopped, the rest is tried.
    let mut ladder = begun(at(0), true, Vec::new());
    assert_eq!(of(&mut ladder, on_air, Kind::Device, 0..300), cheap);
    assert_eq!(during(&mut ladder, Kind::Device, 300..302), [(300, RestartAgent)]);
    // Where nothing is delivered there is nothing to lose.
    let mut ladder = begun(at(0), true, Vec::new());
    let software = Circumstances { on_air: true, can_give_way: false };
    assert_eq!(of(&mut ladder, software, Kind::Encoding, 0..300), [(60, RestartAgent), (180, Reboot)]);
}

#[test]
fn hiccups_far_from_one_another_are_none() {
    let mut ladder = begun(at(0), true, Vec::new());
    let trouble = trouble(Kind::Device);
    let steps =
        (0..7_200).filter_map(|second| ladder.look(at(second), IDLE, (second % 50 < 1).then_some(&trouble)));
    assert!(!steps.into_iter().any(|action| matches!(action, Action::Take { .. })));
}

#[test]
fn a_minute_without_trouble_is_the_end_of_it() {
    let mut ladder = begun(at(0), true, Vec::new());
    assert_eq!(during(&mut ladder, Kind::Device, 0..12), [(10, RestartCapture)]);
    for second in 12..72 {
        assert_eq!(ladder.look(at(second), IDLE, None), None, "{second}");
    }
    assert_eq!(ladder.look(at(72), IDLE, None), Some(Action::Healed { step: RestartCapture }));
    assert_eq!(ladder.look(at(73), IDLE, None), None);
    assert_eq!(during(&mut ladder, Kind::Device, 100..112), [(110, RestartCapture)], "it begins anew");
    let mut ladder = begun(at(0), true, Vec::new());
    assert_eq!(during(&mut ladder, Kind::Device, 0..9), []);
    assert_eq!(
        (9..200).find_map(|second| ladder.look(at(second), IDLE, None)),
        None,
        "nothing was done, nothing is told"
    );
}

#[test]
fn a_trouble_that_flickers_stays() {
    let mut ladder = begun(at(0), true, Vec::new());
    let trouble = trouble(Kind::Encoding);
    let steps =
        (0..400).filter_map(|second| ladder.look(at(second), IDLE, (second % 20 < 10).then_some(&trouble)));
    assert_eq!(steps.filter(|action| matches!(action, Action::Take { .. })).count(), 3);
}

#[test]
fn what_was_tried_before_a_restart_counts() {
    let taken = |step, seconds: i64| Taken { step, at_unix_ms: UNIX_MS + seconds * 1000 };
    let before = vec![taken(RestartCapture, -100), taken(RestartAgent, -2)];
    let mut ladder = begun(at(0), true, before.clone());
    assert_eq!(during(&mut ladder, Kind::Device, 0..200), [(120, Reboot)]);
    let mut ladder = begun(at(0), true, before.clone());
    let healed = (0..=60).find_map(|second| ladder.look(at(second), IDLE, None));
    assert_eq!(healed, Some(Action::Healed { step: RestartAgent }));
    // Long ago: another trouble.
    let mut ladder = begun(at(3_600), true, before);
    assert_eq!(during(&mut ladder, Kind::Device, 3_600..3_612), [(3_610, RestartCapture)]);
    // The clock is behind what was kept: nobody knows how long ago it was.
    let mut ladder = begun(at(0), true, vec![taken(Reboot, 90_000), taken(Reboot, 90_100)]);
    assert!(!during(&mut ladder, Kind::Device, 0..3_000).iter().any(|(_, step)| *step == Reboot));
}

#[test]
fn when_nothing_is_left_it_says_so_once() {
    let mut ladder = begun(at(0), false, Vec::new());
    let trouble = trouble(Kind::Device);
    let told = (0..86_400).filter_map(|second| ladder.look(at(second), IDLE, Some(&trouble)));
    let given_up =
        told.filter(|action| matches!(action, Action::GiveUp { reason } if reason == "it does not answer"));
    assert_eq!(given_up.count(), 1);
}

fn budget(step: HealingStep) -> (usize, i64) {
    match step {
        RestartCapture => (6, 3_600),
        ToggleEdid => (4, 3_600),
        NextEncoder => (3, 3_600),
        RestartAgent => (3, 6 * 3_600),
        Reboot => (2, 24 * 3_600),
        HealingStep::Unknown => (0, 0),
    }
}

proptest! {
    /// Over days of troubles that come and go, with each restart a restart: no budget is overdrawn, nothing is done
    /// without a trouble, and what helps against a source is all that is done against one.
    #[test]
    fn no_budget_is_overdrawn(
        phases in prop::collection::vec((0_u8..4, any::<bool>(), 1_u64..4_000), 1..60),
        may_reboot in any::<bool>(),
    ) {
        let mut ladder = begun(at(0), may_reboot, Vec::new());
        let mut taken: Vec<(i64, HealingStep)> = Vec::new();
        let mut second = 0;
        for (kind, on_air, length) in phases {
            let of = Circumstances { on_air, can_give_way: true };
            let trouble = match kind {
                0 => None,
                1 => Some(trouble(Kind::Signal)),
                2 => Some(trouble(Kind::Device)),
                _ => Some(trouble(Kind::Encoding)),
            };
            for _ in 0..length {
                second += 1;
                let Some(Action::Take { step, keep, .. }) = ladder.look(at(second), of, trouble.as_ref()) else { continue };
                let now = i64::try_from(second).unwrap();
                taken.push((now, step));
                let kind = trouble.as_ref().map(|trouble| trouble.kind);
                prop_assert!(kind.is_some());
                prop_assert!(kind != Some(Kind::Signal) || matches!(step, RestartCapture | ToggleEdid));
                prop_assert!(may_reboot || step != Reboot);
                let costs = matches!(step, RestartAgent | Reboot);
                prop_assert!(!(costs && on_air && kind != Some(Kind::Encoding)));
                prop_assert!(keep.len() <= 18 && keep.last().is_some_and(|last| last.step == step));
                let (most, window) = budget(step);
                let recent = taken.iter().filter(|(when, of)| *of == step && now - when < window);
                prop_assert!(recent.count() <= most, "{step:?}: {taken:?}");
                if matches!(step, RestartAgent | Reboot) {
                    second += 5;
                    ladder = begun(at(second), may_reboot, keep);
                }
            }
        }
    }
}
