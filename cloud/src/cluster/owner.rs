//! Who takes an event's broadcasts in: one process at a time, by a lease with a fencing token.

use super::lease::Leased;
use crate::clock::Timestamp;
use crate::id::EventId;
use crate::store::{Document, Index, IndexKey, Owner};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The index of owned events that have not come to their end.
pub(super) const UNFINISHED: &str = "unfinished";

/// What the store knows of an event's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IngestOwner {
    pub(crate) event: EventId,
    /// The process that has it, or had it last.
    pub(crate) node: String,
    /// Where that process answers others.
    pub(crate) address: Option<String>,
    /// Goes up with each new owner: what an earlier one still wants to write is refused.
    pub(crate) token: u64,
    /// Whoever is silent until then has lost it.
    pub(crate) until: Timestamp,
    /// Whether an encoder is connected; without one the event may be taken over at once.
    pub(crate) busy: bool,
    /// The event has ended and its items are made.
    pub(crate) finished: bool,
}

impl Document for IngestOwner {
    const KIND: &'static str = "ingest_owner";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(self.event)
    }

    fn id(&self) -> String {
        self.event.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        if self.finished { Vec::new() } else { vec![Index::many(UNFINISHED, IndexKey::new())] }
    }
}

impl Leased for IngestOwner {
    fn token(&self) -> u64 {
        self.token
    }
}

/// Who wants an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant<'a> {
    pub(super) node: &'a str,
    pub(super) address: Option<&'a str>,
    /// It brings an encoder, and so may take what lies idle elsewhere.
    pub(super) publishes: bool,
}

impl IngestOwner {
    /// The first owner.
    pub(super) fn first(event: EventId, claimant: Claimant<'_>, now: Timestamp, lease: Duration) -> Self {
        Self {
            event,
            node: claimant.node.to_owned(),
            address: claimant.address.map(str::to_owned),
            token: 1,
            until: now.plus(lease),
            busy: claimant.publishes,
            finished: false,
        }
    }

    /// Whether somebody has it now.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.until > now
    }

    /// The next owner; `None` while another process has it and needs it.
    pub(super) fn taken(&self, claimant: Claimant<'_>, now: Timestamp, lease: Duration) -> Option<Self> {
        let held = self.is_live(now) && self.node != claimant.node;
        if held && (self.busy || !claimant.publishes) {
            return None;
        }
        let first = Self::first(self.event, claimant, now, lease);
        Some(Self { token: self.token + 1, finished: self.finished, ..first })
    }

    /// The same owner for another while.
    pub(super) fn renewed(&self, busy: bool, now: Timestamp, lease: Duration) -> Self {
        Self { until: now.plus(lease), busy, ..self.clone() }
    }

    /// Free for whoever wants it.
    pub(super) fn given_back(&self, finished: bool) -> Self {
        Self { until: Timestamp::from_unix_ms(0), busy: false, finished, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(6);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_ms(second * 1000)
    }

    fn claimant(node: &str, publishes: bool) -> Claimant<'_> {
        Claimant { node, address: None, publishes }
    }

    #[test]
    fn one_owner_at_a_time_and_each_has_a_higher_token() {
        let event = EventId::from_random([7; 16]);
        let first = IngestOwner::first(event, claimant("a", true), at(0), LEASE);
        assert!(first.is_live(at(5)) && !first.is_live(at(6)));
        assert_eq!(first.taken(claimant("b", true), at(5), LEASE), None, "a busy owner keeps it");
        let again = first.renewed(true, at(5), LEASE);
        assert_eq!(again.taken(claimant("b", true), at(10), LEASE), None);
        let second = again.taken(claimant("b", true), at(11), LEASE).unwrap();
        assert_eq!((second.node.as_str(), second.token, second.until), ("b", 2, at(17)));
        // Its own earlier run is no hindrance.
        assert_eq!(second.taken(claimant("b", false), at(12), LEASE).unwrap().token, 3);
        let idle = second.renewed(false, at(12), LEASE);
        assert_eq!(idle.taken(claimant("c", false), at(13), LEASE), None, "only for an encoder");
        assert_eq!(idle.taken(claimant("c", true), at(13), LEASE).unwrap().token, 3);
        let free = second.given_back(false);
        assert_eq!(free.taken(claimant("c", false), at(12), LEASE).unwrap().token, 3);
    }
}
