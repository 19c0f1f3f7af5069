//! Virtual time, and a network that delays, loses, repeats and so reorders.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What happens later, in the order of its time.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    now_ms: u64,
    count: u64,
    order: BinaryHeap<Reverse<(u64, u64)>>,
    what: BTreeMap<u64, E>,
    pub(crate) dice: SmallRng,
    /// While this is set, messages are lost, repeated and held up.
    pub(crate) is_bad: bool,
}

impl<E> Agenda<E> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now_ms: 1_000,
            count: 0,
            order: BinaryHeap::new(),
            what: BTreeMap::new(),
            dice: SmallRng::seed_from_u64(seed),
            is_bad: true,
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(crate) fn at(&mut self, at_ms: u64, event: E) {
        self.count += 1;
        self.order.push(Reverse((at_ms.max(self.now_ms), self.count)));
        self.what.insert(self.count, event);
    }

    pub(crate) fn after(&mut self, range: std::ops::Range<u64>, event: E) {
        let delay = self.dice.random_range(range);
        self.at(self.now_ms + delay, event);
    }

    /// Sends over the network: perhaps late, perhaps twice, perhaps never.
    pub(crate) fn send(&mut self, event: E)
    where
        E: Clone,
    {
        if !self.is_bad {
            // In order, as on one TCP connection.
            self.after(2..3, event);
            return;
        }
        if self.chance(0.10) {
            return;
        }
        if self.chance(0.10) {
            self.after(1..3_000, event.clone());
        }
        let slow = self.chance(0.1);
        self.after(if slow { 1..2_000 } else { 1..100 }, event);
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.dice.random_bool(probability)
    }

    /// The next thing that happens, and moves the time to it.
    pub(crate) fn next(&mut self) -> Option<E> {
        let Reverse((at_ms, count)) = self.order.pop()?;
        self.now_ms = at_ms;
        self.what.remove(&count)
    }
}
