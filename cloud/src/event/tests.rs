//! The events' handle against a real store.

use super::*;
use crate::app::Addresses;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::id::EventId;
use crate::secret::Vault;
use crate::store::Store;
use std::sync::Arc;

fn events(directory: &tempfile::TempDir) -> Events {
    let clock = Clock::manual(Timestamp::from_unix_ms(1_000));
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

    events.set_receiving(&event.id, Input::Main, true).await.unwrap();
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
    events.set_receiving(&event.id, Input::Main, true).await.unwrap();
    events.set_receiving(&event.id, Input::Backup, true).await.unwrap();
    for id in events.receiving().await.unwrap() {
        events.quiet(&id).await.unwrap();
    }
    assert!(!events.get(&event.id).await.unwrap().unwrap().is_receiving());
}
