//! The events' handle against a real store.

use super::*;
use crate::app::Addresses;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::id::EventId;
use crate::secret::Vault;
use crate::store::Store;
use std::sync::Arc;
use std::time::Duration;

fn events(directory: &tempfile::TempDir) -> Events {
    events_at(directory, Clock::manual(Timestamp::from_unix_ms(1_000)))
}

fn events_at(directory: &tempfile::TempDir, clock: Clock) -> Events {
    let store = Store::open_sled(directory.path(), clock).unwrap();
    Events::new(store, Vault::from_key(&[1; 32]), Arc::new(Config::default()), Arc::new(Addresses::default()))
}

fn new(title: &str) -> NewEvent {
    NewEvent { account: crate::store::Account::FIRST, title: title.to_owned(), device_id: None }
}

#[tokio::test]
async fn keys_find_their_event_and_input() {
    let directory = tempfile::tempdir().unwrap();
    let events = events(&directory);
    let first = events.create(new("a"), None).await.unwrap();
    let second = events.create(new("b"), None).await.unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    for event in [&first, &second] {
        for input in Input::ALL {
            let key = event.input(input).key.reveal();
            assert_eq!(events.input_for_key(key).await.unwrap(), Some((event.id, input)));
        }
    }
    for wrong in ["", "x", &"0".repeat(40), &"k".repeat(1000), "a b"] {
        assert_eq!(events.input_for_key(wrong).await.unwrap(), None);
    }
}

#[tokio::test]
async fn watchers_see_each_change_and_a_broadcast_never_changes_the_status() {
    let directory = tempfile::tempdir().unwrap();
    let events = events(&directory);
    let event = events.create(new("a"), None).await.unwrap();
    let mut watch = events.watch(&event.id).await.unwrap().unwrap();
    assert_eq!(watch.borrow_and_update().status, EventStatus::Waiting);

    events.set_receiving(&event.id, Input::Main, Some(Source::default())).await.unwrap();
    assert!(watch.has_changed().unwrap());
    let seen = watch.borrow_and_update().clone();
    assert_eq!((seen.status, seen.inputs.main.receiving), (EventStatus::Waiting, true));
    assert_eq!(seen.version, event.version, "a broadcast must not disturb a user's edit");

    events.set_status(&event.id, EventStatus::Started, None, None).await.unwrap();
    assert_eq!(watch.borrow_and_update().status, EventStatus::Started);
    assert!(events.watch(&EventId::random()).await.unwrap().is_none());
}

#[tokio::test]
async fn broadcasts_of_an_earlier_run_are_quieted() {
    let directory = tempfile::tempdir().unwrap();
    let events = events(&directory);
    let event = events.create(new("a"), None).await.unwrap();
    events.set_receiving(&event.id, Input::Main, Some(Source::default())).await.unwrap();
    events.set_receiving(&event.id, Input::Backup, Some(Source::default())).await.unwrap();
    for id in events.receiving().await.unwrap() {
        events.quiet(&id).await.unwrap();
    }
    assert!(!events.get(&event.id).await.unwrap().unwrap().is_receiving());
}

fn in_five_minutes() -> Duration {
    Duration::from_secs(300)
}

#[tokio::test]
async fn a_replaced_key_works_for_its_overlap_and_one_without_is_dead_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_unix_ms(1_000));
    let events = events_at(&directory, clock.clone());
    let event = events.create(new("a"), None).await.unwrap();
    let first = event.inputs.main.key.reveal().to_owned();
    let found = Some((event.id, Input::Main));

    let changed = events.renew_key(&event.id, Input::Main, in_five_minutes(), None, None).await.unwrap();
    let second = changed.inputs.main.key.reveal().to_owned();
    assert_ne!(first, second);
    assert_eq!(changed.inputs.backup.key, event.inputs.backup.key);
    assert_eq!(changed.inputs.main.works_until(&second), Works::ForGood);
    let until = clock.now().plus(in_five_minutes());
    assert_eq!(changed.inputs.main.works_until(&first), Works::Until(until));
    assert_eq!(events.input_for_key(&first).await.unwrap(), found);
    assert_eq!(events.input_for_key(&second).await.unwrap(), found);

    let third = events.renew_key(&event.id, Input::Main, in_five_minutes() / 2, None, None).await.unwrap();
    assert_eq!(third.inputs.main.works_until(&first), Works::Until(until), "each for as long as was said");
    assert_eq!(third.inputs.main.works_until(&second), Works::Until(clock.now().plus(in_five_minutes() / 2)));
    let second = third.inputs.main.key.reveal().to_owned();

    clock.advance(in_five_minutes());
    assert_eq!(events.input_for_key(&first).await.unwrap(), None);
    assert_eq!(events.input_for_key(&second).await.unwrap(), found);

    events.renew_key(&event.id, Input::Main, in_five_minutes(), None, None).await.unwrap();
    let last = events.renew_key(&event.id, Input::Main, Duration::ZERO, None, None).await.unwrap();
    assert_eq!(events.input_for_key(&second).await.unwrap(), None, "older ones die with it");
    assert_eq!(last.inputs.main.works_until(&second), Works::No);
    assert_eq!(events.input_for_key(last.inputs.main.key.reveal()).await.unwrap(), found);
}

