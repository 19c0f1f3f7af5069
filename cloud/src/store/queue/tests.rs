//! The embedded engine: the suite, and random histories against a model.

use super::{
    Backoff, EntryState, Lease, NewEntry, Priority, Queue, QueueEntry, QueueError, Settle, conformance,
};
use crate::clock::{Clock, Timestamp};
use crate::store::{Store, StoreError};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;

fn open(directory: &TempDir) -> Store {
    let clock = Clock::manual(Timestamp::from_unix_ms(1_000_000));
    Store::open_sled(directory.path(), clock).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled_has_queues_as_every_engine_must() {
    let directories = std::sync::Mutex::new(Vec::<TempDir>::new());
    conformance::run(|| {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory);
        directories.lock().unwrap().push(directory);
        async { store }
    })
    .await;
}

#[tokio::test]
async fn a_sleeper_is_woken_by_a_push_and_by_what_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let queue = Queue::new(open(&directory), "tests").unwrap();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.woken().await }
    });
    queue.push(NewEntry::default()).await.unwrap();
    waiting.await.unwrap();
    let lease = queue.lease("a", 1, Duration::from_secs(1), 0).await.unwrap().remove(0);
    queue.settle(&lease, &Settle::GiveBack, |batch, _| batch).await.unwrap();
    queue.woken().await;
}

/// One thing that happens; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Step {
    Push { key: Option<u8>, priority: Priority, delay_s: u8, max_attempts: Option<u32> },
    Lease { want: usize },
    Heartbeat { lease: usize },
    Complete { lease: usize },
    CompleteAll { from: usize },
    Fail { lease: usize, random: u64 },
    GiveUp { lease: usize },
    GiveBack { lease: usize },
    PutBack { entry: usize },
    Advance { seconds: u64 },
    TakeBack { holder: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let priority = prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)];
    let index = || 0usize..64;
    let step = prop_oneof![
        5 => (prop::option::weighted(0.3, 0u8..3), priority, 0u8..8, prop::option::of(1u32..4)).prop_map(
            |(key, priority, delay_s, max_attempts)| Step::Push { key, priority, delay_s, max_attempts }
        ),
        5 => (1usize..4).prop_map(|want| Step::Lease { want }),
        2 => index().prop_map(|lease| Step::Heartbeat { lease }),
        3 => index().prop_map(|lease| Step::Complete { lease }),
        1 => index().prop_map(|from| Step::CompleteAll { from }),
        2 => (index(), any::<u64>()).prop_map(|(lease, random)| Step::Fail { lease, random }),
        1 => index().prop_map(|lease| Step::GiveUp { lease }),
        1 => index().prop_map(|lease| Step::GiveBack { lease }),
        1 => index().prop_map(|entry| Step::PutBack { entry }),
        4 => (1u64..12).prop_map(|seconds| Step::Advance { seconds }),
        1 => (0u8..2).prop_map(|holder| Step::TakeBack { holder }),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Debug, Clone, PartialEq)]
enum Is {
    Waiting { at_s: u64 },
    Leased { until_s: u64, holder: u8 },
    Dead,
    Done,
}

/// What an entry should be.
#[derive(Debug, Clone)]
struct Modelled {
    priority: Priority,
    key: Option<u8>,
    max_attempts: Option<u32>,
    attempts: u32,
    fence: u64,
    is: Is,
}

const LEASE_S: u64 = 5;
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(4), most: Duration::from_secs(4) };

struct World {
    store: Store,
    queue: Queue,
    now_s: u64,
    entries: BTreeMap<String, Modelled>,
    leases: Vec<Lease>,
    holder: u8,
    completed: BTreeMap<String, usize>,
}

impl World {
    fn pick(&self, index: usize) -> Option<Lease> {
        (!self.leases.is_empty()).then(|| self.leases[index % self.leases.len()].clone())
    }

