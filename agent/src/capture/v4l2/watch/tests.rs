use proptest::prelude::*;

use super::super::timings::samples::progressive;
use super::*;

/// A chip that shows one reading until it is told another, and does what the watch says.
struct Bench {
    watch: Watch,
    now_ms: u64,
    reading: Reading,
    /// What becomes of the next calls; they work once these are used up.
    set: Vec<SetError>,
    is_broken: bool,
    done: Vec<Action>,
    streams: Option<Lock>,
    timings: Option<Timings>,
}

impl Bench {
    fn new(has_events: bool, reading: Reading) -> Self {
        Self {
            watch: Watch::new(0, has_events),
            now_ms: 0,
            reading,
            set: Vec::new(),
            is_broken: false,
            done: Vec::new(),
            streams: None,
            timings: None,
        }
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut actions = Vec::new();
            self.watch.handle(self.now_ms, input, &mut actions);
            for action in actions {
                self.done.push(action);
                match action {
                    Action::Look => inputs.push(Input::Read(self.reading)),
                    Action::Stop => self.streams = None,
                    Action::Set(timings) => {
                        assert_eq!(self.streams, None, "timings are set while nothing streams");
                        let refused = self.set.pop();
                        self.timings = refused.is_none().then_some(timings).or(self.timings);
                        inputs.push(Input::Set(refused.map_or(Ok(timings), Err)));
                    }
                    Action::Start(lock) => {
                        self.streams = (!self.is_broken).then_some(lock);
                        inputs.push(Input::Started(!self.is_broken));
                    }
                    Action::Replug => {
                        assert_eq!(self.streams, None, "nobody pulls the cable of a picture that runs");
                    }
                }
            }
        }
    }

    /// Lets time go by; what is told must always be true.
    fn run(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            self.now_ms = self.watch.due_ms().clamp(self.now_ms + 1, end_ms);
            self.input(Input::Due);
            self.check();
        }
    }

    fn check(&self) {
        if let State::Locked(lock) = self.told() {
            assert_eq!(self.streams, Some(lock), "locked and not streaming");
            if let Lock::Timings(timings) = lock {
                assert_eq!(self.timings, Some(timings), "locked with timings that were not set");
            }
        }
    }

    fn told(&self) -> State {
        self.watch.told(self.now_ms)
    }

    fn becomes(&mut self, reading: Reading, ms: u64) -> State {
        self.reading = reading;
        if self.watch.has_events {
            self.input(Input::SourceChanged);
        }
        self.run(ms);
        self.told()
    }

    fn taken(&mut self) -> Vec<Action> {
        let actions = std::mem::take(&mut self.done);
        actions.into_iter().filter(|action| *action != Action::Look).collect()
    }
}

fn hd(fps: u32) -> Timings {
    progressive(1280, 720, fps)
}

fn locked(timings: Timings) -> State {
    State::Locked(Lock::Timings(timings))
}

#[test]
fn a_signal_is_looked_at_twice_then_set_and_started() {
    let mut bench = Bench::new(true, Reading::Timings(hd(60)));
    bench.run(59);
    assert_eq!((bench.told(), bench.taken()), (State::NotLocked, vec![]));
    bench.run(2);
    assert_eq!(bench.told(), locked(hd(60)));
    assert_eq!(bench.taken(), [Action::Set(hd(60)), Action::Start(Lock::Timings(hd(60)))]);
    bench.run(10_000);
    assert_eq!(bench.taken(), [], "nothing happens while nothing changes");
}

#[test]
fn another_resolution_stops_sets_and_starts() {
    for has_events in [true, false] {
        let mut bench = Bench::new(has_events, Reading::Timings(hd(60)));
        bench.run(1_000);
        bench.taken();
        let full_hd = progressive(1920, 1080, 30);
        assert_eq!(bench.becomes(Reading::Timings(full_hd), 400), locked(full_hd), "{has_events}");
        let expected = [Action::Stop, Action::Set(full_hd), Action::Start(Lock::Timings(full_hd))];
        assert_eq!(bench.taken(), expected);
    }
}

