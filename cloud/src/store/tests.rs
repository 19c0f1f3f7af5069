//! The embedded engine: the suite, a model, and what a power cut leaves.

use super::conformance::{self, Thing};
use super::{Account, Entry, IndexKey, Scan, SledEngine, SledOptions, Store, StoreError, Versioned};
use crate::clock::{Clock, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn clock() -> Clock {
    Clock::manual(Timestamp::from_unix_ms(1_000_000))
}

fn open(path: &Path) -> Store {
    Store::open_sled(path, clock()).unwrap()
}

#[tokio::test]
async fn sled_does_what_every_engine_must() {
    let directories = std::sync::Mutex::new(Vec::<TempDir>::new());
    conformance::run(|| {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        directories.lock().unwrap().push(directory);
        async { store }
    })
    .await;
}

#[tokio::test]
async fn a_second_opener_is_told_why_it_cannot() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let error = Store::open_sled(directory.path(), clock()).err().unwrap().to_string();
    assert!(error.contains("another stagebox-cloud"), "{error}");
    store.close().await;
    assert!(matches!(store.create(Thing::new("a", "x", 1)).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_reader_that_slept_too_long_is_told_to_begin_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(
        Arc::new(
            SledEngine::open(directory.path(), SledOptions { journal_keep: 10, ..SledOptions::default() })
                .unwrap(),
        ),
        clock(),
    );
    for number in 0..100 {
        let mut thing = Thing::new(&format!("t{number}"), &format!("n{number}"), number);
        thing.secret = "x".repeat(5000);
        store.create(thing).await.unwrap();
    }
    let page = store.journal(Account::FIRST, 3, 1000).await.unwrap();
    assert!(page.reset);
    let seqs: Vec<_> = page.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (91..=100).collect::<Vec<_>>());
    let page = store.journal(Account::FIRST, 95, 1000).await.unwrap();
    assert!(!page.reset);
    assert_eq!(page.entries.len(), 5);
}

#[tokio::test]
async fn what_was_acknowledged_survives_while_others_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    let id = format!("w{writer}n{number}");
                    store.create(Thing::new(&id, &id, number)).await.unwrap();
                }
            })
        })
        .collect();
    let mut known = 0;
    for _ in 0..5 {
        tokio::task::yield_now().await;
        let acknowledged = *store.journal_head(Account::FIRST).borrow();
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(directory.path().join("conf"), copy.path().join("conf")).unwrap();
        std::fs::copy(directory.path().join("db"), copy.path().join("db")).unwrap();
        let seen = open(copy.path());
        let entries = seen.journal(Account::FIRST, 0, 10_000).await.unwrap().entries;
        assert!(entries.len() as u64 >= acknowledged, "{} of {acknowledged}", entries.len());
        for entry in &entries {
            assert!(seen.get::<Thing>(&entry.id).await.unwrap().is_some(), "{}", entry.id);
        }
        known = acknowledged;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(known <= 200);
    assert_eq!(*store.journal_head(Account::FIRST).borrow(), 200);
}

#[derive(Debug, Clone)]
enum Step {
    Create { id: u8, name: u8, rank: u8, length: usize },
    Update { id: u8, name: u8, rank: u8, length: usize, stale: bool },
    Delete { id: u8, stale: bool },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![3 => 0usize..100, 1 => 4000usize..20_000];
    let step = prop_oneof![
        4 => (0u8..5, 0u8..5, 0u8..4, length.clone())
            .prop_map(|(id, name, rank, length)| Step::Create { id, name, rank, length }),
        4 => (0u8..5, 0u8..5, 0u8..4, length, prop::bool::weighted(0.2)).prop_map(
            |(id, name, rank, length, stale)| Step::Update { id, name, rank, length, stale }
        ),
        2 => (0u8..5, prop::bool::weighted(0.2)).prop_map(|(id, stale)| Step::Delete { id, stale }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the store should hold.
#[derive(Default)]
struct Model {
    things: BTreeMap<String, Versioned<Thing>>,
    entries: u64,
}

fn thing(id: u8, name: u8, rank: u8, length: usize) -> Thing {
    let mut thing = Thing::new(&format!("t{id}"), &format!("n{name}"), u64::from(rank));
    thing.secret = "s".repeat(length);
    thing
}

impl Model {
    fn name_is_free(&self, new: &Thing) -> bool {
        self.things.values().all(|other| other.document.id == new.id || other.document.name != new.name)
    }

    /// Carries a step out on both and compares what each says of it.
    async fn step(&mut self, store: &Store, step: Step) {
        let (new, old, batch) = match step {
            Step::Create { id, name, rank, length } => {
                let new = thing(id, name, rank, length);
                let free = !self.things.contains_key(&new.id);
                let batch = store.batch().create(&new);
                (Some(new), free.then_some(None), batch)
            }
            Step::Update { id, name, rank, length, stale } => {
                let new = thing(id, name, rank, length);
                let Some(old) = self.things.get(&new.id).cloned() else { return };
                let seen = Versioned { version: old.version + u64::from(stale), ..old.clone() };
                let batch = store.batch().update(&seen, &new);
                (Some(new), (!stale).then_some(Some(old)), batch)
            }
            Step::Delete { id, stale } => {
                let Some(old) = self.things.get(&format!("t{id}")).cloned() else { return };
                let seen = Versioned { version: old.version + u64::from(stale), ..old.clone() };
                (None, (!stale).then_some(Some(old)), store.batch().delete(&seen))
            }
            Step::Reopen => return,
        };
        let result = store.commit(batch).await;
        let fits = new.as_ref().is_none_or(|new| self.name_is_free(new));
        match old {
            None => assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}"),
            Some(_) if !fits => assert!(matches!(result, Err(StoreError::Taken { .. })), "{result:?}"),
            Some(old) => {
                self.entries += 1;
                assert_eq!(result.unwrap().last_seq, Some(self.entries));
                let version = old.as_ref().map_or(0, |old| old.version) + 1;
                match new {
                    Some(document) => {
                        self.things.insert(document.id.clone(), Versioned { version, document });
                    }
                    None => {
                        self.things.remove(&old.unwrap().document.id);
                    }
                }
            }
        }
    }

    async fn compare(&self, store: &Store) {
        for id in 0..5 {
            let id = format!("t{id}");
            assert_eq!(store.get::<Thing>(&id).await.unwrap().as_ref(), self.things.get(&id));
        }
        let mut by_rank: Vec<_> = self.things.values().cloned().collect();
        by_rank.sort_by_key(|thing| (thing.document.rank, thing.document.id.clone()));
        assert_eq!(store.scan::<Thing>(Scan::of("rank")).await.unwrap().items, by_rank);
        for name in 0..5 {
            let name = format!("n{name}");
            let found = store.find::<Thing>("name", IndexKey::new().text(&name)).await.unwrap();
            let wanted = self.things.values().find(|thing| thing.document.name == name);
            assert_eq!(found.as_ref(), wanted);
        }
        let entries: Vec<Entry> = store.journal(Account::FIRST, 0, 1000).await.unwrap().entries;
        let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=self.entries).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_does_what_a_map_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let (mut store, mut model) = (open(directory.path()), Model::default());
            for step in steps {
                if matches!(step, Step::Reopen) {
                    store.close().await;
                    drop(store);
                    store = open(directory.path());
                }
                model.step(&store, step).await;
                model.compare(&store).await;
            }
        });
    }
}
