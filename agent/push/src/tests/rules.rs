#![allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::progress::Progress;
use crate::state::{Action, Input, Output, State};
use crate::{OutputState, Patience, StreamKey, Target};

fn target(host: &str) -> Target {
    Target::parse(&format!("rtmp://{host}/live"), StreamKey::new("key")).unwrap()
}

/// An output and the time it lives in.
struct World {
    output: Output,
    start: Instant,
    now: Instant,
    random: u32,
}

impl World {
    fn new(patience: Patience) -> Self {
        let start = Instant::now();
        Self { output: Output::new(start, patience), start, now: start, random: 0 }
    }

    fn give(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.output.handle(self.now, self.random, input, &mut actions);
        actions
    }

    fn go_live(&mut self) {
        assert_eq!(self.give(Input::SetLive(true)), []);
        assert_eq!(self.give(Input::SetTarget(Some(target("a")))), [Action::Connect(target("a"))]);
    }

    fn fail(&mut self) {
        assert_eq!(self.give(Input::Failed("reason".to_owned())), []);
    }

    /// Goes to the next deadline.
    fn wait(&mut self) -> (Duration, Vec<Action>) {
        let deadline = self.output.next_deadline().unwrap();
        let waited = deadline - self.now;
        self.now = deadline;
        (waited, self.give(Input::Tick))
    }
}

#[test]
fn it_streams_only_when_live_and_with_a_target() {
    let mut world = World::new(Patience::EAGER);
    world.go_live();
    assert_eq!(world.give(Input::Reached), []);
    assert_eq!(world.give(Input::Accepted), []);
    assert_eq!(world.output.state(), &State::Live { since: world.start });
    assert_eq!(world.output.next_deadline(), None);
    assert_eq!(world.give(Input::SetLive(true)), []);
    assert_eq!(world.give(Input::SetTarget(Some(target("a")))), []);
    let moved = [Action::Disconnect, Action::Connect(target("b"))];
    assert_eq!(world.give(Input::SetTarget(Some(target("b")))), moved);
    assert_eq!(world.give(Input::SetLive(false)), [Action::Disconnect]);
    assert_eq!(world.output.state(), &State::Idle);
    assert_eq!(world.give(Input::SetLive(true)), [Action::Connect(target("b"))]);
    assert_eq!(world.give(Input::SetTarget(None)), [Action::Disconnect]);
}

#[test]
fn it_tries_again_as_quickly_after_an_hour_as_at_first() {
    let mut world = World::new(Patience::EAGER);
    world.go_live();
    let mut tries = 0;
    while world.now - world.start < Duration::from_secs(3600) {
        world.random = world.random.wrapping_add(0x3141_5926);
        world.fail();
        let (waited, actions) = world.wait();
        assert_eq!(actions, [Action::Connect(target("a"))]);
        assert!((250..=1500).contains(&waited.as_millis()), "{waited:?}");
        tries += 1;
    }
    assert!(tries > 3000, "{tries}");
    world.give(Input::Accepted);
    world.fail();
    world.wait();
    world.give(Input::Accepted);
    world.now += Duration::from_secs(11);
    world.random = 0;
    world.fail();
    assert_eq!(world.wait().0, Duration::from_millis(250));
    assert_eq!(world.output.reconnects(), 2);
}

