//! Backups, moves and rewrites of a store that is in use.

use super::conformance::{Thing, everything};
use super::{Account, Progress, Scan, SledEngine, SledOptions, Store, StoreError, Target, Versioned};
use crate::clock::{Clock, Timestamp};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio::task::JoinHandle;

const WRITERS: u64 = 4;

fn clock() -> Clock {
    Clock::manual(Timestamp::from_unix_ms(1_000_000))
}

fn open(directory: &TempDir) -> Store {
    Store::open_home(&directory.path().join("store"), SledOptions::default(), clock()).unwrap()
}

/// Writers that create, change and delete until they are told to end; each gives what it was acknowledged.
struct Load {
    ending: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Vec<Versioned<Thing>>>>,
}

impl Load {
    fn on(store: &Store) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS).map(|writer| {
            let (store, ending) = (store.clone(), Arc::clone(&ending));
            tokio::spawn(async move {
                let mut kept = Vec::new();
                for number in 0u64.. {
                    if ending.load(Ordering::Relaxed) {
                        break;
                    }
                    kept.push(write(&store, writer, number).await);
                }
                kept
            })
        });
        let writers = writers.collect();
        Self { ending, writers }
    }

    async fn end(self) -> Vec<Versioned<Thing>> {
        self.ending.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for writer in self.writers {
            all.extend(writer.await.unwrap());
        }
        all
    }
}

/// One document that stays, and one that comes and goes with a key that is used again and again.
async fn write(store: &Store, writer: u64, number: u64) -> Versioned<Thing> {
    let id = format!("w{writer}n{number}");
    let mut thing = Thing::new(&id, &id, number);
    thing.secret = "s".repeat((number as usize % 4) * 3000);
    let created = store.create(thing.clone()).await.unwrap();
    thing.rank += 1;
    let receipt = store.commit(store.batch().update(&created, &thing)).await.unwrap();
    let passing = Thing::new(&format!("passing{writer}n{number}"), &format!("passing{writer}"), 0);
    let passing = store.create(passing).await.unwrap();
    store.commit(store.batch().delete(&passing)).await.unwrap();
    store.next_number("written").await.unwrap();
    Versioned { version: receipt.versions[0], document: thing }
}

async fn grown(store: &Store, entries: u64) {
    let mut head = store.journal_head(Account::FIRST);
    let wanted = *head.borrow() + entries;
    head.wait_for(|head| *head >= wanted).await.unwrap();
}

async fn holds(store: &Store, things: &[Versioned<Thing>]) {
    for thing in things {
        assert_eq!(store.get::<Thing>(&thing.document.id).await.unwrap().as_ref(), Some(thing));
    }
    assert_eq!(store.check(Progress::unwatched()).await.unwrap().0, []);
}