#[tokio::test]
async fn schedules_start_and_end_events_and_nothing_lasts_longer_than_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_unix_ms(1_000));
    let events = events_at(&directory, clock.clone());
    let made = |starts: u64, ends: u64| {
        let (events, now) = (events.clone(), clock.now());
        async move {
            let change = |event: &mut Event| {
                event.details.automatic = true;
                event.details.starts_at = Some(now.plus(Duration::from_secs(starts)));
                event.details.ends_at = Some(now.plus(Duration::from_secs(ends)));
                Ok(())
            };
            events.create_with(new("scheduled"), change, None).await.unwrap().id
        }
    };
    let status = |id: EventId| {
        let events = events.clone();
        async move { events.get(&id).await.unwrap().unwrap().status }
    };
    let mut schedules = schedule::Schedules::new(events.clone());
    let (early, late) = (made(60, 120).await, made(90, 300_000).await);
    let by_hand = events.create(new("by hand"), None).await.unwrap().id;
    events.set_status(&by_hand, EventStatus::Started, None, None).await.unwrap();

    schedules.look().await.unwrap();
    assert_eq!(status(early).await, EventStatus::Waiting);
    clock.advance(Duration::from_secs(60));
    schedules.look().await.unwrap();
    assert_eq!((status(early).await, status(late).await), (EventStatus::Started, EventStatus::Waiting));
    events.set_status(&early, EventStatus::Paused, None, None).await.unwrap();
    clock.advance(Duration::from_secs(60));
    schedules.look().await.unwrap();
    assert_eq!((status(early).await, status(late).await), (EventStatus::Ended, EventStatus::Started));
    clock.advance(Duration::from_secs(86_340));
    schedules.look().await.unwrap();
    assert_eq!((status(by_hand).await, status(late).await), (EventStatus::Ended, EventStatus::Started));
    clock.advance(Duration::from_secs(60));
    schedules.look().await.unwrap();
    assert_eq!(status(late).await, EventStatus::Ended, "its end was planned for later than a day after");
}

#[tokio::test]
async fn a_copy_has_what_was_decided_but_no_day_and_no_keys() {
    let directory = tempfile::tempdir().unwrap();
    let events = events(&directory);
    let change = |event: &mut Event| {
        event.details.record = Record::Dvr;
        event.details.resolutions = Some(vec![720]);
        event.details.service_message = "Sound is back soon".into();
        event.details.starts_at = Some(Timestamp::from_unix_ms(9_000));
        event.details.countdown = true;
        Ok(())
    };
    let first = events.create_with(new("Gala"), change, None).await.unwrap();
    let document = events.store().get::<Event>(&first.id).await.unwrap().unwrap().document;
    let copy = events.duplicate(&document, None, None).await.unwrap();
    assert_eq!((copy.title.as_str(), copy.status), ("Gala", EventStatus::Waiting));
    assert_eq!(copy.details.record, Record::Dvr);
    assert_eq!(copy.details.resolutions, Some(vec![720]));
    assert_eq!((copy.details.starts_at, copy.details.countdown), (None, false));
    assert_eq!(copy.details.service_message, "");
    assert_ne!(copy.inputs.main.key, first.inputs.main.key);
}
