use super::*;

const MS: i64 = NS_PER_MS;

struct World {
    start: Instant,
    ms: u64,
    watch: Watch,
}

impl World {
    fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do, and there is no other way to one"
        )]
        let start = Instant::now();
        Self { start, ms: 0, watch: Watch::new(start, None, None) }
    }

    fn ready() -> Self {
        let mut world = Self::new();
        world.watch.ready(world.now(), 0);
        world
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    /// A source in real time whose frames come out `delay` later, at most `per_mille` as fast.
    fn run(&mut self, ms: u64, delay_ms: i64, per_mille: i64) -> Option<(u64, Verdict)> {
        let mut came_ms = i64::try_from(self.ms).unwrap() - delay_ms;
        for _ in 0..ms / 20 {
            self.ms += 20;
            self.give();
            came_ms += 20 * per_mille / 1000;
            if per_mille > 0 && came_ms >= 0 {
                self.watch.out(self.now(), Some(came_ms * MS));
            }
            match self.watch.check(self.now()) {
                Verdict::Well => {}
                other => return Some((self.ms, other)),
            }
        }
        None
    }

    fn give(&mut self) {
        let pts_ns = i64::try_from(self.ms).unwrap() * MS;
        self.watch.source(pts_ns);
        self.watch.given(pts_ns);
    }
}

#[test]
fn one_that_keeps_up_is_left_alone() {
    let mut world = World::ready();
    assert_eq!(world.run(60_000, 500, 1000), None);
    assert_eq!(world.run(60_000, 1_900, 1000), None);
}

#[test]
fn one_that_goes_silent_is_killed_after_three_seconds() {
    let mut world = World::ready();
    assert_eq!(world.run(5_000, 100, 1000), None);
    let (at, verdict) = world.run(10_000, 100, 0).unwrap();
    assert_eq!((at, verdict), (8_000, Verdict::Stalled("nothing comes out of it any more")));
}

#[test]
fn one_that_gets_nothing_owes_nothing() {
    let mut world = World::ready();
    assert_eq!(world.run(5_000, 100, 1000), None);
    world.ms += 60_000;
    assert_eq!(world.watch.check(world.now()), Verdict::Well);
}

#[test]
fn one_that_never_begins_is_killed_too() {
    let mut world = World::ready();
    let (at, verdict) = world.run(10_000, 0, 0).unwrap();
    assert_eq!((at, verdict), (3_020, Verdict::Stalled("nothing comes out of it")));
    let mut world = World::new();
    let (at, verdict) = world.run(20_000, 0, 0).unwrap();
    assert_eq!((at, verdict), (10_000, Verdict::Stalled("it did not start in time")));
}

#[test]
fn what_is_decoded_again_gets_its_time() {
    let mut world = World::new();
    world.watch.ready(world.now(), 4_000 * MS);
    let (at, _) = world.run(10_000, 0, 0).unwrap();
    assert_eq!(at, 5_000);
}

#[test]
fn one_that_takes_no_input_is_killed_after_two_seconds() {
    let mut world = World::ready();
    world.give();
    world.watch.out(world.now(), Some(0));
    world.watch.input(world.now(), true);
    world.ms += 1_900;
    world.watch.input(world.now(), true);
    assert_eq!(world.watch.check(world.now()), Verdict::Well);
    assert_eq!(world.watch.next_deadline(), Some(world.start + INPUT_LIMIT));
    world.watch.took();
    world.watch.input(world.now(), true);
    world.ms += 1_999;
    assert_eq!(world.watch.check(world.now()), Verdict::Well);
    world.ms += 1;
    assert_eq!(world.watch.check(world.now()), Verdict::Stalled("it does not take what it is given"));
}

#[test]
fn one_that_falls_behind_is_too_slow() {
    let mut world = World::ready();
    // A fifth too slow: 2 s behind after 10 s, and watched for 2 s more.
    let (at, verdict) = world.run(60_000, 0, 800).unwrap();
    let Verdict::TooSlow { lag_ms } = verdict else { panic!("{verdict:?}") };
    assert!((12_000..12_200).contains(&at), "{at}");
    assert!((2_400..2_500).contains(&lag_ms), "{lag_ms}");
}

#[test]
fn one_that_stays_behind_is_too_slow_and_one_that_catches_up_is_not() {
    let mut world = World::ready();
    world.ms = 10_000;
    let (at, verdict) = world.run(60_000, 4_000, 1000).unwrap();
    assert_eq!((at, verdict), (12_020, Verdict::TooSlow { lag_ms: 4_000 }));
    let mut world = World::ready();
    world.ms = 10_000;
    assert_eq!(world.run(30_000, 4_000, 1100), None);
}

#[test]
fn a_moment_of_slowness_is_forgiven() {
    let mut world = World::ready();
    assert_eq!(world.run(5_000, 0, 1000), None);
    assert_eq!(world.run(3_000, 0, 200), None);
    assert_eq!(world.run(3_000, 2_400, 1500), None);
    assert!(world.watch.behind.is_none());
}

#[test]
fn nobody_is_blamed_for_what_cannot_be_passed_on() {
    let mut world = World::ready();
    assert_eq!(world.run(5_000, 100, 1000), None);
    world.watch.hold_up(world.now(), true);
    assert_eq!(world.run(20_000, 0, 0), None);
    assert_eq!(world.watch.next_deadline(), None);
    world.watch.hold_up(world.now(), false);
    assert_eq!(world.run(2_900, 0, 0), None);
    assert!(world.run(200, 0, 0).is_some());
}

#[test]
fn deadlines_are_where_the_verdict_changes() {
    let mut world = World::ready();
    assert_eq!(world.run(5_000, 100, 1000), None);
    assert_eq!(world.watch.next_deadline(), None);
    assert_eq!(world.run(2_980, 100, 0), None);
    world.watch.source(8_000 * MS);
    world.watch.given(8_000 * MS);
    let deadline = world.watch.next_deadline().unwrap();
    assert_eq!(world.watch.check(deadline - Duration::from_millis(1)), Verdict::Well);
    assert_ne!(world.watch.check(deadline), Verdict::Well);
}
