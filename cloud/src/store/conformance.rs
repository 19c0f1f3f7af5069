//! What every engine must do; each engine's tests run all of it.

mod belonging;
mod later;
mod whole;

pub(super) use whole::everything;

use super::{Account, Document, Index, IndexKey, Owner, Scan, Store, StoreError, Versioned};
use serde::{Deserialize, Serialize};

/// A document with every kind of index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thing {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) rank: u64,
    pub(super) secret: String,
}

impl Thing {
    pub(super) fn new(id: &str, name: &str, rank: u64) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), rank, secret: String::new() }
    }
}

impl Document for Thing {
    const KIND: &'static str = "thing";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::unique("name", IndexKey::new().text(&self.name)),
            Index::many("rank", IndexKey::new().number(self.rank)),
        ]
    }

    fn journal_view(&self) -> serde_json::Value {
        serde_json::json!({ "name": self.name, "rank": self.rank })
    }
}

/// A document that the journal does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) id: String,
    pub(super) text: String,
}

impl Document for Note {
    const KIND: &'static str = "note";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Runs every check, each against an empty store.
pub(super) async fn run<F, Fut>(open: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Store>,
{
    documents_have_versions(&open().await).await;
    a_batch_is_whole_or_not_at_all(&open().await).await;
    unique_keys_belong_to_one(&open().await).await;
    indexes_are_ordered_and_paged(&open().await).await;
    the_journal_has_no_gap_and_no_secret(&open().await).await;
    long_values_come_back(&open().await).await;
    updates_at_the_same_time_all_count(&open().await).await;
    numbers_are_given_once(&open().await).await;
    bad_names_are_refused(&open().await).await;
    blind_writes_are_for_what_is_not_journalled(&open().await).await;
    each_account_has_a_journal_of_its_own(&open().await).await;
    old_shapes_are_upgraded_and_newer_ones_refused(&open().await).await;
    later::old_documents_stand_in_new_indexes(&open().await).await;
    later::a_mark_rides_along_with_the_first_change(&open().await).await;
    whole::what_is_exported_is_the_same_elsewhere(&open().await, &open().await).await;
    whole::a_tap_tells_what_an_export_missed(&open().await, &open().await).await;
    whole::a_sound_store_has_no_fault(&open().await).await;
    belonging::an_account_goes_with_every_kind_and_nothing_of_others(&open().await).await;
}

async fn documents_have_versions(store: &Store) {
    assert!(store.get::<Thing>("a").await.unwrap().is_none());
    let first = store.create(Thing::new("a", "x", 1)).await.unwrap();
    assert_eq!(first.version, 1);
    let conflict = store.create(Thing::new("a", "y", 1)).await.unwrap_err();
    assert!(matches!(conflict, StoreError::Conflict { kind: "thing", .. }));
    let second = Thing::new("a", "y", 2);
    let receipt = store.commit(store.batch().update(&first, &second)).await.unwrap();
    assert_eq!(receipt.versions, [2]);
    let stale = store.commit(store.batch().update(&first, &Thing::new("a", "z", 3))).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })));
    let kept = store.get::<Thing>("a").await.unwrap().unwrap();
    assert_eq!(kept, Versioned { version: 2, document: second });
    store.commit(store.batch().delete(&kept)).await.unwrap();
    assert!(store.get::<Thing>("a").await.unwrap().is_none());
    let again = store.commit(store.batch().delete(&kept)).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })));
}

async fn a_batch_is_whole_or_not_at_all(store: &Store) {
    let a = store.create(Thing::new("a", "a", 1)).await.unwrap();
    let head = *store.journal_head(Account::FIRST).borrow();
    let stale = Versioned { version: 9, document: a.document.clone() };
    let batch = store.batch().create(&Thing::new("b", "b", 1)).update(&stale, &Thing::new("a", "c", 2));
    assert!(matches!(store.commit(batch).await, Err(StoreError::Conflict { .. })));
    assert!(store.get::<Thing>("b").await.unwrap().is_none());
    assert_eq!(store.scan::<Thing>(Scan::of("rank")).await.unwrap().items, std::slice::from_ref(&a));
    assert_eq!(*store.journal_head(Account::FIRST).borrow(), head);

    let batch = store.batch().create(&Thing::new("b", "b", 1)).update(&a, &Thing::new("a", "c", 2));
    let receipt = store.commit(batch).await.unwrap();
    assert_eq!((receipt.versions, receipt.last_seq), (vec![1, 2], Some(head + 2)));
    let twice = store.batch().create(&Thing::new("c", "x", 1)).create(&Thing::new("c", "y", 1));
    assert!(matches!(store.commit(twice).await, Err(StoreError::Key { .. })));
    let nothing = store.commit(store.batch()).await.unwrap();
    assert_eq!(nothing.versions, Vec::<u64>::new());
}

