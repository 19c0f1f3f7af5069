//! Several engines on one database, as several processes are.

use super::{Postgres, Thing, engine, store};
use crate::clock::{Clock, Timestamp};
use crate::store::{Account, Engine, Progress, Record, SledEngine, SledOptions, Store, StoreError, Target};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

const PROCESSES: usize = 4;
const WRITERS: usize = 4;
const WRITES: u64 = 25;

/// Writes new documents, and adds to one that all share.
async fn write(store: Store, name: String) -> u64 {
    let mut retries = 0;
    for number in 0..WRITES {
        let id = format!("{name}n{number}");
        store.create(Thing::new(&id, &id, number)).await.unwrap();
        loop {
            let changed = store
                .update::<Thing, StoreError>("shared", None, |thing, _, _| {
                    thing.rank += 1;
                    Ok(true)
                })
                .await;
            match changed {
                Ok(_) => break,
                // The others were quicker thirty-two times.
                Err(StoreError::Conflict { .. }) => retries += 1,
                Err(error) => panic!("{error}"),
            }
        }
        let number = store.next_number("numbers").await.unwrap();
        let taken = store.create(Thing::new(&format!("number{number}"), &format!("number{number}"), 0)).await;
        taken.unwrap();
    }
    retries
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_has_no_gap_when_several_processes_write() {
    let server = Postgres::start().unwrap();
    let mut engines = Vec::new();
    for _ in 0..PROCESSES {
        engines.push(engine(&server, "stagebox").await);
    }
    let nodes = engines[0].nodes().await.unwrap();
    assert_eq!(nodes.len(), PROCESSES);
    assert!(nodes.iter().all(|node| node.address.as_deref() == Some("127.0.0.1")), "{nodes:?}");
    let stores: Vec<Store> = engines.iter().map(store).collect();
    stores[0].create(Thing::new("shared", "shared", 0)).await.unwrap();
    // A process that only listens hears of every entry, in order.
    let listening = engine(&server, "stagebox").await;
    let mut head = listening.journal_head(Account::FIRST);
    let total = 1 + (PROCESSES * WRITERS) as u64 * WRITES * 3;
    let reading = tokio::spawn({
        let store = store(&listening);
        async move {
            let mut seqs = Vec::new();
            while (seqs.len() as u64) < total {
                let after = seqs.last().copied().unwrap_or(0);
                head.wait_for(|head| *head > after).await.unwrap();
                let page = store.journal(Account::FIRST, after, 50).await.unwrap();
                assert!(!page.reset && !page.entries.is_empty());
                seqs.extend(page.entries.iter().map(|entry| entry.seq));
            }
            seqs
        }
    });
    let mut writers = Vec::new();
    for (process, store) in stores.iter().enumerate() {
        for writer in 0..WRITERS {
            writers.push(tokio::spawn(write(store.clone(), format!("p{process}w{writer}"))));
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(reading.await.unwrap(), (1..=total).collect::<Vec<_>>());
    let shared = stores[0].get::<Thing>("shared").await.unwrap().unwrap();
    let writes = (PROCESSES * WRITERS) as u64 * WRITES;
    assert_eq!((shared.document.rank, shared.version), (writes, writes + 1));
    assert_eq!(stores[1].next_number("numbers").await.unwrap(), writes + 1);
    assert_eq!(engines[0].check(Arc::new(|_| true)).await.unwrap(), []);
    engines[0].close().await;
    assert_eq!(listening.nodes().await.unwrap().len(), PROCESSES);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_gets_an_id_a_key_and_a_version() {
    let server = Postgres::start().unwrap();
    let stores = [store(&engine(&server, "stagebox").await), store(&engine(&server, "stagebox").await)];
    for round in 0..30u64 {
        // The same id from both processes, then the same unique key, then the same version.
        let mut won = Vec::new();
        for (one, other) in [
            (Thing::new(&format!("a{round}"), &format!("a{round}"), 0), None),
            (Thing::new(&format!("b{round}"), &format!("k{round}"), 0), Some(format!("c{round}"))),
        ] {
            let rival = Thing { id: other.unwrap_or_else(|| one.id.clone()), rank: 1, ..one.clone() };
            let (first, second) = tokio::join!(stores[0].create(one.clone()), stores[1].create(rival));
            assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
            let lost = first.as_ref().err().or(second.as_ref().err());
            assert!(matches!(lost, Some(StoreError::Conflict { .. } | StoreError::Taken { .. })), "{lost:?}");
            won.push(first.or(second).unwrap());
        }
        let change = |store: &Store, rank| {
            let (store, old) = (store.clone(), won[0].clone());
            async move {
                let new = Thing { rank, ..old.document.clone() };
                store.commit(store.batch().update(&old, &new)).await
            }
        };
        let (first, second) = tokio::join!(change(&stores[0], 5), change(&stores[1], 6));
        assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
    }
    assert_eq!(stores[0].engine().check(Arc::new(|_| true)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_one_moment_while_others_write() {
    let server = Postgres::start().unwrap();
    let stores = [store(&engine(&server, "stagebox").await), store(&engine(&server, "stagebox").await)];
    for number in 0..600u64 {
        stores[0].create(Thing::new(&format!("t{number}"), &format!("n{number}"), 0)).await.unwrap();
    }
    let mut export = stores[0].engine().export();
    let mut records: Vec<Record> = export.next().await.unwrap().unwrap();
    let old = stores[1].get::<Thing>("t0").await.unwrap().unwrap();
    stores[1].commit(stores[1].batch().delete(&old)).await.unwrap();
    stores[1].create(Thing::new("later", "later", 0)).await.unwrap();
    while let Some(piece) = export.next().await {
        records.extend(piece.unwrap());
    }
    let documents = records.iter().filter(|record| matches!(record, Record::Document { .. })).count();
    assert_eq!((documents, records.len()), (600, 1200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_postgres_and_back_while_it_is_written_to() {
    let server = Postgres::start().unwrap();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = || Clock::manual(Timestamp::from_unix_ms(1_000_000));
    let store = Store::open_sled(here.path(), clock()).unwrap();
    let (stop, written) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, stop, written) = (store.clone(), stop.clone(), Arc::clone(&written));
            tokio::spawn(async move {
                for number in 0u64.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    // A unique key goes from document to document.
                    let id = format!("w{writer}n{number}");
                    store.create(Thing::new(&id, &format!("last{writer}"), number)).await.unwrap();
                    let renamed = store.update::<Thing, StoreError>(&id, None, |thing, _, _| {
                        thing.name.clone_from(&thing.id);
                        Ok(true)
                    });
                    renamed.await.unwrap();
                    store.next_number("numbers").await.unwrap();
                    written.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let grown = async |more| {
        let wanted = written.load(Ordering::Relaxed) + more;
        while written.load(Ordering::Relaxed) < wanted {
            tokio::task::yield_now().await;
        }
    };
    grown(100).await;
    let target = |engine: Arc<dyn Engine>| Target { engine, name: "elsewhere".to_owned(), mark: false };
    let progress = Progress::unwatched();
    let postgres = engine(&server, "stagebox").await;
    store.move_to(target(postgres.clone()), &progress, async || Ok(())).await.unwrap();
    grown(100).await;
    assert_eq!(postgres.check(Arc::new(|_| true)).await.unwrap(), []);
    let sled = SledEngine::open(there.path(), SledOptions::default()).unwrap();
    store.move_to(target(Arc::new(sled)), &progress, async || Ok(())).await.unwrap();
    grown(100).await;
    stop.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    let all = written.load(Ordering::Relaxed);
    assert_eq!(store.next_number("numbers").await.unwrap(), all + 1);
    assert_eq!(store.journal_seq(Account::FIRST), 2 * all);
    assert_eq!(store.engine().check(Arc::new(|_| true)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_store_is_backed_up_at_one_moment_and_not_moved() {
    let server = Postgres::start().unwrap();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engines = [engine(&server, "stagebox").await, engine(&server, "stagebox").await];
    let stores = [store(&engines[0]), store(&engines[1])];
    let stop = CancellationToken::new();
    let writers = stores.clone().map(|store| {
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut written = 0u64;
            while !stop.is_cancelled() {
                let id = format!("{:p}n{written}", Arc::as_ptr(&store.engine()).cast::<u8>());
                store.create(Thing::new(&id, &id, written)).await.unwrap();
                written += 1;
            }
            written
        })
    });
    let mut head = stores[0].journal_head(Account::FIRST);
    head.wait_for(|head| *head > 300).await.unwrap();
    let moved = SledEngine::open(there.path(), SledOptions::default()).unwrap();
    let target = Target { engine: Arc::new(moved), name: "elsewhere".to_owned(), mark: false };
    let refused = stores[0].move_to(target, &Progress::unwatched(), async || Ok(())).await;
    assert!(matches!(refused, Err(StoreError::Shared { others: 1 })), "{refused:?}");
    let (mut backup, mut pieces) = (Vec::new(), stores[0].backup(Progress::unwatched()).unwrap());
    while let Some(piece) = pieces.recv().await {
        backup.extend(piece.unwrap());
    }
    stop.cancel();
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    // Each entry of the journal has its document, and the other way round, up to one point.
    let restored = SledEngine::open(here.path(), SledOptions::default()).unwrap();
    let restored = Store::new(Arc::new(restored), Clock::manual(Timestamp::from_unix_ms(1)));
    restored.restore(std::io::Cursor::new(backup), &Progress::unwatched()).await.unwrap();
    let end = restored.journal_seq(Account::FIRST);
    assert!(end >= 300 && end <= stores[0].journal_seq(Account::FIRST), "{end}");
    let entries = restored.journal(Account::FIRST, 0, 1_000_000).await.unwrap().entries;
    let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=end).collect::<Vec<_>>());
    assert_eq!(restored.engine().count().await.unwrap(), 2 * end);
    for entry in entries {
        assert!(restored.get::<Thing>(&entry.id).await.unwrap().is_some(), "{}", entry.id);
    }
}
