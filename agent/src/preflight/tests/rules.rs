#![allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use stagebox_protocol::Preflight;
use stagebox_protocol::preflight::{PreflightState, PreflightVerdict};

use super::super::Finding;
use super::super::state::{Action, Check, Input, Now, Test};

const UPLOAD: Duration = Duration::from_secs(10);

/// A test, what it wants, and a clock that stands until it is moved.
struct Bench {
    test: Test,
    start: Instant,
    ms: u64,
}

impl Bench {
    fn new() -> Self {
        Self { test: Test::new(), start: Instant::now(), ms: 0 }
    }

    fn now(&self) -> Now {
        let unix_ms = 1_000_000 + i64::try_from(self.ms).unwrap();
        Now { instant: self.start + Duration::from_millis(self.ms), unix_ms }
    }

    fn handle(&mut self, input: Input) -> Vec<Action> {
        let mut out = Vec::new();
        self.test.handle(self.now(), input, &mut out);
        out
    }

    fn start(&mut self, run: u64) -> Vec<Action> {
        self.handle(Input::Start { run, checks: Check::ALL.to_vec(), upload: UPLOAD })
    }

    fn found(&mut self, check: Check, finding: Finding) -> Vec<Action> {
        self.handle(Input::Found { run: 1, check, finding })
    }

    fn view(&self) -> Preflight {
        self.test.view(self.now().instant).unwrap().1
    }

    fn verdicts(&self) -> Vec<PreflightVerdict> {
        self.view().checks.iter().map(|check| check.verdict).collect()
    }
}

fn begin(check: Check) -> Action {
    Action::Begin { run: 1, check, upload: UPLOAD }
}

#[test]
fn everything_has_its_turn_and_the_worst_decides() {
    type Edit = fn(Check) -> Finding;
    let table: [(Edit, PreflightState, Option<&str>); 4] = [
        (|_| Finding::pass("well"), PreflightState::Passed, None),
        (|_| Finding::skipped("not there"), PreflightState::Passed, None),
        (
            |check| {
                if check == Check::Clock { Finding::warn("late", "set it") } else { Finding::pass("well") }
            },
            PreflightState::Warned,
            Some("clock"),
        ),
        (
            |check| match check {
                Check::Sound => Finding::warn("nothing", "listen"),
                Check::Disk => Finding::fail("slow", "another one"),
                _ => Finding::pass("well"),
            },
            PreflightState::Failed,
            Some("disk"),
        ),
    ];
    for (finding, state, blamed) in table {
        let mut bench = Bench::new();
        let mut actions = bench.start(1);
        for (at, check) in Check::ALL.into_iter().enumerate() {
            assert_eq!(actions, [begin(check)]);
            let view = bench.view();
            assert_eq!((view.state, view.finished_at), (PreflightState::Running, None));
            assert_eq!(view.checks[at].verdict, PreflightVerdict::Running);
            assert!(view.checks[at + 1..].iter().all(|check| check.verdict == PreflightVerdict::Waiting));
            bench.ms += 100;
            actions = bench.found(check, finding(check));
        }
        assert_eq!(actions, []);
        let view = bench.view();
        assert_eq!((view.state, view.percent), (state, 100));
        assert_eq!(view.worst().map(|check| check.name.as_str()), blamed);
        assert_eq!(view.finished_at.unwrap().ms_since(view.started_at), 1_100);
        assert_eq!(bench.test.next_deadline(), None);
    }
}

#[test]
fn what_takes_too_long_has_failed_and_the_next_has_its_turn() {
    let mut bench = Bench::new();
    bench.start(1);
    bench.ms = 4_999;
    assert_eq!(bench.handle(Input::Tick), []);
    bench.ms = 5_000;
    assert_eq!(bench.handle(Input::Tick), [Action::Abort, begin(Check::Sound)]);
    assert_eq!(bench.view().checks[0].verdict, PreflightVerdict::Fail);
    // What comes after all is not waited for any more.
    assert_eq!(bench.found(Check::Source, Finding::pass("well")), []);
    assert_eq!(bench.verdicts()[..2], [PreflightVerdict::Fail, PreflightVerdict::Running]);
    for check in [Check::Sound, Check::Encoder, Check::Room] {
        bench.found(check, Finding::pass("well"));
    }
    bench.ms += 10_000;
    assert_eq!(bench.handle(Input::Tick), [Action::Abort, begin(Check::Clock)]);
    let disk = &bench.view().checks[4];
    assert!(disk.said.contains("the disk has not answered for 10 s"), "{disk:?}");
    assert!(disk.fix.is_some());
}