async fn unique_keys_belong_to_one(store: &Store) {
    let a = store.create(Thing::new("a", "left", 1)).await.unwrap();
    let b = store.create(Thing::new("b", "right", 1)).await.unwrap();
    let taken = store.create(Thing::new("c", "left", 1)).await;
    assert!(matches!(taken, Err(StoreError::Taken { kind: "thing", .. })));
    let same = store.batch().create(&Thing::new("c", "new", 1)).create(&Thing::new("d", "new", 1));
    assert!(matches!(store.commit(same).await, Err(StoreError::Taken { .. })));
    let swap = store.batch().update(&a, &Thing::new("a", "right", 1)).update(&b, &Thing::new("b", "left", 1));
    store.commit(swap).await.unwrap();
    let found = store.find::<Thing>("name", IndexKey::new().text("left")).await.unwrap().unwrap();
    assert_eq!(found.document.id, "b");
    store.commit(store.batch().delete(&found)).await.unwrap();
    assert!(store.find::<Thing>("name", IndexKey::new().text("left")).await.unwrap().is_none());
    store.create(Thing::new("e", "left", 1)).await.unwrap();
}

async fn indexes_are_ordered_and_paged(store: &Store) {
    for number in [5u64, 300, 1, 70_000, 2] {
        store.create(Thing::new(&format!("id{number}"), &format!("n{number}"), number)).await.unwrap();
    }
    let ranks = |things: &[Versioned<Thing>]| things.iter().map(|t| t.document.rank).collect::<Vec<_>>();
    let all = store.scan::<Thing>(Scan::of("rank")).await.unwrap();
    assert_eq!((ranks(&all.items), all.next), (vec![1, 2, 5, 300, 70_000], None));
    for falling in [false, true] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let scan = Scan::of("rank").after(cursor).limit(2);
            let scan = if falling { scan.falling() } else { scan };
            let page = store.scan::<Thing>(scan).await.unwrap();
            seen.extend(ranks(&page.items));
            // A cursor survives the way to the client and back.
            cursor = page.next.map(|cursor| cursor.to_string().parse().unwrap());
            if cursor.is_none() {
                break;
            }
        }
        let mut wanted = vec![1, 2, 5, 300, 70_000];
        if falling {
            wanted.reverse();
        }
        assert_eq!(seen, wanted);
    }
    let one = Scan::of("rank").within(IndexKey::new().number(300));
    assert_eq!(ranks(&store.scan::<Thing>(one).await.unwrap().items), [300]);
    assert!(store.scan::<Thing>(Scan::of("nothing")).await.unwrap().items.is_empty());
}

async fn the_journal_has_no_gap_and_no_secret(store: &Store) {
    let mut head = store.journal_head(Account::FIRST);
    let mut thing = Thing::new("a", "x", 1);
    thing.secret = "hunter2".to_owned();
    let first = store.create(thing).await.unwrap();
    assert!(head.has_changed().unwrap());
    head.borrow_and_update();
    store.commit(store.batch().put(&Note { id: "n".to_owned(), text: "t".to_owned() })).await.unwrap();
    assert!(!head.has_changed().unwrap());
    let second = Thing::new("a", "y", 1);
    store.commit(store.batch().update(&first, &second)).await.unwrap();
    let kept = Versioned { version: 2, document: second };
    store.commit(store.batch().delete(&kept)).await.unwrap();
    let page = store.journal(Account::FIRST, 0, 100).await.unwrap();
    assert!(!page.reset);
    let seqs: Vec<_> = page.entries.iter().map(|entry| (entry.seq, entry.version)).collect();
    assert_eq!(seqs, [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(page.entries[0].before, serde_json::Value::Null);
    assert_eq!(page.entries[1].before["name"], "x");
    assert_eq!(page.entries[1].after["name"], "y");
    assert_eq!(page.entries[2].after, serde_json::Value::Null);
    assert!(!serde_json::to_string(&page.entries).unwrap().contains("hunter2"));
    let rest = store.journal(Account::FIRST, 1, 1).await.unwrap().entries;
    assert_eq!(rest.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2]);
    assert!(store.journal(Account::FIRST, 3, 10).await.unwrap().entries.is_empty());
    assert!(store.journal(Account::FIRST, u64::MAX, 10).await.unwrap().entries.is_empty());
}

async fn long_values_come_back(store: &Store) {
    for length in [0, 1, 4000, 4096, 4097, 100_000, 3_000_000] {
        let mut thing = Thing::new(&format!("l{length}"), &format!("n{length}"), length as u64);
        thing.secret = "s".repeat(length);
        store.create(thing.clone()).await.unwrap();
        let read = store.get::<Thing>(&thing.id).await.unwrap().unwrap();
        assert_eq!(read.document, thing);
        let short = Thing { secret: "short".to_owned(), ..thing };
        store.commit(store.batch().update(&read, &short)).await.unwrap();
        assert_eq!(store.get::<Thing>(&short.id).await.unwrap().unwrap().document, short);
    }
}

async fn updates_at_the_same_time_all_count(store: &Store) {
    store.create(Thing::new("a", "x", 0)).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let changed = store
                        .update::<Thing, StoreError>("a", None, |thing, _, _| {
                            thing.rank += 1;
                            Ok(true)
                        })
                        .await;
                    assert!(changed.unwrap().is_some());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let counted = store.get::<Thing>("a").await.unwrap().unwrap();
    assert_eq!((counted.document.rank, counted.version), (80, 81));
    let missing = store.update::<Thing, StoreError>("b", None, |_, _, _| Ok(true)).await.unwrap();
    assert!(missing.is_none());
}

async fn numbers_are_given_once(store: &Store) {
    assert_eq!(store.next_number("things").await.unwrap(), 1);
    assert_eq!(store.next_number("things").await.unwrap(), 2);
    assert_eq!(store.next_number("others").await.unwrap(), 1);
}

async fn bad_names_are_refused(store: &Store) {
    for id in ["", "a b", "a\0b", "ä", &"x".repeat(65)] {
        let refused = store.create(Thing::new(id, "x", 1)).await;
        assert!(matches!(refused, Err(StoreError::Key { .. })), "{id:?}");
    }
    let long = store.create(Thing::new("a", &"x".repeat(200), 1)).await;
    assert!(matches!(long, Err(StoreError::Key { .. })));
    assert_eq!(*store.journal_head(Account::FIRST).borrow(), 0);
}

async fn blind_writes_are_for_what_is_not_journalled(store: &Store) {
    let note = |text: &str| Note { id: "n".to_owned(), text: text.to_owned() };
    store.commit(store.batch().put(&note("a"))).await.unwrap();
    store.commit(store.batch().put(&note("b"))).await.unwrap();
    let kept = store.get::<Note>("n").await.unwrap().unwrap();
    assert_eq!((kept.version, kept.document.text.as_str()), (2, "b"));
    let refused = store.commit(store.batch().put(&Thing::new("a", "x", 1))).await;
    assert!(matches!(refused, Err(StoreError::Key { .. })));
}

/// A document of some account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owned {
    id: String,
    account: u64,
}