#[test]
fn a_foreign_service_is_asked_more_and_more_rarely() {
    let mut world = World::new(Patience::POLITE);
    world.go_live();
    let waits = |world: &mut World, random| {
        world.random = random;
        world.fail();
        world.wait().0.as_millis()
    };
    let longest: Vec<_> = (0..9).map(|_| waits(&mut world, 0)).collect();
    assert_eq!(longest, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    assert_eq!(waits(&mut world, u32::MAX), 30_000, "many outputs do not come back in step");
    // A stream that breaks before it was steady ends no trouble.
    world.give(Input::Accepted);
    world.now += Duration::from_secs(29);
    assert_eq!(waits(&mut world, 0), 60_000);
    world.give(Input::Accepted);
    world.now += Duration::from_secs(30);
    assert_eq!(waits(&mut world, 0), 1000);
    assert_eq!(waits(&mut world, 0), 2000);
    // Whoever names another server, or goes live anew, does not pay for the old one.
    world.give(Input::SetTarget(Some(target("b"))));
    world.fail();
    assert_eq!(world.wait().0, Duration::from_secs(1));
}

#[test]
fn it_tells_since_when_it_sends_or_tries_to() {
    let mut world = World::new(Patience::EAGER);
    let shown = |world: &World| (world.output.shown(), (world.output.since() - world.start).as_secs());
    let later = |world: &mut World, input| {
        world.now += Duration::from_secs(1);
        world.give(input);
    };
    assert_eq!(shown(&world), (OutputState::Off, 0));
    later(&mut world, Input::SetTarget(Some(target("a"))));
    later(&mut world, Input::SetLive(true));
    assert_eq!(shown(&world), (OutputState::Connecting, 2));
    for _ in 0..3 {
        later(&mut world, Input::Failed("reason".to_owned()));
        assert_eq!(shown(&world), (OutputState::Waiting, 2), "it has tried since then");
        later(&mut world, Input::ReconnectNow);
        later(&mut world, Input::Reached);
        assert_eq!(shown(&world), (OutputState::Connecting, 2));
    }
    later(&mut world, Input::Accepted);
    assert_eq!(shown(&world), (OutputState::Sending, 12));
    later(&mut world, Input::Failed("reason".to_owned()));
    assert_eq!(shown(&world), (OutputState::Waiting, 13));
    later(&mut world, Input::SetLive(false));
    assert_eq!(shown(&world), (OutputState::Off, 14));
}

#[test]
fn attempts_have_time_limits() {
    let mut world = World::new(Patience::EAGER);
    world.go_live();
    assert_eq!(world.wait(), (Duration::from_secs(5), vec![Action::Disconnect]));
    assert!(world.output.error().unwrap().contains("cannot be reached"));
    world.wait();
    world.give(Input::Reached);
    assert_eq!(world.wait(), (Duration::from_secs(4), vec![Action::Disconnect]));
    assert!(world.output.error().unwrap().contains("did not take the stream"));
}

#[test]
fn a_person_need_not_wait() {
    let mut world = World::new(Patience::EAGER);
    assert_eq!(world.give(Input::ReconnectNow), []);
    world.go_live();
    assert_eq!(world.give(Input::ReconnectNow), []);
    world.fail();
    assert_eq!(world.output.error(), Some("reason"));
    assert_eq!(world.give(Input::ReconnectNow), [Action::Connect(target("a"))]);
}

proptest! {
    #[test]
    fn at_most_one_transmission_runs(inputs in prop::collection::vec(0..9_u8, 0..200)) {
        let mut world = World::new(Patience::EAGER);
        let mut running = false;
        for number in inputs {
            world.random = world.random.wrapping_mul(77).wrapping_add(u32::from(number));
            let input = match number {
                0 => Input::SetLive(true),
                1 => Input::SetLive(false),
                2 => Input::SetTarget(Some(target("a"))),
                3 => Input::SetTarget(Some(target("b"))),
                4 => Input::SetTarget(None),
                5 => Input::ReconnectNow,
                6 if running => Input::Accepted,
                7 if running => {
                    running = false;
                    Input::Failed("x".to_owned())
                }
                _ => {
                    world.now = world.output.next_deadline().unwrap_or(world.now);
                    Input::Tick
                }
            };
            for action in world.give(input) {
                match action {
                    Action::Connect(_) => prop_assert!(!std::mem::replace(&mut running, true)),
                    Action::Disconnect => prop_assert!(std::mem::replace(&mut running, false)),
                }
            }
            let shown = !matches!(world.output.state(), State::Idle | State::Waiting { .. });
            prop_assert_eq!(running, shown);
        }
    }
}

#[test]
fn a_server_hangs_when_it_acknowledges_or_takes_nothing() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut progress = Progress::new(start, 1000, Duration::from_secs(2));
    progress.sent(at(0), 50_000);
    // This one may be of those that never acknowledge.
    assert_eq!(progress.hung(at(1990), true), None);
    assert_eq!(progress.hung(at(9000), false), None, "nothing waits");
    assert!(progress.hung(at(2000), true).unwrap().contains("taken nothing for 2.0 s"));
    progress.acknowledged(Some(1000), 1000);
    progress.sent(at(100), 1000);
    assert_eq!((progress.unacknowledged_bytes(), progress.hung(at(9000), false)), (Some(1000), None));
    progress.sent(at(200), 1);
    progress.sent(at(900), 5000);
    assert_eq!(progress.hung(at(2199), false), None);
    // The same count again is no acknowledgement.
    progress.acknowledged(Some(1000), 1000);
    let words = progress.hung(at(2200), false).unwrap();
    assert!(words.contains("7 kB sent and nothing acknowledged for 2.0 s"), "{words}");
    // This one acknowledges in steps of its own choice.
    progress.acknowledged(Some(41_000), 40_000);
    progress.sent(at(3000), 40_000);
    assert_eq!(progress.hung(at(60_000), false), None);
    progress.sent(at(60_000), 1);
    assert_eq!(progress.hung(at(61_000), false), None);
    assert!(progress.hung(at(62_000), false).is_some());
    progress.acknowledged(Some(60_000), 40_000);
    assert_eq!(progress.hung(at(62_000), false), None);
}

