//! A map that says what a store must do, held against each engine step by step.

use super::conformance::Thing;
use super::{Account, Entry, IndexKey, Scan, Store, StoreError, Versioned};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Create { id: u8, name: u8, rank: u8, length: usize },
    Update { id: u8, name: u8, rank: u8, length: usize, stale: bool },
    Delete { id: u8, stale: bool },
    Reopen,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
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

/// Carries the steps out on an empty store, which `open` opens again and again, and on the model.
pub(super) async fn follow<F, Fut>(steps: Vec<Step>, open: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Store>,
{
    let (mut store, mut model) = (open().await, Model::default());
    for step in steps {
        if matches!(step, Step::Reopen) {
            store.close().await;
            drop(store);
            store = open().await;
        }
        model.step(&store, step).await;
        model.compare(&store).await;
    }
    store.close().await;
}