impl Document for Owned {
    const KIND: &'static str = "owned";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn owner(&self) -> Owner {
        Owner::Account(Account(self.account))
    }
}

async fn each_account_has_a_journal_of_its_own(store: &Store) {
    let owned = |id: &str, account: u64| Owned { id: id.to_owned(), account };
    let mut second = store.journal_head(Account(2));
    store.create(owned("a", 1)).await.unwrap();
    assert!(!second.has_changed().unwrap());
    let batch = store.batch().create(&owned("b", 2)).create(&owned("c", 1)).create(&owned("d", 2));
    store.commit(batch).await.unwrap();
    second.changed().await.unwrap();
    assert_eq!((store.journal_seq(Account(1)), store.journal_seq(Account(2))), (2, 2));
    for (account, wanted) in [(1, ["a", "c"]), (2, ["b", "d"])] {
        let entries = store.journal(Account(account), 0, 10).await.unwrap().entries;
        let ids: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.id.as_str())).collect();
        assert_eq!(ids, [(1, wanted[0]), (2, wanted[1])]);
    }
    assert!(store.journal(Account(3), 0, 10).await.unwrap().entries.is_empty());
}

/// What an earlier release kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Before {
    id: String,
    name: String,
}

impl Document for Before {
    const KIND: &'static str = "shaped";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// What this release makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct After {
    id: String,
    first: String,
    last: String,
}

impl Document for After {
    const KIND: &'static str = "shaped";
    const SCHEMA: u32 = 3;

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn upgrade(from: u32, mut value: serde_json::Value) -> Result<serde_json::Value, String> {
        let name = value["name"].as_str().ok_or("it has no name")?.to_owned();
        if from == 2 {
            let (first, last) = name.split_once(' ').ok_or("its name is of one word")?;
            value["first"] = first.into();
            value["last"] = last.into();
        }
        Ok(value)
    }
}

async fn old_shapes_are_upgraded_and_newer_ones_refused(store: &Store) {
    let before = |id: &str, name: &str| Before { id: id.to_owned(), name: name.to_owned() };
    store.create(before("a", "Ada Lovelace")).await.unwrap();
    store.create(before("b", "Plato")).await.unwrap();
    let upgraded = store.get::<After>("a").await.unwrap().unwrap();
    assert_eq!((upgraded.version, upgraded.document.last.as_str()), (1, "Lovelace"));
    let refused = store.get::<After>("b").await.unwrap_err().to_string();
    assert!(refused.contains("shaped b") && refused.contains("one word"), "{refused}");
    // Written again, it has the new shape, which the old release refuses in words.
    let after = After { id: "a".to_owned(), first: "Ada".to_owned(), last: "King".to_owned() };
    store.commit(store.batch().update(&upgraded, &after)).await.unwrap();
    assert_eq!(store.get::<After>("a").await.unwrap().unwrap().document, after);
    let refused = store.get::<Before>("a").await.unwrap_err().to_string();
    assert!(refused.contains("shape 3") && refused.contains("update"), "{refused}");
}
