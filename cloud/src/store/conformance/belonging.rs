//! What every engine must do when an account goes: all kinds of it, and nothing of another.

use super::super::{Account, Document, Owner, Progress, Record, Store, StoreError};
use super::whole::everything;
use super::{Owned, Thing};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Of a kind that no slice knows: it says whose it is, and no more is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    id: String,
    of: String,
}

impl Document for Part {
    const KIND: &'static str = "part";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(&self.of)
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

async fn fill(store: &Store) {
    store.create(Thing::new("server", "server", 1)).await.unwrap();
    for number in 0..450u64 {
        let id = format!("o{number}");
        store.create(Owned { id: id.clone(), account: 1 + number % 3 }).await.unwrap();
        store.commit(store.batch().put(&Part { id: format!("p{number}"), of: id })).await.unwrap();
    }
}

/// The records that are not this account's, by the rule by which the store was filled.
fn of_others(records: &[Record], account: u64) -> Vec<Record> {
    let is_its = |number: &str| number.parse::<u64>().is_ok_and(|number| 1 + number % 3 == account);
    let is_others = |record: &&Record| match record {
        Record::Document { kind, id, .. } => kind == "thing" || !is_its(&id[1..]),
        Record::Entry { account: of, .. } | Record::Oldest { account: of, .. } => of.0 != account,
        _ => true,
    };
    records.iter().filter(is_others).cloned().collect()
}

pub(super) async fn an_account_goes_with_every_kind_and_nothing_of_others(store: &Store) {
    fill(store).await;
    let last = Owned { id: "o1".to_owned(), account: 2 };
    let (account, quiet) = (Account(2), Progress::unwatched());
    let found = store.belongings(account, &quiet).await.unwrap();
    let counts: Vec<_> = found.documents.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!((counts, found.entries), (vec![("owned", 150), ("part", 150)], 150));
    let before = everything(store).await.0;

    // Stopped wherever it is, it goes on when it is asked for again.
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let stopped = Progress::new(move |_, _| stopper.cancel(), stop);
    assert!(store.forget_belongings(account, &last, &stopped).await.is_err());
    let half = store.belongings(account, &quiet).await.unwrap();
    assert!(
        half.documents.values().sum::<u64>() > 1 && half.documents.values().sum::<u64>() < 300,
        "{half:?}"
    );
    store.forget_belongings(account, &last, &quiet).await.unwrap();
    assert_eq!(store.belongings(account, &quiet).await.unwrap().documents, [("owned".to_owned(), 1)].into());
    assert!(store.journal(account, 0, 10).await.unwrap().entries.is_empty());
    store.forget_one(&last).await.unwrap();
    store.forget_one(&last).await.unwrap();
    assert_eq!(store.belongings(account, &quiet).await.unwrap(), super::super::Belongings::default());

    let left: Vec<Record> = everything(store).await.0;
    assert_eq!(of_others(&left, 2), of_others(&before, 2), "something of others changed");
    let strange =
        left.iter().filter(|record| matches!(record, Record::Document { .. } | Record::Entry { .. }));
    assert_eq!(
        strange.count(),
        of_others(&before, 2)
            .iter()
            .filter(|record| !matches!(record, Record::Counter { .. } | Record::Oldest { .. }))
            .count()
    );
    assert_eq!(store.engine().check(Arc::new(|_| true)).await.unwrap(), []);
    // Its journal never begins anew: whoever follows it notices.
    let seq = store.journal_seq(account);
    store.create(Owned { id: "new".to_owned(), account: 2 }).await.unwrap();
    assert!(store.journal_seq(account) > seq && seq >= 150, "{seq}");
    let conflict = store.create(Owned { id: "new".to_owned(), account: 2 }).await;
    assert!(matches!(conflict, Err(StoreError::Conflict { .. })));
}