#[test]
fn a_loss_is_told_within_250_ms_and_stops_capture() {
    for (reading, state) in [
        (Reading::NoCable, State::NoCable),
        (Reading::NoSignal, State::NoSignal),
        (Reading::NotLocked, State::NotLocked),
        (
            Reading::OutOfRange(Some(progressive(3840, 2160, 60))),
            State::OutOfRange(Some(progressive(3840, 2160, 60))),
        ),
        (Reading::Protected, State::Protected),
    ] {
        for has_events in [true, false] {
            let mut bench = Bench::new(has_events, Reading::Timings(hd(50)));
            // At any moment between two looks.
            for moment in [1, 70, 130, 199, 249] {
                bench.run(1_000 + moment);
                assert_eq!(bench.told(), locked(hd(50)));
                bench.taken();
                assert_eq!(bench.becomes(reading, 250), state, "{has_events}");
                bench.run(100);
                assert_eq!((bench.told(), bench.taken()), (state, vec![Action::Stop]));
                bench.run(2_000);
                assert_eq!(bench.becomes(Reading::Timings(hd(50)), 400), locked(hd(50)), "and back");
            }
        }
    }
}

#[test]
fn an_event_with_the_same_signal_starts_capture_anew() {
    // Chips stop their output when the signal goes for a moment, and start it with capture only.
    let mut bench = Bench::new(true, Reading::Timings(hd(60)));
    bench.run(1_000);
    bench.taken();
    assert_eq!(bench.becomes(Reading::Timings(hd(60)), 100), locked(hd(60)));
    assert_eq!(bench.taken(), [Action::Stop, Action::Set(hd(60)), Action::Start(Lock::Timings(hd(60)))]);
    // An event that the start itself has caused does not.
    assert_eq!(bench.becomes(Reading::Timings(hd(60)), 1_000), locked(hd(60)));
    assert_eq!(bench.taken(), []);
}

#[test]
fn a_contact_that_trembles_is_not_locked_until_it_rests() {
    let mut bench = Bench::new(true, Reading::Timings(hd(60)));
    bench.run(1_000);
    bench.taken();
    for tremble in 0..100 {
        let reading = if tremble % 2 == 0 { Reading::NotLocked } else { Reading::Timings(hd(60)) };
        bench.becomes(reading, 30);
        if tremble > 9 {
            assert_eq!(bench.told(), State::NotLocked);
        }
    }
    assert_eq!(bench.taken(), [], "nothing is switched meanwhile");
    bench.run(100);
    assert_eq!(bench.told(), locked(hd(60)));
}

#[test]
fn what_the_driver_refuses_is_out_of_range_or_tried_again() {
    let mut bench = Bench::new(true, Reading::Timings(hd(60)));
    bench.set = vec![SetError::Refused];
    bench.run(5_000);
    assert_eq!(bench.told(), State::OutOfRange(Some(hd(60))));
    assert_eq!(bench.taken().len(), 1, "asked once");
    assert_eq!(bench.becomes(Reading::Timings(hd(50)), 100), locked(hd(50)), "another may do");

    let mut bench = Bench::new(false, Reading::Timings(hd(60)));
    bench.set = vec![SetError::Later; 3];
    bench.run(800);
    assert_eq!(bench.told(), State::NotLocked);
    bench.run(800);
    assert_eq!(bench.told(), locked(hd(60)), "whoever was busy is not any more");
}

#[test]
fn capture_that_fails_is_started_again() {
    let mut bench = Bench::new(true, Reading::Free);
    bench.run(100);
    assert_eq!((bench.told(), bench.taken()), (State::Locked(Lock::Free), vec![Action::Start(Lock::Free)]));
    bench.is_broken = true;
    bench.input(Input::Failed);
    assert_eq!(bench.told(), State::NotLocked);
    bench.run(2_000);
    assert_eq!(bench.told(), State::NotLocked);
    bench.is_broken = false;
    bench.run(500);
    assert_eq!(bench.told(), State::Locked(Lock::Free));
}

#[test]
fn a_nudge_looks_and_changes_nothing_by_itself() {
    let mut bench = Bench::new(true, Reading::Timings(hd(60)));
    bench.run(500);
    bench.done.clear();
    bench.input(Input::Nudged);
    bench.run(1);
    assert_eq!(bench.done, [Action::Look]);
    bench.reading = Reading::NoCable;
    bench.input(Input::Nudged);
    bench.run(REST_MS);
    assert_eq!(bench.told(), State::NoCable);
}

