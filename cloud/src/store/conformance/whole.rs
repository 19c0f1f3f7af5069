//! What every engine must do with all that it holds: give it out, take it in, and look it through.

use super::super::{Account, Record, Store, StoreError, Sum};
use super::{Note, Owned, Thing};
use futures_util::StreamExt as _;
use std::sync::Arc;

/// Some documents with long values, unique keys that move, deletions, counters and two journals.
async fn fill(store: &Store) {
    for number in 0..40u64 {
        let mut thing = Thing::new(&format!("t{number}"), &format!("n{number}"), number % 7);
        thing.secret = "s".repeat(number as usize * 700);
        store.create(thing).await.unwrap();
        store.create(Owned { id: format!("o{number}"), account: 1 + number % 2 }).await.unwrap();
    }
    for number in 0..10 {
        let gone = store.get::<Thing>(format!("t{number}")).await.unwrap().unwrap();
        store.commit(store.batch().delete(&gone)).await.unwrap();
        // The key of one that is gone goes to another.
        let id = format!("t{}", number + 20);
        let renamed = store.update::<Thing, StoreError>(id, None, |thing, _, _| {
            thing.name = format!("n{number}");
            Ok(true)
        });
        renamed.await.unwrap();
    }
    store.next_number("things").await.unwrap();
    store.commit(store.batch().put(&Note { id: "n".to_owned(), text: "ä\"\u{0}".to_owned() })).await.unwrap();
}

pub(in crate::store) async fn everything(store: &Store) -> (Vec<Record>, Sum) {
    let (mut records, mut sum, mut export) = (Vec::new(), Sum::default(), store.engine().export());
    while let Some(piece) = export.next().await {
        let piece = piece.unwrap();
        sum.add(&piece);
        records.extend(piece);
    }
    (records, sum)
}

pub(super) async fn what_is_exported_is_the_same_elsewhere(store: &Store, other: &Store) {
    fill(store).await;
    let (records, sum) = everything(store).await;
    assert_eq!((sum.records, sum.records), (records.len() as u64, store.engine().count().await.unwrap()));
    assert_ne!(everything(other).await.1, sum);
    // Twice, and in another order: records say what is, not what happened.
    other.engine().import(records.clone()).await.unwrap();
    other.engine().import(records.iter().rev().cloned().collect()).await.unwrap();
    assert_eq!(everything(other).await.1, sum);
    assert_eq!(other.engine().check(Arc::new(|_| true)).await.unwrap(), []);
    // It goes on where the first one was.
    assert_eq!(other.next_number("things").await.unwrap(), 2);
    assert_eq!(other.journal_seq(Account(2)), store.journal_seq(Account(2)));
    let one_more = other.commit(other.batch().create(&Owned { id: "x".to_owned(), account: 2 })).await;
    assert_eq!(one_more.unwrap().last_seq, Some(store.journal_seq(Account(2)) + 1));
    let taken = other.create(Thing::new("new", "n3", 1)).await;
    assert!(matches!(taken, Err(StoreError::Taken { .. })));
}

pub(super) async fn a_tap_tells_what_an_export_missed(store: &Store, other: &Store) {
    fill(store).await;
    let mut tap = store.engine().tap().await.unwrap();
    let (records, _) = everything(store).await;
    for number in 10..20 {
        let id = format!("t{number}");
        let old = store.get::<Thing>(&id).await.unwrap().unwrap();
        let batch = match number % 2 {
            0 => store.batch().delete(&old).create(&Thing::new(&format!("u{number}"), &old.document.name, 9)),
            _ => store.batch().update(&old, &Thing { rank: 100, ..old.document.clone() }),
        };
        store.commit(batch).await.unwrap();
        store.next_number("others").await.unwrap();
    }
    let old = store.get::<Note>("n").await.unwrap().unwrap();
    store.commit(store.batch().delete(&old)).await.unwrap();
    other.engine().import(records).await.unwrap();
    while let Ok(records) = tap.try_recv() {
        other.engine().import(records).await.unwrap();
    }
    assert_eq!(everything(other).await.1, everything(store).await.1);
    assert_eq!(other.engine().check(Arc::new(|_| true)).await.unwrap(), []);
}

pub(super) async fn a_sound_store_has_no_fault(store: &Store) {
    fill(store).await;
    assert_eq!(store.engine().check(Arc::new(|_| true)).await.unwrap(), []);
}
