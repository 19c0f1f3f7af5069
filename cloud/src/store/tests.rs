//! The embedded engine: the suite, the model, and what a power cut leaves.

use super::conformance::{self, Thing};
use super::{Account, SledEngine, SledOptions, Store, StoreError, model};
use crate::clock::{Clock, Timestamp};
use proptest::prelude::*;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_does_what_a_map_does(steps in model::steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        runtime.block_on(model::follow(steps, || async { open(directory.path()) }));
    }
}