    fn is_held(&self, lease: &Lease) -> bool {
        self.entries
            .get(&lease.id)
            .is_some_and(|entry| entry.fence == lease.fence && matches!(entry.is, Is::Leased { .. }))
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Advance { seconds } => {
                self.now_s += seconds;
                self.store.clock.advance(Duration::from_secs(seconds));
            }
            Step::Push { key, priority, delay_s, max_attempts } => {
                self.push(key, priority, delay_s, max_attempts).await;
            }
            Step::Lease { want } => self.lease(want).await,
            Step::TakeBack { holder } => {
                self.queue.take_back(&format!("h{holder}")).await.unwrap();
                for entry in self.entries.values_mut() {
                    if matches!(entry.is, Is::Leased { holder: held, .. } if held == holder) {
                        entry.is = Is::Waiting { at_s: self.now_s };
                    }
                }
            }
            Step::PutBack { entry } => {
                let Some(id) = self.entries.keys().nth(entry % self.entries.len().max(1)).cloned() else {
                    return;
                };
                let result = self.queue.put_back(&id, |batch| batch).await;
                let Some(entry) = self.entries.get_mut(&id) else { return };
                if entry.is == Is::Dead {
                    result.unwrap();
                    (entry.is, entry.attempts) = (Is::Waiting { at_s: self.now_s }, 0);
                } else {
                    assert!(matches!(result, Err(QueueError::NotDead { .. })));
                }
            }
            Step::CompleteAll { from } => {
                let from = from.min(self.leases.len());
                let mut leases = self.leases[from..].to_vec();
                leases.sort_by(|a, b| (&a.id, a.fence).cmp(&(&b.id, b.fence)));
                leases.dedup();
                let refused = self.queue.complete_all(&leases).await.unwrap();
                let stale: Vec<_> = leases.iter().filter(|lease| !self.is_held(lease)).cloned().collect();
                assert_eq!(refused, stale);
                for lease in leases.iter().filter(|lease| !stale.contains(lease)) {
                    self.complete(&lease.id);
                }
            }
            Step::Heartbeat { lease } => {
                self.settle(lease, Settle::Extend(Duration::from_secs(LEASE_S))).await;
            }
            Step::Complete { lease } => self.settle(lease, Settle::Complete).await,
            Step::GiveUp { lease } => self.settle(lease, Settle::GiveUp { error: "no".to_owned() }).await,
            Step::GiveBack { lease } => self.settle(lease, Settle::GiveBack).await,
            Step::Fail { lease, random } => {
                let wait = Duration::from_secs(BACKOFF.wait(1, random).as_secs());
                self.settle(lease, Settle::Fail { error: "no".to_owned(), wait }).await;
            }
        }
    }

    async fn push(&mut self, key: Option<u8>, priority: Priority, delay_s: u8, max_attempts: Option<u32>) {
        let new = NewEntry {
            key: key.map(|key| format!("key {key}")),
            priority,
            delay: Duration::from_secs(delay_s.into()),
            max_attempts,
            payload: json!({ "key": key }),
            ..NewEntry::default()
        };
        let (batch, id) = self.queue.push_in(self.store.batch(), new).unwrap();
        let pushed = self.store.commit(batch).await;
        if key.is_some() && self.entries.values().any(|entry| entry.key == key) {
            assert!(matches!(pushed, Err(StoreError::Taken { .. })));
            return;
        }
        pushed.unwrap();
        let is = Is::Waiting { at_s: self.now_s + u64::from(delay_s) };
        self.entries.insert(id, Modelled { priority, key, max_attempts, attempts: 0, fence: 0, is });
    }

    /// What the queue should give: by priority, time and id, the dead passed over.
    async fn lease(&mut self, want: usize) {
        self.holder = 1 - self.holder;
        let (now_s, holder) = (self.now_s, self.holder);
        let leases =
            self.queue.lease(&format!("h{holder}"), want, Duration::from_secs(LEASE_S), 0).await.unwrap();
        let mut due: Vec<_> = self
            .entries
            .iter_mut()
            .filter_map(|(id, entry)| match entry.is {
                Is::Waiting { at_s: due } | Is::Leased { until_s: due, .. } if due <= now_s => {
                    Some(((entry.priority, due, id.clone()), entry))
                }
                _ => None,
            })
            .collect();
        due.sort_by(|a, b| a.0.cmp(&b.0));
        let mut wanted = Vec::new();
        for chunk in due.chunks_mut(want) {
            for (place, entry) in chunk {
                if entry.max_attempts.is_some_and(|most| entry.attempts >= most) {
                    entry.is = Is::Dead;
                    continue;
                }
                entry.attempts += 1;
                entry.fence += 1;
                entry.is = Is::Leased { until_s: now_s + LEASE_S, holder };
                wanted.push((place.2.clone(), entry.fence, entry.attempts));
            }
            if !wanted.is_empty() {
                break;
            }
        }
        let given: Vec<_> =
            leases.iter().map(|lease| (lease.id.clone(), lease.fence, lease.attempts)).collect();
        assert_eq!(given, wanted);
        self.leases.extend(leases);
    }

    async fn settle(&mut self, index: usize, how: Settle) {
        let Some(lease) = self.pick(index) else { return };
        let result = self.queue.settle(&lease, &how, |batch, _| batch).await;
        if !self.is_held(&lease) {
            assert!(matches!(result, Err(QueueError::Stale { .. })), "{result:?}");
            return;
        }
        result.unwrap();
        let now_s = self.now_s;
        if how == Settle::Complete {
            self.complete(&lease.id);
            return;
        }
        let Some(entry) = self.entries.get_mut(&lease.id) else { return };
        match (how, entry.is.clone()) {
            (Settle::Extend(_), Is::Leased { holder, .. }) => {
                entry.is = Is::Leased { until_s: now_s + LEASE_S, holder };
            }
            (Settle::Fail { wait, .. }, _) => {
                let last = entry.max_attempts.is_some_and(|most| entry.attempts >= most);
                entry.is = if last { Is::Dead } else { Is::Waiting { at_s: now_s + wait.as_secs() } };
            }
            (Settle::GiveBack, _) => {
                entry.attempts -= 1;
                entry.is = Is::Waiting { at_s: now_s };
            }
            _ => entry.is = Is::Dead,
        }
    }

    fn complete(&mut self, id: &str) {
        let times = self.completed.entry(id.to_owned()).or_default();
        *times += 1;
        assert_eq!(*times, 1, "{id} was completed twice");
        match self.entries.get_mut(id) {
            Some(entry) if entry.key.is_some() => entry.is = Is::Done,
            _ => drop(self.entries.remove(id)),
        }
    }

    async fn compare(&self) {
        for (id, wanted) in &self.entries {
            let found: QueueEntry = self.queue.get(id).await.unwrap().unwrap().document;
            let seconds = |time: Timestamp| (time.unix_ms() as u64 - 1_000_000) / 1000;
            let is = match &found.state {
                EntryState::Waiting { run_at, .. } => Is::Waiting { at_s: seconds(*run_at) },
                EntryState::Leased { until, holder } => Is::Leased {
                    until_s: seconds(*until),
                    holder: holder.trim_start_matches('h').parse().unwrap(),
                },
                EntryState::Dead { .. } => Is::Dead,
                EntryState::Done { .. } => Is::Done,
            };
            assert_eq!((&is, found.attempts, found.fence), (&wanted.is, wanted.attempts, wanted.fence));
        }
        for id in self.completed.keys().filter(|id| !self.entries.contains_key(*id)) {
            assert!(self.queue.get(id).await.unwrap().is_none());
        }
        let dead = self.entries.values().filter(|entry| entry.is == Is::Dead).count();
        assert_eq!(self.queue.dead(None, 100).await.unwrap().items.len(), dead);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_queue_does_what_its_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store = open(&directory);
            let queue = Queue::new(store.clone(), "tests").unwrap();
            let mut world = World {
                store, queue, now_s: 0, entries: BTreeMap::new(), leases: Vec::new(), holder: 0,
                completed: BTreeMap::new(),
            };
            for step in steps {
                world.step(step).await;
                world.compare().await;
            }
        });
    }
}
