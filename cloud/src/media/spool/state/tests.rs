use super::*;

const PLENTY: u64 = u64::MAX / 2;
const AWAY: &str = "no connection";

fn path(name: &str) -> Path {
    Path::from(name)
}

fn start() -> Instant {
    crate::clock::Clock::manual(crate::clock::Timestamp::default()).instant()
}

/// Admits and writes one object of `bytes`.
fn put(ledger: &mut Ledger, now: Instant, name: &str, worth: Worth, bytes: u64) -> u64 {
    let admission = ledger.admit(&path(name), Order::Put(worth), bytes, PLENTY);
    let number = admission.verdict.unwrap();
    assert_eq!(ledger.written(now, number), None);
    number
}

/// Lets the store refuse what is due until it is called away.
fn go_away(ledger: &mut Ledger, now: Instant) -> Instant {
    let mut now = now;
    while ledger.is_here() {
        let Some(job) = next(ledger, now) else {
            now = ledger.next_deadline().unwrap();
            continue;
        };
        ledger.failed(now, job.number, AWAY.to_owned());
    }
    now
}

/// The next object to send.
fn next(ledger: &mut Ledger, now: Instant) -> Option<Job> {
    match ledger.next(now)? {
        Attempt::Send(job) => Some(job),
        Attempt::Probe => panic!("something waits, so that no probe is needed"),
    }
}

fn names(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| job.path.to_string()).collect()
}

#[test]
fn all_goes_in_order_a_few_at_once_and_nothing_remains() {
    let (mut ledger, now) = (Ledger::new(1000), start());
    for name in ["a", "b", "c", "d", "e"] {
        put(&mut ledger, now, name, Worth::Recorded, 10);
    }
    let jobs: Vec<Job> = std::iter::from_fn(|| next(&mut ledger, now)).collect();
    assert_eq!(names(&jobs), ["a", "b", "c", "d"]);
    assert_eq!(ledger.next_deadline(), None, "a place must become free first");
    for job in &jobs {
        assert_eq!(ledger.sent(now, job.number).as_ref(), Some(job));
    }
    let last = next(&mut ledger, now).unwrap();
    ledger.sent(now, last.number);
    assert_eq!((ledger.status().bytes, ledger.status().objects), (0, 0));
    assert_eq!(ledger.find(&path("a")), None);
}

#[test]
fn one_failure_is_no_absence_and_waits_grow_to_a_limit() {
    let (mut ledger, now) = (Ledger::new(1000), start());
    put(&mut ledger, now, "a", Worth::Recorded, 10);
    let job = next(&mut ledger, now).unwrap();
    ledger.failed(now, job.number, AWAY.to_owned());
    assert_eq!(ledger.status().away, None);
    assert_eq!(next(&mut ledger, now), None, "not at once again");
    let mut now = ledger.next_deadline().unwrap();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let job = next(&mut ledger, now).unwrap();
        assert_eq!(ledger.next_deadline(), None, "one attempt at a time");
        ledger.failed(now, job.number, AWAY.to_owned());
        assert_eq!(ledger.status().away.as_deref(), Some(AWAY));
        let next = ledger.next_deadline().unwrap();
        waits.push(next - now);
        now = next;
    }
    assert!(waits.is_sorted() && waits.last() == Some(&LONGEST_WAIT), "{waits:?}");
}

#[test]
fn when_the_store_is_back_everything_goes_at_once() {
    let (mut ledger, now) = (Ledger::new(1000), start());
    for name in ["a", "b", "c", "d", "e"] {
        put(&mut ledger, now, name, Worth::Recorded, 10);
    }
    let mut now = go_away(&mut ledger, now);
    // The ones on their way when it was noticed fail as well.
    while let Some(deadline) = ledger.next_deadline() {
        now = deadline;
        let job = next(&mut ledger, now).unwrap();
        if ledger.entries.values().all(|entry| entry.attempts > 0) {
            ledger.sent(now, job.number);
            break;
        }
        ledger.failed(now, job.number, AWAY.to_owned());
    }
    assert_eq!(ledger.status().away, None);
    assert_eq!(std::iter::from_fn(|| next(&mut ledger, now)).count(), 4, "without waiting any longer");
}

#[test]
fn one_object_that_the_store_will_not_have_holds_up_no_other() {
    let (mut ledger, mut now) = (Ledger::new(1000), start());
    put(&mut ledger, now, "poison", Worth::Recorded, 10);
    for name in ["a", "b", "c", "d", "e", "f"] {
        put(&mut ledger, now, name, Worth::Recorded, 10);
    }
    let mut sent = 0;
    for _ in 0..100 {
        match next(&mut ledger, now) {
            Some(job) if job.path == path("poison") => {
                ledger.failed(now, job.number, "entity too large".to_owned());
            }
            Some(job) => {
                ledger.sent(now, job.number);
                sent += 1;
            }
            None => now = ledger.next_deadline().unwrap(),
        }
    }
    assert_eq!((sent, ledger.status().objects), (6, 1));
    assert_eq!(ledger.status().away.as_deref(), Some("entity too large"));
}