#[test]
fn the_cable_is_pulled_on_order_with_and_without_a_picture() {
    let mut bench = Bench::new(true, Reading::NoSignal);
    bench.run(600_000);
    assert_eq!(bench.taken(), [], "never by itself");
    bench.input(Input::Replug);
    assert_eq!(bench.taken(), [Action::Replug]);
    bench.run(1_000);
    assert_eq!(bench.told(), State::NoSignal);
    assert_eq!(bench.becomes(Reading::Timings(hd(60)), 1_000), locked(hd(60)));
    bench.taken();
    bench.input(Input::Replug);
    assert_eq!(bench.taken(), [Action::Stop, Action::Replug]);
    bench.run(500);
    assert_eq!(bench.told(), locked(hd(60)));
}

#[test]
fn a_signal_that_changes_while_it_is_set_is_looked_at_again() {
    let mut watch = Watch::new(0, true);
    let mut out = Vec::new();
    let read = Input::Read(Reading::Timings(hd(60)));
    for (now_ms, input) in [(0, Input::Due), (0, read), (60, Input::Due), (60, read)] {
        watch.handle(now_ms, input, &mut out);
    }
    assert_eq!(out.last(), Some(&Action::Set(hd(60))));
    out.clear();
    for input in [Input::SourceChanged, Input::Set(Ok(hd(60)))] {
        watch.handle(61, input, &mut out);
    }
    assert!(out.is_empty() && watch.told(61) == State::NotLocked && watch.due_ms() == 61);
}

fn readings() -> impl Strategy<Value = Reading> {
    prop_oneof![
        Just(Reading::NoCable),
        Just(Reading::NoSignal),
        Just(Reading::NotLocked),
        Just(Reading::OutOfRange(None)),
        Just(Reading::OutOfRange(Some(progressive(3840, 2160, 60)))),
        Just(Reading::Protected),
        Just(Reading::Free),
        Just(Reading::Timings(hd(60))),
        Just(Reading::Timings(hd(50))),
        Just(Reading::Timings(progressive(1920, 1080, 30))),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Signal(Reading),
    Event,
    Nudge,
    Fail,
    Replug,
    Refuse(SetError),
    Break(bool),
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let step = prop_oneof![
        4 => readings().prop_map(Step::Signal),
        2 => Just(Step::Event),
        1 => Just(Step::Nudge),
        1 => Just(Step::Fail),
        1 => Just(Step::Replug),
        1 => prop_oneof![Just(SetError::Refused), Just(SetError::Later)].prop_map(Step::Refuse),
        1 => any::<bool>().prop_map(Step::Break),
    ];
    prop::collection::vec((step, 0_u64..400), 0..60)
}

proptest! {
    /// Whatever happens: never locked without its timings set and capture running, as `run` looks at each moment;
    /// and once it is quiet, the input is in what the chip shows.
    #[test]
    fn it_ends_in_the_last_stable_reading(
        has_events in any::<bool>(), first in readings(), steps in steps(), last in readings(),
    ) {
        let mut bench = Bench::new(has_events, first);
        for (step, ms) in steps {
            match step {
                Step::Signal(reading) => bench.reading = reading,
                Step::Event => bench.input(Input::SourceChanged),
                Step::Nudge => bench.input(Input::Nudged),
                Step::Fail => bench.input(Input::Failed),
                Step::Replug => bench.input(Input::Replug),
                Step::Refuse(error) => bench.set.push(error),
                Step::Break(is_broken) => bench.is_broken = is_broken,
            }
            bench.check();
            bench.run(ms);
        }
        (bench.is_broken, bench.reading) = (false, last);
        bench.set.clear();
        // The event that comes with the last change; without, a poll sees what is other.
        if has_events || bench.watch.state == State::OutOfRange(Some(hd(60))) {
            bench.run(CALM_MS);
            bench.input(Input::SourceChanged);
        }
        bench.run(2_000);
        let told = bench.told();
        match last {
            Reading::Timings(timings) => {
                // What was refused is not asked for again without an event.
                let was_refused = !has_events && told == State::OutOfRange(Some(timings));
                prop_assert!(told == locked(timings) || was_refused, "{told:?} for {timings:?}");
            }
            Reading::Free => prop_assert_eq!(told, State::Locked(Lock::Free)),
            other => prop_assert_eq!(told, without_picture(&other)),
        }
        prop_assert!(bench.streams.is_some() == matches!(told, State::Locked(_)));
    }
}