#[test]
fn one_at_a_time_and_a_cancelled_one_says_why() {
    let mut bench = Bench::new();
    assert!(bench.test.view(bench.now().instant).is_none());
    assert_eq!(bench.handle(Input::Cancel { reason: "nothing to cancel" }), []);
    bench.start(1);
    assert_eq!(bench.start(2), [], "another one runs");
    bench.found(Check::Source, Finding::pass("well"));
    bench.ms = 700;
    assert_eq!(bench.handle(Input::Cancel { reason: "the box went live" }), [Action::Abort]);
    let view = bench.view();
    assert_eq!(view.state, PreflightState::Cancelled);
    assert!(view.percent < 100 && view.finished_at.is_some());
    assert_eq!(view.checks[1].said, "the box went live");
    let mut expected = vec![PreflightVerdict::Skipped; Check::ALL.len()];
    expected[0] = PreflightVerdict::Pass;
    assert_eq!(bench.verdicts(), expected);
    assert_eq!(bench.found(Check::Sound, Finding::pass("well")), []);
    // Another one begins anew.
    assert_eq!(bench.start(2), [Action::Begin { run: 2, check: Check::Source, upload: UPLOAD }]);
    assert_eq!(bench.test.view(bench.now().instant).unwrap().0, 2);
    // An old finding is none of this one's.
    assert_eq!(bench.found(Check::Source, Finding::pass("well")), []);
}

#[derive(Debug, Clone)]
enum Step {
    Start,
    Found(usize, PreflightVerdict),
    Cancel,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        Just(PreflightVerdict::Pass),
        Just(PreflightVerdict::Warn),
        Just(PreflightVerdict::Fail),
        Just(PreflightVerdict::Skipped),
    ];
    prop_oneof![
        1 => Just(Step::Start),
        8 => (0..Check::ALL.len(), verdict).prop_map(|(at, verdict)| Step::Found(at, verdict)),
        1 => Just(Step::Cancel),
        3 => (0_u64..12_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever is found whenever: each thing is begun once and in order, progress never falls, and it ends.
    #[test]
    fn a_test_goes_through_its_checks_once(steps in prop::collection::vec(steps(), 0..80)) {
        let mut bench = Bench::new();
        let mut begun = Vec::new();
        let mut run = 0;
        let mut percent = 0;
        let end = std::iter::repeat_n(Step::Wait(45_000), Check::ALL.len());
        for step in std::iter::once(Step::Start).chain(steps).chain(end) {
            let was_running = bench.test.is_running();
            let out = match step {
                Step::Start => {
                    run += 1;
                    bench.handle(Input::Start { run, checks: Check::ALL.to_vec(), upload: UPLOAD })
                }
                Step::Found(at, verdict) => {
                    let finding = Finding { verdict, ..Finding::fail("said", "fix") };
                    let run = bench.test.view(bench.now().instant).map_or(0, |(run, _)| run);
                    bench.handle(Input::Found { run, check: Check::ALL[at], finding })
                }
                Step::Cancel => bench.handle(Input::Cancel { reason: "cancelled" }),
                Step::Wait(ms) => {
                    bench.ms += ms;
                    bench.handle(Input::Tick)
                }
            };
            if !was_running {
                begun.clear();
                percent = 0;
            }
            for action in out {
                if let Action::Begin { check, .. } = action {
                    prop_assert_eq!(check, Check::ALL[begun.len()]);
                    begun.push(check);
                }
            }
            let view = bench.view();
            prop_assert!(view.percent >= percent && view.percent <= 100);
            percent = view.percent;
            let running = view.checks.iter().filter(|check| check.verdict == PreflightVerdict::Running).count();
            prop_assert_eq!(running, usize::from(bench.test.is_running()));
            prop_assert_eq!(view.state == PreflightState::Running, bench.test.is_running());
            prop_assert_eq!(view.finished_at.is_none(), bench.test.is_running());
            prop_assert_eq!(bench.test.next_deadline().is_some(), bench.test.is_running());
            if view.state == PreflightState::Passed {
                prop_assert!(view.worst().is_none());
            }
            let blamed = view.worst().map(|check| check.verdict);
            prop_assert!(view.state != PreflightState::Failed || blamed == Some(PreflightVerdict::Fail));
            prop_assert!(view.state != PreflightState::Warned || blamed == Some(PreflightVerdict::Warn));
        }
        prop_assert!(!bench.test.is_running());
    }
}
