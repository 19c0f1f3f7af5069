//! What later versions and crashes ask of every engine: other index entries, and marks that ride along.

use super::super::rider::{self, Ride};
use super::super::{Account, Document, Index, IndexKey, Owner, Reindexed, Scan, Store, StoreError};
use super::{Note, Thing};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A [`Thing`] as a later version finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Later(Thing);

impl Document for Later {
    const KIND: &'static str = Thing::KIND;
    const INDEXES: u32 = 2;

    fn owner(&self) -> Owner {
        self.0.owner()
    }

    fn id(&self) -> String {
        self.0.id()
    }

    fn indexes(&self) -> Vec<Index> {
        let by_name = Index::many("by_name", IndexKey::new().text(&self.0.name).number(self.0.rank));
        vec![Index::unique("name", IndexKey::new().text(&self.0.name)), by_name]
    }

    fn journal_view(&self) -> serde_json::Value {
        self.0.journal_view()
    }
}

pub(super) async fn old_documents_stand_in_new_indexes(store: &Store) {
    for number in 0..150u64 {
        store.create(Thing::new(&format!("t{number}"), &format!("n{number:03}"), number)).await.unwrap();
    }
    let head = store.journal_seq(Account::FIRST);
    // What a start that was broken off had done already.
    for number in 0..10 {
        let found = store.get::<Later>(format!("t{number}")).await.unwrap().unwrap();
        store.commit(store.batch().rewrite(&found, &found.document)).await.unwrap();
    }
    assert!(!store.is_indexed::<Later>().await.unwrap());
    assert_eq!(store.reindex(&[Reindexed::of::<Later>()]).await.unwrap(), 140);
    assert_eq!(store.reindex(&[Reindexed::of::<Later>()]).await.unwrap(), 0, "it is done once");
    assert!(store.is_indexed::<Later>().await.unwrap());
    let found = store.scan::<Later>(Scan::of("by_name").limit(200)).await.unwrap().items;
    let names: Vec<_> = found.iter().map(|found| found.document.0.name.as_str()).collect();
    assert!(names.len() == 150 && names.is_sorted(), "{names:?}");
    assert!(store.scan::<Later>(Scan::of("rank")).await.unwrap().items.is_empty(), "the old one is gone");
    assert_eq!(store.journal_seq(Account::FIRST), head, "nobody is told");
    assert_eq!(store.engine().check(Arc::new(|_| true)).await.unwrap(), []);
}

pub(super) async fn a_mark_rides_along_with_the_first_change(store: &Store) {
    let mark = |id: &str| Note { id: id.to_owned(), text: String::new() };
    let is_there = async |id: &str| store.get::<Note>(id).await.unwrap().is_some();
    let (_, ride) = rider::with(store.batch().create(&mark("none")), async {}).await.unwrap();
    assert!(ride == Ride::Waited && !is_there("none").await);

    let (receipt, ride) = rider::with(store.batch().create(&mark("one")), async {
        let first = store.commit(store.batch().create(&Thing::new("a", "a", 1))).await.unwrap();
        store.create(Thing::new("b", "b", 2)).await.unwrap();
        first
    })
    .await
    .unwrap();
    assert_eq!((receipt.versions, ride), (vec![1], Ride::Arrived), "the mark is none of the work's changes");
    assert!(is_there("one").await);

    // What is done aside leaves it waiting for what follows.
    let (_, ride) = rider::with(store.batch().create(&mark("aside")), async {
        rider::aside(store.create(Thing::new("e", "e", 5))).await.unwrap();
        assert!(!is_there("aside").await);
    })
    .await
    .unwrap();
    assert!(ride == Ride::Waited && !is_there("aside").await);
    let (_, ride) = rider::with(store.batch().create(&mark("aside")), async {
        rider::aside(store.create(Thing::new("f", "f", 6))).await.unwrap();
        store.create(Thing::new("g", "g", 7)).await.unwrap();
    })
    .await
    .unwrap();
    assert!(ride == Ride::Arrived && is_there("aside").await);

    // A change that is refused takes nothing along, and the next one does.
    let (refused, ride) = rider::with(store.batch().create(&mark("two")), async {
        let refused = store.create(Thing::new("a", "c", 1)).await;
        assert!(!is_there("two").await);
        store.create(Thing::new("c", "c", 1)).await.unwrap();
        refused
    })
    .await
    .unwrap();
    assert!(matches!(refused, Err(StoreError::Conflict { kind: "thing", .. })) && ride == Ride::Arrived);
    assert!(is_there("two").await);

    // A mark that is there already keeps the change out.
    let (refused, ride) =
        rider::with(store.batch().create(&mark("two")), store.create(Thing::new("d", "d", 1))).await.unwrap();
    assert!(matches!(refused, Err(StoreError::Conflict { kind: "note", .. })) && ride == Ride::Waited);
    assert!(store.get::<Thing>("d").await.unwrap().is_none());
}