#[test]
fn a_burst_that_is_acknowledged_at_once_makes_nobody_wait_longer() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut progress = Progress::new(start, 12_000, Duration::from_secs(2));
    // The two seconds since the last key frame, whose acknowledgements are read together.
    progress.sent(at(0), 780_000);
    progress.acknowledged(Some(780_000), 16_000);
    progress.sent(at(40), 16_001);
    assert_eq!(progress.hung(at(2039), false), None);
    assert!(progress.hung(at(2040), false).is_some());
}

proptest! {
    /// A server that takes what the line carries and says so, however slow the line is, does not hang.
    #[test]
    fn a_slow_line_is_no_server_that_hangs(
        bytes_per_s in 3_000_u64..10_000_000,
        delay_ms in 0_u64..900,
        buffered in 0_u64..200_000,
    ) {
        let start = Instant::now();
        let window = 4096;
        let mut progress = Progress::new(start, window, Patience::EAGER.hung_after);
        let (mut sent, mut acknowledged) = (0, 0);
        for ms in (0..20_000_u64).step_by(10) {
            let now = start + Duration::from_millis(ms);
            // The kernel has taken as much as fits, the line has carried some of it.
            let carried = bytes_per_s * ms / 1000;
            progress.sent(now, (carried + buffered - sent) as usize);
            sent = carried + buffered;
            let arrived = bytes_per_s * ms.saturating_sub(delay_ms) / 1000;
            if arrived - acknowledged >= u64::from(window) {
                let before = std::mem::replace(&mut acknowledged, arrived);
                progress.acknowledged(Some(arrived), arrived - before);
            }
            prop_assert_eq!(progress.hung(now, true), None, "after {} ms", ms);
        }
    }
}

#[test]
fn the_rate_is_that_of_the_last_seconds() {
    let start = Instant::now();
    let mut progress = Progress::new(start, 1000, Duration::from_secs(2));
    let mut kbps = 0;
    for tick in 0..20 {
        let now = start + Duration::from_millis(500 * tick);
        kbps = progress.kbps(now);
        progress.sent(now, if tick < 10 { 10_000 } else { 62_500 });
    }
    assert_eq!(kbps, 1000);
}
