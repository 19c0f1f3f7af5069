//! This process as one of those that hold things in the store.

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::store::{Store, StoreKind};
use std::sync::OnceLock;
use std::time::Duration;

pub(super) struct Member {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) lease: Duration,
    /// Whether other processes can be on this store.
    pub(super) shared: bool,
    /// This process's name and address.
    own: OnceLock<(String, Option<String>)>,
}

impl Member {
    pub(super) fn new(config: &Config, store: &Store, clock: &Clock) -> Self {
        Self {
            store: store.clone(),
            clock: clock.clone(),
            lease: config.cluster.lease(),
            shared: config.store.kind != StoreKind::Sled,
            own: OnceLock::new(),
        }
    }

    /// Tells who this process is; once.
    pub(super) fn set_own(&self, node: &str, address: Option<String>) {
        let _ = self.own.set((node.to_owned(), address));
    }

    /// This process's name, empty before it has one, and where others reach it.
    pub(super) fn own(&self) -> (&str, Option<&str>) {
        self.own.get().map_or(("", None), |(node, address)| (node.as_str(), address.as_deref()))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How often what is held is renewed.
    pub(super) fn renewal(&self) -> Duration {
        self.lease / 3
    }
}
