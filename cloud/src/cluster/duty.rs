//! What only one process may do at a time: whoever has the role and comes first does it, the others stand by.
//!
//! A store that belongs to one process needs no record of it.
#![allow(clippy::disallowed_methods, reason = "a driver: it renews its leases in time")]

use super::Role;
use super::lease::{Lease, Leased, claim};
use super::member::Member;
use crate::clock::Timestamp;
use crate::store::{Batch, Document, Owner, Receipt, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Who does something for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DutyRecord {
    /// The role that it belongs to.
    duty: Role,
    /// The process that has it, or had it last.
    pub(crate) node: String,
    /// Where that process answers others.
    pub(crate) address: Option<String>,
    token: u64,
    /// Whoever is silent until then has lost it.
    until: Timestamp,
}

impl Document for DutyRecord {
    const KIND: &'static str = "duty";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.duty.name().to_owned()
    }
}

impl Leased for DutyRecord {
    fn token(&self) -> u64 {
        self.token
    }
}

/// Says that another process does it, or that nobody can tell.
enum NotNow {
    Elsewhere,
    Store(StoreError),
}

impl From<StoreError> for NotNow {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl DutyRecord {
    fn next(
        before: Option<&Self>,
        duty: Role,
        own: (&str, Option<&str>),
        now: Timestamp,
        lease: Duration,
    ) -> Option<Self> {
        let (node, address) = own;
        if before.is_some_and(|before| before.until > now && before.node != node) {
            return None;
        }
        Some(Self {
            duty,
            node: node.to_owned(),
            address: address.map(str::to_owned),
            token: before.map_or(0, |before| before.token) + 1,
            until: now.plus(lease),
        })
    }

    fn until(&self, until: Timestamp) -> Self {
        Self { until, ..self.clone() }
    }
}

/// Takes and gives duties; cloned freely.
#[derive(Clone)]
pub(crate) struct Duties(Arc<Member>);

impl Duties {
    pub(super) fn new(member: Arc<Member>) -> Self {
        Self(member)
    }

    /// Takes a duty if no other process has it.
    pub(crate) async fn try_take(&self, duty: Role) -> Result<Option<Duty>, StoreError> {
        let member = &self.0;
        if !member.shared {
            return Ok(Some(Duty::alone(member.store.clone())));
        }
        let claimed = claim(&member.store, duty.name(), |before: Option<&DutyRecord>| {
            DutyRecord::next(before, duty, member.own(), member.now(), member.lease).ok_or(NotNow::Elsewhere)
        });
        match claimed.await {
            Ok(record) => {
                tracing::debug!(%duty, token = record.document.token, "this process does it from now on");
                let lease = Lease::new(member.store.clone(), record);
                let held = Arc::new(Held { member: Arc::clone(member), lease });
                tokio::spawn(keep(Arc::downgrade(&held), member.renewal()));
                Ok(Some(Duty { store: member.store.clone(), held: Some(held) }))
            }
            // Others were quicker again and again: one of them has it.
            Err(NotNow::Elsewhere | NotNow::Store(StoreError::Conflict { .. })) => Ok(None),
            Err(NotNow::Store(error)) => Err(error),
        }
    }

    /// Takes a duty as soon as no other process has it.
    pub(crate) async fn take(&self, duty: Role) -> Duty {
        let mut stands_by = false;
        loop {
            match self.try_take(duty).await {
                Ok(Some(taken)) => return taken,
                Ok(None) if !stands_by => {
                    tracing::info!(%duty, "another process does this; this one stands by");
                    stands_by = true;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%duty, %error, "cannot tell whether this process is to do it"),
            }
            tokio::time::sleep(self.0.renewal()).await;
        }
    }

    /// The process that has the duty now.
    pub(crate) async fn holder(&self, duty: Role) -> Result<Option<DutyRecord>, StoreError> {
        let found = self.0.store.get::<DutyRecord>(duty.name()).await?.map(|found| found.document);
        Ok(found.filter(|found| found.until > self.0.now()))
    }
}

/// Something that this process alone does now; cloned freely.
#[derive(Clone)]
pub(crate) struct Duty {
    store: Store,
    /// Absent where the store belongs to this process alone.
    held: Option<Arc<Held>>,
}

struct Held {
    member: Arc<Member>,
    lease: Lease<DutyRecord>,
}

impl Held {
    async fn write(&self, batch: Batch) -> Result<Receipt, StoreError> {
        let until = self.member.now().plus(self.member.lease);
        self.lease.write(batch, |record| record.until(until)).await
    }
}

impl Duty {
    /// Of the one process that a store belongs to.
    pub(crate) fn alone(store: Store) -> Self {
        Self { store, held: None }
    }

    /// Carries a batch out only if this is still this process's duty: a conflict on its record if not.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<Receipt, StoreError> {
        match &self.held {
            Some(held) => held.write(batch).await,
            None => self.store.commit(batch).await,
        }
    }

    /// Whether another process has taken it over.
    pub(crate) fn is_lost(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.lease.lost().is_cancelled())
    }

    /// Leaves it to another process.
    pub(crate) async fn give_back(&self) {
        if let Some(held) = &self.held {
            held.lease.give_back(|record| record.until(Timestamp::from_unix_ms(0))).await;
        }
    }

    /// A token that is cancelled when the duty is lost or the server ends.
    pub(crate) fn term(&self, shutdown: &CancellationToken) -> CancellationToken {
        let term = shutdown.child_token();
        if let Some(held) = &self.held {
            let (lost, ended) = (held.lease.lost().clone(), term.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = lost.cancelled() => ended.cancel(),
                    () = ended.cancelled() => {}
                }
            });
        }
        term
    }
}

/// Renews a duty until nobody has it any more.
async fn keep(held: Weak<Held>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(held) = held.upgrade() else { return };
        if held.lease.lost().is_cancelled() {
            return;
        }
        if let Err(error) = held.write(held.member.store.batch()).await {
            tracing::warn!(%error, "a duty of this process is not renewed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(6);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_ms(second * 1000)
    }

    #[test]
    fn one_has_it_until_its_lease_ends_or_it_starts_anew() {
        let next = |before: Option<&DutyRecord>, node, second| {
            DutyRecord::next(before, Role::Hooks, (node, None), at(second), LEASE)
        };
        let first = next(None, "a", 0).unwrap();
        assert_eq!((first.token, first.until), (1, at(6)));
        assert_eq!(next(Some(&first), "b", 5), None);
        let renewed = first.until(at(11));
        assert_eq!(next(Some(&renewed), "b", 10), None);
        let second = next(Some(&renewed), "b", 11).unwrap();
        assert_eq!((second.node.as_str(), second.token), ("b", 2));
        assert_eq!(next(Some(&second), "b", 12).unwrap().token, 3, "its own earlier run is no hindrance");
        assert_eq!(next(Some(&second.until(at(0))), "a", 12).unwrap().token, 3, "given back");
    }
}
