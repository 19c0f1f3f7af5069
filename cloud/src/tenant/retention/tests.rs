//! A year of recordings in a moment.

use super::*;
use crate::id::{EventId, RecordingId};
use crate::recording::RecordingKind;
use crate::store::Account;
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn account(days: Option<u64>, since: Option<Timestamp>) -> AccountRecord {
    let mut account = AccountRecord::new(Account(2), "B", at(0));
    (account.limits.recording_days, account.recording_days_since) = (days, since);
    account
}

fn recording(number: u64, started_ms: i64, ended_ms: i64) -> Recording {
    Recording {
        id: RecordingId::from_random(u128::from(number).to_be_bytes()),
        account: Account(2),
        number,
        event_id: EventId::from_random([1; 16]),
        kind: RecordingKind::Recording,
        shown_from: None,
        started_at: at(started_ms),
        ended_at: Some(at(ended_ms)),
        from_segment: 0,
        to_segment: Some(1),
        duration_ms: Some(1),
        name: None,
        gaps: Vec::new(),
        removed_at: None,
        removal: None,
    }
}

#[test]
fn a_recording_goes_so_many_days_after_its_end_and_never_at_once() {
    let one = recording(1, 0, HOUR_MS);
    assert_eq!(deletes_at(&account(None, None), &one), None);
    assert_eq!(deletes_at(&account(Some(30), None), &one), Some(at(HOUR_MS + 30 * DAY_MS)));
    // The limit is set long after: a day is left.
    let since = at(100 * DAY_MS);
    assert_eq!(deletes_at(&account(Some(30), Some(since)), &one), Some(at(101 * DAY_MS)));
    let running = Recording { ended_at: None, ..one.clone() };
    assert_eq!(deletes_at(&account(Some(0), None), &running), None);
    assert_eq!(deletes_at(&account(Some(u64::MAX), None), &one), Some(at(i64::MAX)));
}

/// What the operator does in a year: at which hour to how many days.
fn changes() -> impl Strategy<Value = Vec<(i64, Option<u64>)>> {
    let days = prop_oneof![1 => Just(None), 4 => (0u64..60).prop_map(Some)];
    prop::collection::vec((0i64..365 * 24, days), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Each hour of a year: nothing goes before it was said, with a day's notice of a change, and nothing stays longer.
    #[test]
    fn a_year(changes in changes(), lengths in prop::collection::vec(1i64..30, 365)) {
        let mut owner = account(Some(30), None);
        let mut there: BTreeMap<u64, Recording> = BTreeMap::new();
        let mut told: BTreeMap<u64, (Timestamp, Timestamp)> = BTreeMap::new();
        for hour in 0..365 * 24 {
            let now = at(hour * HOUR_MS);
            for (_, days) in changes.iter().filter(|(when, _)| *when == hour) {
                let before = std::mem::replace(&mut owner.limits.recording_days, *days);
                owner.days_changed(before, now);
            }
            if hour % 24 == 0 {
                let (number, length) = ((hour / 24) as u64, lengths[(hour / 24) as usize]);
                let start = hour * HOUR_MS;
                there.insert(number, recording(number, start, start + length * HOUR_MS));
            }
            let ended = |one: &Recording| one.ended_at.is_some_and(|ended| ended <= now);
            let due: Vec<u64> = there.values()
                .filter(|one| ended(one) && deletes_at(&owner, one).is_some_and(|at| at <= now))
                .map(|one| one.number).collect();
            for number in due {
                let gone = there.remove(&number).unwrap();
                prop_assert!(horizon(&owner, now).is_some_and(|horizon| gone.started_at <= horizon));
                // Whoever looked an hour ago was told of it, unless it has only just ended.
                if let Some((said_at, said)) = told.get(&number) {
                    prop_assert!(*said <= now, "{number} was said at {said_at} to go at {said}, and went at {now}");
                }
            }
            for one in there.values().filter(|one| ended(one)) {
                match deletes_at(&owner, one) {
                    Some(at) => {
                        prop_assert!(at > now);
                        if let Some((_, before)) = told.insert(one.number, (now, at)) {
                            // What goes earlier than was said goes a day from the change at the soonest.
                            prop_assert!(at >= before || at.unix_ms() >= now.unix_ms() + 23 * HOUR_MS);
                        }
                    }
                    None => { told.remove(&one.number); }
                }
            }
        }
    }
}