async fn taken(store: &Store) -> Vec<u8> {
    let (mut backup, mut pieces) = (Vec::new(), store.backup(Progress::unwatched()).unwrap());
    while let Some(piece) = pieces.recv().await {
        backup.extend(piece.unwrap());
    }
    backup
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_the_store_at_its_end() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(&here);
    let load = Load::on(&store);
    grown(&store, 800).await;
    let before = store.journal_seq(Account::FIRST);
    let backup = taken(&store).await;
    grown(&store, 40).await;
    let kept = load.end().await;

    let restored = open(&there);
    let held = restored.restore(Cursor::new(&backup), &Progress::unwatched()).await.unwrap();
    let (records, sum) = everything(&restored).await;
    assert_eq!((held, held), (records.len() as u64, sum.records));
    assert_eq!(restored.check(Progress::unwatched()).await.unwrap().0, []);
    // It is the state at one point: that of its last journal entry, which is not before the beginning.
    let end = restored.journal_seq(Account::FIRST);
    assert!(end >= before, "{end} {before}");
    let entries = store.journal(Account::FIRST, end, 1_000_000).await.unwrap().entries;
    for thing in kept {
        let later: Vec<_> = entries.iter().filter(|entry| entry.id == thing.document.id).collect();
        let found = restored.get::<Thing>(&thing.document.id).await.unwrap();
        assert_eq!(found.map_or(0, |found| found.version), thing.version - later.len() as u64);
    }
    // And it goes on from there.
    restored.create(Thing::new("new", "new", 1)).await.unwrap();
    assert_eq!(restored.journal_seq(Account::FIRST), end + 1);
    let again = restored.restore(Cursor::new(&backup), &Progress::unwatched()).await.unwrap_err();
    assert!(matches!(again, StoreError::NotEmpty { .. }), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_told_from_a_whole_one() {
    let here = tempfile::tempdir().unwrap();
    let store = open(&here);
    for number in 0..20 {
        write(&store, 0, number).await;
    }
    let backup = taken(&store).await;
    let text = String::from_utf8(backup).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let without = |number: usize| {
        lines.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, line)| *line).collect::<String>()
    };
    for (damaged, wanted) in [
        (String::new(), "cut off after line 0"),
        ("hello\n".to_owned(), "is no backup"),
        (without(0), "something unexpected in line 1"),
        (without(5), "is damaged"),
        (without(lines.len() - 1), "cut off"),
        (text[..text.len() / 2].to_owned(), "cut off"),
        (text.replacen("\"w0n3\"", "\"w0n9\"", 1), "is damaged"),
        (text.replacen("\"stagebox_backup\":1", "\"stagebox_backup\":2", 1), "has form 2"),
    ] {
        let there = tempfile::tempdir().unwrap();
        let restored = open(&there).restore(Cursor::new(damaged), &Progress::unwatched()).await;
        let error = restored.unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
}

fn target(path: &Path) -> Target {
    let engine = SledEngine::open(path, SledOptions::default()).unwrap();
    Target { engine: Arc::new(engine), name: "elsewhere".to_owned(), mark: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_while_it_is_used() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(&here);
    let mut followed = store.journal_head(Account::FIRST);
    let load = Load::on(&store);
    grown(&store, 400).await;
    let moved = store.move_to(target(there.path()), &Progress::unwatched(), async || Ok(())).await.unwrap();
    assert!(moved.records > 400);
    // Whoever followed the journal follows it on, and the writers did not notice.
    followed.borrow_and_update();
    grown(&store, 40).await;
    assert!(followed.has_changed().unwrap());
    let kept = load.end().await;
    holds(&store, &kept).await;
    let refused = store.rewrite(&Progress::unwatched()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unsupported(_)), "{refused}");
    store.close().await;
    drop(store);
    let there = Store::open_sled(there.path(), clock()).unwrap();
    holds(&there, &kept).await;
    // The old one says where it went.
    let left = open(&here).refuse_if_moved().await.unwrap_err().to_string();
    assert!(left.contains("elsewhere"), "{left}");
    there.refuse_if_moved().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_fails_leaves_all_as_it_was() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(&here);
    let load = Load::on(&store);
    grown(&store, 100).await;
    let failing = async || Err(StoreError::Engine("not today".to_owned()));
    let failed = store.move_to(target(&there.path().join("a")), &Progress::unwatched(), failing).await;
    assert!(failed.unwrap_err().to_string().contains("not today"));
    let cancelled = tokio_util::sync::CancellationToken::new();
    cancelled.cancel();
    let progress = Progress::new(|_, _| {}, cancelled);
    let failed = store.move_to(target(&there.path().join("b")), &progress, async || Ok(())).await;
    assert!(matches!(failed, Err(StoreError::Cancelled)));
    let full = target(&there.path().join("c"));
    Store::new(Arc::clone(&full.engine), clock()).create(Thing::new("a", "a", 1)).await.unwrap();
    let failed = store.move_to(full, &Progress::unwatched(), async || Ok(())).await;
    assert!(matches!(failed, Err(StoreError::NotEmpty { .. })));
    grown(&store, 40).await;
    holds(&store, &load.end().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_gives_the_disk_back() {
    let here = tempfile::tempdir().unwrap();
    let store = open(&here);
    for round in 0..3000u64 {
        for number in 0..3 {
            let mut thing = Thing::new(&format!("t{number}"), &format!("t{number}"), round);
            thing.secret = format!("{round}").repeat(4000);
            match store.get::<Thing>(&thing.id).await.unwrap() {
                Some(old) => assert!(store.commit(store.batch().update(&old, &thing)).await.is_ok()),
                None => assert!(store.create(thing).await.is_ok()),
            }
        }
        if round % 20 == 0 && store.size_on_disk().await.unwrap() > 80 * 1024 * 1024 {
            break;
        }
    }
    let live = super::copy::weight(&*store.engine()).await.unwrap();
    let (before, after) = store.rewrite(&Progress::unwatched()).await.unwrap();
    // sled takes its file in pieces of half a MiB, whatever is in them.
    assert!(after < before && after < live * 4 + 1024 * 1024, "{before} {after} {live}");
    let load = Load::on(&store);
    grown(&store, 100).await;
    store.rewrite(&Progress::unwatched()).await.unwrap();
    grown(&store, 100).await;
    let kept = load.end().await;
    holds(&store, &kept).await;
    store.close().await;
    drop(store);
    let store = open(&here);
    holds(&store, &kept).await;
    assert_eq!(store.scan::<Thing>(Scan::of("name").limit(3)).await.unwrap().items.len(), 3);
    let generations = std::fs::read_dir(here.path().join("store")).unwrap().count();
    assert_eq!(generations, 2, "the generation and its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_walk_at_a_time() {
    let here = tempfile::tempdir().unwrap();
    let store = open(&here);
    // More than waits for a reader, so that it goes on until it is read or dropped.
    for number in 0..4 {
        let mut long = Thing::new(&format!("l{number}"), &format!("l{number}"), 1);
        long.secret = "s".repeat(1_000_000);
        store.create(long).await.unwrap();
    }
    let pieces = store.backup(Progress::unwatched()).unwrap();
    let busy = store.rewrite(&Progress::unwatched()).await;
    assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
    // Whoever drops the pieces ends the backup.
    drop(pieces);
    for _ in 0..10_000 {
        match store.rewrite(&Progress::unwatched()).await {
            Err(StoreError::Busy) => tokio::task::yield_now().await,
            done => {
                done.unwrap();
                return;
            }
        }
    }
    panic!("the backup did not end");
}
