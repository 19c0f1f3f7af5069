//! What a group comes to, batch upon batch.

use super::*;
use crate::clock::Timestamp;
use crate::store::engine::RawChange;
use serde_json::Value;

fn index(key: &[u8], unique: bool) -> RawIndex {
    RawIndex { name: if unique { "name" } else { "rank" }.to_owned(), key: key.to_vec(), unique }
}

/// A change of a document with a unique key, and an entry of account 7's journal.
fn op(id: &str, expect: Expect, key: Option<&[u8]>) -> RawOp {
    let write = key.map(|key| RawWrite {
        schema: 1,
        body: b"{}".to_vec(),
        indexes: vec![index(key, true), index(b"1", false)],
    });
    let journal = RawChange {
        account: Account(7),
        at: Timestamp::default(),
        actor: None,
        before: Value::Null,
        after: Value::Null,
    };
    RawOp { kind: "thing", id: id.to_owned(), expect, write, journal: Some(journal) }
}

/// A database with one document, `a`, of version 3 under the key `x`.
fn held() -> Held {
    let indexes = vec![index(b"x", true), index(b"1", false)];
    let document = HeldDocument { kind: "thing".to_owned(), id: "a".to_owned(), version: 3, indexes };
    let journals = HashMap::from([(Account(7), Journal { seq: 10, oldest: 4 })]);
    Held { documents: vec![document], places: Vec::new(), journals }
}

/// The moves of a plan in words.
fn moves(plan: &Plan<'_>) -> Vec<String> {
    let words = |sign: char, places: Owned<'_, '_>| {
        let word = |((_, name, place), id): (&Place<'_>, &str)| {
            format!("{sign}{name} {} {id}", String::from_utf8_lossy(place))
        };
        places.into_iter().map(word).collect::<Vec<_>>()
    };
    let (leave, take) = plan.moves();
    [words('-', leave), words('+', take)].concat()
}

#[test]
fn a_batch_sees_what_the_batches_before_it_did() {
    let held = held();
    let mut plan = Plan::new(&held, true);
    let batches = [
        vec![op("a", Expect::Version(3), Some(b"y"))],
        // The key that is free now, and the version that is there now.
        vec![op("b", Expect::Absent, Some(b"x")), op("a", Expect::Version(4), Some(b"z"))],
        vec![op("b", Expect::Version(1), None)],
    ];
    let receipts: Vec<_> = batches.iter().map(|ops| plan.commit(ops).unwrap()).collect();
    let versions: Vec<_> = receipts.iter().map(|receipt| receipt.versions.clone()).collect();
    assert_eq!(versions, [vec![4], vec![1, 5], vec![2]]);
    assert_eq!(
        receipts.iter().map(|receipt| receipt.last_seq).collect::<Vec<_>>(),
        [Some(11), Some(13), Some(14)]
    );
    // What came and went within the group is not written, and what stayed is not written again.
    assert_eq!(moves(&plan), ["-name x a", "+name z a"]);
    assert!(plan.documents[&("thing", "a")].row.is_some_and(|row| row.version == 5));
    assert!(plan.documents[&("thing", "b")].row.is_none() && !plan.documents[&("thing", "b")].existed);
    assert_eq!(plan.entries.keys().map(|(_, seq)| *seq).collect::<Vec<_>>(), [11, 12, 13, 14]);
    assert_eq!(plan.take_records().len(), 8);
}

#[test]
fn a_batch_that_is_refused_leaves_no_trace() {
    let held = held();
    let mut plan = Plan::new(&held, true);
    let refused = [
        vec![op("b", Expect::Absent, Some(b"b")), op("a", Expect::Version(2), None)],
        vec![op("b", Expect::Absent, Some(b"x"))],
        vec![op("b", Expect::Absent, Some(b"k")), op("c", Expect::Absent, Some(b"k"))],
        vec![op("a", Expect::Absent, Some(b"x"))],
    ];
    let told: Vec<_> = refused.iter().map(|ops| plan.commit(ops).unwrap_err().to_string()).collect();
    assert!(told[0].contains("thing a has been changed") && told[3].contains("thing a has been changed"));
    assert!(told[1].contains("same name") && told[2].contains("same name"), "{told:?}");
    plan.trim(5);
    assert!(plan.is_empty() && plan.take_records().is_empty());
    assert_eq!(moves(&plan), [""; 0]);
}

#[test]
fn old_entries_go_a_few_at_a_time() {
    let mut held = held();
    held.journals.insert(Account(7), Journal { seq: 100, oldest: 1 });
    let mut plan = Plan::new(&held, true);
    let ops = [op("b", Expect::Absent, Some(b"b"))];
    plan.commit(&ops).unwrap();
    plan.trim(1000);
    assert_eq!(plan.journals[&Account(7)], Journal { seq: 101, oldest: 1 });
    plan.trim(5);
    assert_eq!(plan.journals[&Account(7)], Journal { seq: 101, oldest: 17 });
    let last = plan.take_records().pop();
    assert_eq!(last, Some(Record::Oldest { account: Account(7), seq: 17 }));
}

#[test]
fn a_record_takes_over_what_is_there() {
    let held = held();
    let document = |id: &str, key: &[u8]| Record::Document {
        kind: "thing".to_owned(),
        id: id.to_owned(),
        version: 9,
        schema: 2,
        indexes: vec![index(key, true)],
        body: b"{}".to_vec(),
    };
    let gone = |id: &str| Record::Gone { kind: "thing".to_owned(), id: id.to_owned() };
    let records = [document("b", b"x"), document("a", b"y"), document("c", b"y"), gone("a")];
    let mut plan = Plan::new(&held, false);
    for record in &records {
        plan.import(record).unwrap();
    }
    // `a` is gone, but the places that others took from it are theirs.
    assert_eq!(moves(&plan), ["-name x a", "-rank 1a a", "+name x b", "+name y c"]);
    let entries = [(7, 3), (7, 12), (8, 5), (8, 4)].map(|(account, seq)| Record::Entry {
        account: Account(account),
        seq,
        body: b"{}".to_vec(),
    });
    for record in &entries {
        plan.import(record).unwrap();
    }
    assert_eq!(plan.journals[&Account(7)], Journal { seq: 12, oldest: 3 });
    assert_eq!(plan.journals[&Account(8)], Journal { seq: 5, oldest: 4 });
    let oldest = Record::Oldest { account: Account(7), seq: 9 };
    plan.import(&oldest).unwrap();
    assert_eq!(plan.journals[&Account(7)], Journal { seq: 12, oldest: 9 });
    let bad = Record::Gone { kind: "thing".to_owned(), id: "a b".to_owned() };
    assert!(matches!(plan.import(&bad), Err(StoreError::Key { .. })));
}
