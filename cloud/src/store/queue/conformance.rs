//! What queues must do on every engine; each engine's tests run all of it, with a clock that stands still.

use super::{After, EntryState, Lease, NewEntry, Priority, Pushed, Queue, QueueEntry, QueueError, Settle};
use crate::store::conformance::{Note, Thing};
use crate::store::{Store, StoreError};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(10);

/// Runs every check, each against an empty store.
pub(in crate::store) async fn run<F, Fut>(open: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Store>,
{
    entries_come_by_priority_then_time(&open().await).await;
    a_key_is_pushed_once(&open().await).await;
    a_push_is_part_of_its_batch(&open().await).await;
    a_lease_that_ran_out_is_taken_up_and_its_token_is_refused(&open().await).await;
    effects_happen_with_the_completion_or_not_at_all(&open().await).await;
    what_fails_waits_and_rests_in_the_end(&open().await).await;
    whoever_never_comes_to_an_end_is_counted(&open().await).await;
    what_is_given_or_taken_back_is_due_at_once(&open().await).await;
    many_are_completed_together(&open().await).await;
    a_crowd_loses_nothing_and_does_nothing_twice(&open().await, 400).await;
    names_and_payloads_have_limits(&open().await).await;
}

fn queue(store: &Store) -> Queue {
    Queue::new(store.clone(), "tests").unwrap()
}

fn of(number: u64) -> NewEntry {
    NewEntry { payload: json!({ "number": number }), ..NewEntry::default() }
}

async fn numbers(queue: &Queue, want: usize) -> Vec<u64> {
    let leases = queue.lease("worker", want, LEASE, 0).await.unwrap();
    leases.iter().map(|lease| lease.payload["number"].as_u64().unwrap()).collect()
}

async fn one(queue: &Queue, holder: &str) -> Lease {
    let mut leases = queue.lease(holder, 1, LEASE, 0).await.unwrap();
    leases.pop().expect("an entry is due")
}

async fn entry(queue: &Queue, id: &str) -> QueueEntry {
    queue.get(id).await.unwrap().expect("the entry is there").document
}

async fn entries_come_by_priority_then_time(store: &Store) {
    let queue = queue(store);
    let late = Duration::from_secs(5);
    queue.push(NewEntry { delay: late, priority: Priority::High, ..of(1) }).await.unwrap();
    queue.push(NewEntry { priority: Priority::Low, ..of(2) }).await.unwrap();
    queue.push(of(3)).await.unwrap();
    store.clock.advance(Duration::from_millis(1));
    queue.push(of(4)).await.unwrap();
    Queue::new(store.clone(), "another").unwrap().push(of(5)).await.unwrap();
    assert_eq!(numbers(&queue, 2).await, [3, 4]);
    assert_eq!(numbers(&queue, 10).await, [2]);
    assert!(numbers(&queue, 10).await.is_empty());
    store.clock.advance(late);
    assert_eq!(numbers(&queue, 10).await, [1]);
    let (batch, _) = queue.push_in(store.batch(), of(6)).unwrap();
    assert_eq!(store.commit(batch).await.unwrap().last_seq, None, "queues are not journalled");
}

async fn a_key_is_pushed_once(store: &Store) {
    let queue = queue(store);
    let keyed = || NewEntry { key: Some("k".repeat(300)), ..of(1) };
    let Pushed::New(id) = queue.push(keyed()).await.unwrap() else { panic!("the first push") };
    assert_eq!(queue.push(keyed()).await.unwrap(), Pushed::Already(id.clone()));
    let lease = one(&queue, "a").await;
    assert_eq!(queue.push(keyed()).await.unwrap(), Pushed::Already(id.clone()));
    queue.settle(&lease, &Settle::Complete, |batch, _| batch).await.unwrap();
    assert_eq!(queue.push(keyed()).await.unwrap(), Pushed::Already(id.clone()), "done is not pushed anew");
    assert!(numbers(&queue, 10).await.is_empty());
    assert_eq!(entry(&queue, &id).await.payload, json!(null));
    store.clock.advance(Duration::from_secs(59));
    assert_eq!(queue.sweep(Duration::from_secs(60)).await.unwrap(), 0);
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(queue.sweep(Duration::from_secs(60)).await.unwrap(), 1);
    assert!(matches!(queue.push(keyed()).await.unwrap(), Pushed::New(new) if new != id));
    let other = Queue::new(store.clone(), "another").unwrap();
    assert!(matches!(other.push(keyed()).await.unwrap(), Pushed::New(_)), "keys are a queue's own");
}

async fn a_push_is_part_of_its_batch(store: &Store) {
    let queue = queue(store);
    let thing = Thing::new("a", "x", 1);
    let (batch, id) = queue.push_in(store.batch().create(&thing), of(1)).unwrap();
    store.commit(batch).await.unwrap();
    assert!(queue.get(&id).await.unwrap().is_some());
    let (batch, id) = queue.push_in(store.batch().create(&thing), of(2)).unwrap();
    assert!(matches!(store.commit(batch).await, Err(StoreError::Conflict { kind: "thing", .. })));
    assert!(queue.get(&id).await.unwrap().is_none());
    assert_eq!(numbers(&queue, 10).await, [1]);
}

async fn a_lease_that_ran_out_is_taken_up_and_its_token_is_refused(store: &Store) {
    let queue = queue(store);
    queue.push(of(1)).await.unwrap();
    let first = one(&queue, "a").await;
    store.clock.advance(LEASE - Duration::from_millis(1));
    assert!(numbers(&queue, 1).await.is_empty());
    let until = queue.heartbeat(&first, LEASE).await.unwrap();
    assert!(until > first.until);
    store.clock.advance(LEASE);
    // Nobody else has it: it is still the newest lease.
    queue.heartbeat(&first, LEASE).await.unwrap();
    store.clock.advance(LEASE);
    let second = one(&queue, "b").await;
    assert_eq!((second.id.as_str(), second.attempts), (first.id.as_str(), 2));
    assert!(second.fence > first.fence);
    for how in [
        Settle::Extend(LEASE),
        Settle::Complete,
        Settle::GiveBack,
        Settle::GiveUp { error: "x".to_owned() },
        Settle::Fail { error: "x".to_owned(), wait: LEASE },
    ] {
        let refused = queue.settle(&first, &how, |batch, _| batch).await.unwrap_err();
        assert!(matches!(refused, QueueError::Stale { .. }), "{how:?}: {refused}");
        assert!(refused.to_string().contains("somebody else has taken it up"), "{refused}");
    }
    assert_eq!(queue.complete_all(&[first, second.clone()]).await.unwrap().len(), 1);
    assert!(queue.get(&second.id).await.unwrap().is_none());
}

async fn effects_happen_with_the_completion_or_not_at_all(store: &Store) {
    let queue = queue(store);
    queue.push(of(1)).await.unwrap();
    let first = one(&queue, "a").await;
    let taken = store.create(Thing::new("taken", "taken", 1)).await.unwrap();
    let conflict =
        queue.settle(&first, &Settle::Complete, |batch, _| batch.create(&taken.document)).await.unwrap_err();
    assert!(matches!(conflict, QueueError::Store(StoreError::Conflict { kind: "thing", .. })));
    queue.heartbeat(&first, LEASE).await.unwrap();
    store.clock.advance(LEASE * 2);
    let second = one(&queue, "b").await;
    let made = |name: &'static str| Thing::new(name, name, 1);
    let stale = queue.settle(&first, &Settle::Complete, |batch, _| batch.create(&made("first"))).await;
    assert!(matches!(stale, Err(QueueError::Stale { .. })));
    assert!(store.get::<Thing>("first").await.unwrap().is_none());
    let after = queue.settle(&second, &Settle::Complete, |batch, after| {
        assert_eq!(*after, After::Gone);
        batch.create(&made("second"))
    });
    assert_eq!(after.await.unwrap(), After::Gone);
    assert!(store.get::<Thing>("second").await.unwrap().is_some());
    let again = queue.settle(&second, &Settle::Complete, |batch, _| batch.create(&made("third"))).await;
    assert!(matches!(again, Err(QueueError::Stale { .. })));
}

async fn what_fails_waits_and_rests_in_the_end(store: &Store) {
    let queue = queue(store);
    queue.push(NewEntry { max_attempts: Some(2), ..of(1) }).await.unwrap();
    let wait = Duration::from_secs(3);
    let fail = |error: &str| Settle::Fail { error: error.to_owned(), wait };
    let lease = one(&queue, "a").await;
    queue.settle(&lease, &fail("first"), |batch, _| batch).await.unwrap();
    assert!(numbers(&queue, 1).await.is_empty());
    store.clock.advance(wait);
    let lease = one(&queue, "a").await;
    assert_eq!(lease.attempts, 2);
    queue.settle(&lease, &fail(&"long ".repeat(1000)), |batch, _| batch).await.unwrap();
    store.clock.advance(wait);
    assert!(numbers(&queue, 1).await.is_empty());
    let dead = queue.dead(None, 10).await.unwrap().items;
    let EntryState::Dead { error, .. } = &dead[0].document.state else { panic!("{dead:?}") };
    assert!(dead.len() == 1 && error.len() < 1000);

    let not_dead = queue.put_back("nothing", |batch| batch).await.unwrap_err();
    assert!(matches!(not_dead, QueueError::NotDead { .. }));
    queue.put_back(&lease.id, |batch| batch.put(&note("again"))).await.unwrap();
    assert!(store.get::<Note>("n").await.unwrap().is_some());
    assert!(queue.dead(None, 10).await.unwrap().items.is_empty());
    let lease = one(&queue, "a").await;
    assert_eq!((lease.attempts, lease.fence), (1, 3));
    let hopeless = Settle::GiveUp { error: "no".to_owned() };
    queue.settle(&lease, &hopeless, |batch, _| batch).await.unwrap();
    assert_eq!(queue.dead(None, 10).await.unwrap().items.len(), 1);
}

fn note(text: &str) -> Note {
    Note { id: "n".to_owned(), text: text.to_owned() }
}

async fn whoever_never_comes_to_an_end_is_counted(store: &Store) {
    let queue = queue(store);
    let Pushed::New(id) = queue.push(NewEntry { max_attempts: Some(3), ..of(1) }).await.unwrap() else {
        panic!("a new entry")
    };
    let after_it = LEASE * 3 + Duration::from_millis(1);
    queue.push(NewEntry { delay: after_it, ..of(2) }).await.unwrap();
    for attempt in 1..=3 {
        assert_eq!(one(&queue, "a").await.attempts, attempt);
        store.clock.advance(LEASE);
    }
    store.clock.advance(Duration::from_millis(1));
    assert_eq!(numbers(&queue, 1).await, [2], "the one behind it is not held up");
    assert!(matches!(entry(&queue, &id).await.state, EntryState::Dead { .. }));
}

async fn what_is_given_or_taken_back_is_due_at_once(store: &Store) {
    let queue = queue(store);
    for number in 1..=3 {
        queue.push(of(number)).await.unwrap();
        store.clock.advance(Duration::from_millis(1));
    }
    let given = one(&queue, "a").await;
    let (lost, kept) = (one(&queue, "b").await, one(&queue, "c").await);
    queue.settle(&given, &Settle::GiveBack, |batch, _| batch).await.unwrap();
    let again = one(&queue, "a").await;
    assert_eq!((again.id.as_str(), again.attempts, again.fence), (given.id.as_str(), 1, 2));
    assert_eq!(queue.take_back("b").await.unwrap(), 1);
    let again = one(&queue, "b").await;
    assert_eq!((again.id.as_str(), again.attempts), (lost.id.as_str(), 2));
    assert!(matches!(queue.heartbeat(&lost, LEASE).await, Err(QueueError::Stale { .. })));
    queue.heartbeat(&kept, LEASE).await.unwrap();
    assert_eq!(queue.take_back("nobody").await.unwrap(), 0);
}

async fn many_are_completed_together(store: &Store) {
    let queue = queue(store);
    let mut batch = store.batch();
    for number in 0..150 {
        (batch, _) = queue.push_in(batch, of(number)).unwrap();
    }
    store.commit(batch).await.unwrap();
    let mut leases = queue.lease("a", 1000, LEASE, 0).await.unwrap();
    assert_eq!(leases.len(), super::MAX_TOGETHER);
    leases.extend(queue.lease("a", 1000, LEASE, 0).await.unwrap());
    let stale = Lease { fence: 9, ..leases[120].clone() };
    let kept = std::mem::replace(&mut leases[120], stale.clone());
    assert_eq!(queue.complete_all(&leases).await.unwrap(), [stale]);
    assert_eq!(queue.complete_all(&leases).await.unwrap().len(), 150);
    assert!(queue.complete_all(&[kept]).await.unwrap().is_empty());
    assert!(queue.complete_all(&[]).await.unwrap().is_empty());
}

/// Four handles that know nothing of each other work `entries` off, each with an effect that counts.
pub(in crate::store) async fn a_crowd_loses_nothing_and_does_nothing_twice(store: &Store, entries: u64) {
    let pusher = queue(store);
    for from in (0..entries).step_by(50) {
        let mut batch = store.batch();
        for number in from..(from + 50).min(entries) {
            (batch, _) = pusher.push_in(batch, of(number)).unwrap();
        }
        store.commit(batch).await.unwrap();
    }
    let workers: Vec<_> = (0..4u64)
        .map(|worker| {
            let (store, queue) = (store.clone(), queue(store));
            tokio::spawn(async move { work_off(&store, &queue, worker).await })
        })
        .collect();
    let mut done = BTreeMap::<u64, usize>::new();
    for worker in workers {
        for number in worker.await.unwrap() {
            *done.entry(number).or_default() += 1;
        }
    }
    assert_eq!(done.keys().copied().collect::<BTreeSet<_>>(), (0..entries).collect());
    assert!(done.values().all(|times| *times == 1), "{done:?}");
}

async fn work_off(store: &Store, queue: &Queue, worker: u64) -> Vec<u64> {
    let (mut done, mut empty, mut random) = (Vec::new(), 0, worker);
    while empty < 20 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(worker + 1);
        let leases = queue.lease(&format!("w{worker}"), 10, LEASE, random >> 16).await.unwrap();
        empty = if leases.is_empty() { empty + 1 } else { 0 };
        let number = |lease: &Lease| lease.payload["number"].as_u64().unwrap();
        let Some((first, rest)) = leases.split_first() else {
            tokio::task::yield_now().await;
            continue;
        };
        // Every entry's effect is a document that can be made once.
        let effect = Thing::new(&format!("t{}", number(first)), &format!("n{}", number(first)), worker);
        queue.settle(first, &Settle::Complete, |batch, _| batch.create(&effect)).await.unwrap();
        assert!(queue.complete_all(rest).await.unwrap().is_empty());
        done.extend(leases.iter().map(number));
        assert!(store.get::<Thing>(&effect.id).await.unwrap().is_some());
    }
    done
}

async fn names_and_payloads_have_limits(store: &Store) {
    for name in ["", "a b", "ä", &"x".repeat(41)] {
        assert!(matches!(Queue::new(store.clone(), name), Err(QueueError::Name { .. })), "{name:?}");
    }
    let queue = queue(store);
    assert!(matches!(queue.lease("a b", 1, LEASE, 0).await, Err(QueueError::Name { .. })));
    let large = NewEntry { payload: json!("x".repeat(super::MAX_PAYLOAD_BYTES)), ..NewEntry::default() };
    let refused = queue.push(large).await.unwrap_err();
    assert!(refused.to_string().contains("65538 bytes"), "{refused}");
    let most = NewEntry { payload: json!("x".repeat(super::MAX_PAYLOAD_BYTES - 2)), ..NewEntry::default() };
    queue.push(most).await.unwrap();
    assert_eq!(one(&queue, "a").await.payload.as_str().unwrap().len(), super::MAX_PAYLOAD_BYTES - 2);
}