#[test]
fn look_back_gives_way_oldest_first_and_recordings_never() {
    let (mut ledger, now) = (Ledger::new(100), start());
    put(&mut ledger, now, "r1", Worth::Recorded, 30);
    put(&mut ledger, now, "v1", Worth::LookBack, 20);
    assert_eq!(ledger.status().level, Level::Half);
    put(&mut ledger, now, "v2", Worth::LookBack, 20);
    put(&mut ledger, now, "r2", Worth::Recorded, 30);
    assert_eq!(ledger.status().level, Level::Full);

    let admission = ledger.admit(&path("v3"), Order::Put(Worth::LookBack), 20, PLENTY);
    assert_eq!(names(&admission.give_way), ["v1"]);
    assert_eq!(ledger.written(now, admission.verdict.unwrap()), None);
    let admission = ledger.admit(&path("r3"), Order::Put(Worth::Recorded), 100, PLENTY);
    assert_eq!(names(&admission.give_way), ["v2", "v3"]);
    assert_eq!(ledger.written(now, admission.verdict.unwrap()), None);
    assert_eq!((ledger.status().given_up, ledger.status().bytes), (3, 160));

    let admission = ledger.admit(&path("v4"), Order::Put(Worth::LookBack), 1, PLENTY);
    assert!(admission.verdict.unwrap_err().contains("look-back"));
    assert_eq!(ledger.status().refused, None, "no recording was refused");
    let admission = ledger.admit(&path("r4"), Order::Put(Worth::Recorded), 1, RESERVE_BYTES);
    assert!(admission.verdict.unwrap_err().contains("disk is full"));
    assert!(ledger.status().refused.is_some());
    assert_eq!(names(&ledger.waiting().filter(|job| job.path == path("r4")).collect::<Vec<_>>()), [""; 0]);
    put(&mut ledger, now, "r5", Worth::Recorded, 1);
    assert_eq!(ledger.status().refused, None, "there is room again");
}

#[test]
fn levels_do_not_flicker() {
    let (mut ledger, now) = (Ledger::new(100), start());
    for number in 0..10 {
        put(&mut ledger, now, &format!("r{number}"), Worth::Recorded, 10);
    }
    let mut levels = vec![ledger.status().level];
    while let Some(job) = next(&mut ledger, now) {
        ledger.sent(now, job.number);
        levels.push(ledger.status().level);
    }
    let [full, half, low] = [Level::Full, Level::Half, Level::Low];
    assert_eq!(levels, [full, full, half, half, half, half, half, low, low, low, low]);
}

#[test]
fn a_newer_object_of_the_same_path_replaces_the_older() {
    let (mut ledger, now) = (Ledger::new(1000), start());
    let old = put(&mut ledger, now, "a", Worth::Recorded, 10);
    let number = ledger.admit(&path("a"), Order::Put(Worth::Recorded), 20, PLENTY).verdict.unwrap();
    assert_eq!(ledger.find(&path("a")).unwrap().number, old, "until the new one is on disk");
    assert_eq!(ledger.written(now, number).unwrap().number, old);
    assert_eq!((ledger.find(&path("a")).unwrap().number, ledger.status().bytes), (number, 20));

    // One that is on its way is waited for, whether it gets there or not.
    for arrives in [true, false] {
        let on_its_way = next(&mut ledger, now).unwrap().number;
        let newer = ledger.admit(&path("a"), Order::Put(Worth::Recorded), 30, PLENTY).verdict.unwrap();
        assert_eq!(ledger.written(now, newer), None);
        assert_eq!(next(&mut ledger, now), None);
        let gone = if arrives {
            ledger.sent(now, on_its_way)
        } else {
            ledger.failed(now, on_its_way, AWAY.to_owned())
        };
        assert_eq!(gone.unwrap().number, on_its_way);
        assert_eq!(ledger.find(&path("a")).unwrap().number, newer);
    }
    assert_eq!((ledger.status().objects, ledger.status().bytes), (1, 30));
}

#[test]
fn what_the_store_never_heard_of_is_just_taken_back() {
    let (mut ledger, now) = (Ledger::new(1000), start());
    let number = put(&mut ledger, now, "a", Worth::LookBack, 10);
    assert_eq!(ledger.take_back(&path("a")).unwrap().number, number);
    put(&mut ledger, now, "b", Worth::LookBack, 10);
    let job = next(&mut ledger, now).unwrap();
    ledger.failed(now, job.number, AWAY.to_owned());
    assert_eq!(ledger.take_back(&path("b")), None, "it may have arrived all the same");
    let number = ledger.admit(&path("b"), Order::Delete, 0, 0).verdict.unwrap();
    assert_eq!(ledger.written(now, number), Some(job));
    assert_eq!(ledger.find(&path("b")).unwrap().order, Order::Delete);
}

#[test]
fn what_lay_on_disk_goes_on_and_outdated_files_are_named() {
    let (mut ledger, now) = (Ledger::new(1000), start());
    let job =
        |number, name: &str| Job { number, path: path(name), order: Order::Put(Worth::Recorded), bytes: 10 };
    assert_eq!(ledger.restore(now, job(3, "a")), None);
    assert_eq!(ledger.restore(now, job(4, "b")), None);
    assert_eq!(ledger.restore(now, job(7, "a")), Some(job(3, "a")));
    assert_eq!((ledger.status().bytes, ledger.status().objects), (20, 2));
    assert_eq!(put(&mut ledger, now, "c", Worth::Recorded, 1), 8, "numbers go on");
    assert_eq!(next(&mut ledger, now).unwrap().number, 4);
}

#[test]
fn a_store_that_is_away_while_nothing_waits_is_looked_after() {
    let (mut ledger, now) = (Ledger::new(1000), start());
    assert_eq!((ledger.next(now), ledger.next_deadline()), (None, None));
    for _ in 0..FAILURES {
        ledger.unreachable(now, AWAY.to_owned());
    }
    let later = ledger.next_deadline().unwrap();
    assert_eq!(ledger.next(later), Some(Attempt::Probe));
    assert_eq!((ledger.next(later), ledger.next_deadline()), (None, None), "one probe at a time");
    ledger.unreachable(later, AWAY.to_owned());
    let later = ledger.next_deadline().unwrap();
    assert_eq!(ledger.next(later), Some(Attempt::Probe));
    ledger.reached(later);
    assert!(ledger.is_here());
    assert_eq!((ledger.next(later), ledger.next_deadline()), (None, None));
}
