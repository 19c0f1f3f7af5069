//! Leasing: several entries at a time, without everybody fighting for the first one.

use super::entry::{DUE, by_priority};
use super::{EntryState, Lease, MAX_TOGETHER, Priority, Queue, QueueEntry, QueueError, checked};
use crate::clock::Timestamp;
use crate::store::{Document, Scan, StoreError, Versioned};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often leasing is tried when others are quicker; whoever asked comes again anyway.
const TRIES: usize = 6;
/// How many times as many entries are looked at as are wanted, when others lease too.
const SPREAD: usize = 8;
/// Leases in a row without a conflict, after which a queue counts as not crowded.
const CALM: u32 = 16;

/// Which of `due` entries to lease when `want` are wanted: the first ones, or in a crowd one stretch by chance.
fn choose(due: usize, want: usize, crowd: Option<u64>) -> Range<usize> {
    let want = want.min(due);
    if want == 0 {
        return 0..0;
    }
    // Stretches that do not overlap: whoever draws another one is out of the way.
    let stretches = (due / want) as u64;
    let start = crowd.map_or(0, |random| (random % stretches) as usize * want);
    start..start + want
}

/// The next number of a sequence that looks random (SplitMix64).
fn next(random: u64) -> u64 {
    let mut z = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Queue {
    /// Leases up to `want` due entries to `holder` for `length`: by priority, then by time.
    ///
    /// `random` decides which, when others lease from the same queue. None does not mean that
    /// the queue is empty.
    pub async fn lease(
        &self,
        holder: &str,
        want: usize,
        length: Duration,
        mut random: u64,
    ) -> Result<Vec<Lease>, QueueError> {
        checked(holder)?;
        let mut want = want.min(MAX_TOGETHER);
        for _ in 0..TRIES {
            if want == 0 {
                break;
            }
            let crowded = self.crowd.load(Ordering::Relaxed) > 0;
            let now = self.store.batch().at();
            let chosen = self.candidates(now, want, crowded.then_some(random)).await?;
            if chosen.is_empty() {
                break;
            }
            match self.claim(&chosen, holder, now, length).await {
                Ok(leases) => {
                    self.calm();
                    if !leases.is_empty() {
                        return Ok(leases);
                    }
                    // All of them were dead by now: look at those behind them.
                }
                Err(StoreError::Conflict { kind: QueueEntry::KIND, .. }) => {
                    self.crowd.store(CALM, Ordering::Relaxed);
                    random = next(random);
                    want = want.div_ceil(2);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Vec::new())
    }

    async fn candidates(
        &self,
        now: Timestamp,
        want: usize,
        crowd: Option<u64>,
    ) -> Result<Vec<Versioned<QueueEntry>>, QueueError> {
        let mut chosen = Vec::new();
        for priority in Priority::ALL {
            let want = want - chosen.len();
            if want == 0 {
                break;
            }
            let limit = if crowd.is_some() { want * SPREAD } else { want };
            let within = by_priority(&self.name, priority);
            let page = self.store.scan::<QueueEntry>(Scan::of(DUE).within(within).limit(limit)).await?;
            let mut due = page.items;
            due.retain(|found| found.document.is_due(now));
            let range = choose(due.len(), want, crowd);
            chosen.extend(due.drain(range));
        }
        Ok(chosen)
    }

    /// Leases all of these or none.
    async fn claim(
        &self,
        chosen: &[Versioned<QueueEntry>],
        holder: &str,
        now: Timestamp,
        length: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut batch = self.store.batch();
        let mut leases = Vec::new();
        for old in chosen {
            let new = old.document.lease(now, holder, length);
            batch = batch.update(old, &new);
            if let EntryState::Leased { until, .. } = new.state {
                let QueueEntry { id, fence, attempts, payload, .. } = new;
                leases.push(Lease { id, fence, attempts, payload, until });
            } else {
                tracing::warn!(
                    queue = new.queue,
                    entry = new.id,
                    "an entry was tried too often and rests now"
                );
            }
        }
        self.store.commit(batch).await?;
        Ok(leases)
    }

    fn calm(&self) {
        let calmer = |crowd: u32| crowd.checked_sub(1);
        // An error means that it was calm already.
        let _ = self.crowd.fetch_update(Ordering::Relaxed, Ordering::Relaxed, calmer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn alone_one_takes_from_the_front_and_in_a_crowd_a_stretch() {
        assert_eq!(choose(100, 10, None), 0..10);
        assert_eq!(choose(3, 10, Some(7)), 0..3);
        assert_eq!(choose(0, 10, Some(7)), 0..0);
        let drawn: std::collections::BTreeSet<_> =
            (0..100).map(|random| choose(80, 10, Some(next(random))).start).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 10, 20, 30, 40, 50, 60, 70]);
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_there(due in 0usize..500, want in 0usize..200, random: Option<u64>) {
            let chosen = choose(due, want, random);
            prop_assert!(chosen.end <= due);
            prop_assert_eq!(chosen.len(), want.min(due));
        }
    }
}
