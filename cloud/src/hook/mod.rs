//! Notifications to the user's server: one URL, in Gcore's shapes.
//!
//! Each notification is tried once, as Gcore does, and in order. The reader's place in the journal is on disk
//! *before* a notification leaves: after a crash nothing is sent twice, and at most the one under way is lost.

mod deliver;
mod document;
mod gcore;
mod guard;
mod http;
mod network;

pub use document::{Delivery, Hook};
pub use guard::{Guard, GuardError};
pub use http::routes;
pub use network::{Network, canonical, is_public};

use crate::app::App;
use crate::clock::Clock;
use crate::cluster::Role;
use crate::config::Config;
use crate::id::UserId;
use crate::secret::{SecretError, Vault};
use crate::store::{Account, Store, StoreError, Versioned};
use document::{HOOK, Place};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use url::Url;

/// Says why the hook was not read, changed or started.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The store failed.
    #[error("cannot read or write the hook: {0}")]
    Store(#[from] StoreError),
    /// The URL does not open.
    #[error("cannot read the hook's URL: {0}")]
    Secret(#[from] SecretError),
    /// The URL as it was kept is none.
    #[error("the hook's stored URL is wrong: {0}")]
    Url(#[from] url::ParseError),
    /// Connections cannot be made.
    #[error("cannot set up the hook's client: {0}")]
    Client(#[from] reqwest::Error),
}

/// The hook with how its deliveries fare.
#[derive(Debug, Clone)]
pub struct HookView {
    /// Where notifications go.
    pub url: Url,
    /// Goes up with each change of the URL.
    pub version: u64,
    /// How the deliveries fare.
    pub place: Place,
    /// Journal entries that wait to be looked at.
    pub behind: u64,
}

/// The hook's handle; cloned freely.
#[derive(Clone)]
pub struct Hooks(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    clock: Clock,
    guard: Guard,
    /// Where the journal has been read to, which the place on disk may lag behind.
    read: AtomicU64,
}

impl Hooks {
    /// Makes the handle.
    pub fn new(config: &Config, store: Store, vault: Vault, clock: Clock) -> Self {
        // The configuration was checked when it was read.
        let allow = config.hooks.allow.iter().filter_map(|network| network.parse().ok()).collect();
        Self(Arc::new(Inner { store, vault, clock, guard: Guard::new(allow), read: AtomicU64::new(0) }))
    }

    /// Reads the hook.
    pub async fn get(&self) -> Result<Option<HookView>, HookError> {
        let Some(hook) = self.0.store.get::<Hook>(HOOK).await? else { return Ok(None) };
        let head = self.0.store.journal_seq(Account::FIRST);
        let place = self.0.store.get::<Place>(HOOK).await?;
        let place = place.map_or_else(|| Place::at(head), |place| place.document);
        let url = self.url(&hook)?;
        let read = place.seq.max(self.0.read.load(Ordering::Relaxed));
        Ok(Some(HookView { url, version: hook.version, behind: head.saturating_sub(read), place }))
    }

    /// Sets the URL. A first one is told what happens from now on; a new one takes over what is left to be told.
    pub async fn set(&self, url: &Url, by: Option<UserId>) -> Result<HookView, HookError> {
        let store = &self.0.store;
        loop {
            let old = store.get::<Hook>(HOOK).await?;
            let new = Hook {
                url: self.0.vault.seal(HOOK, url.as_str().as_bytes()),
                dialect: gcore::NAME.to_owned(),
            };
            let batch = store.batch().by(by);
            let batch = match &old {
                Some(old) => batch.update(old, &new),
                None => batch.create(&new).put(&Place::at(store.journal_seq(Account::FIRST))),
            };
            match store.commit(batch).await {
                Ok(_) => {}
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(view) = self.get().await? {
                return Ok(view);
            }
        }
    }

    /// Takes the hook away; whether there was one.
    pub async fn remove(&self, by: Option<UserId>) -> Result<bool, HookError> {
        let store = &self.0.store;
        loop {
            let Some(old) = store.get::<Hook>(HOOK).await? else { return Ok(false) };
            match store.commit(store.batch().by(by).delete(&old)).await {
                Ok(_) => return Ok(true),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn url(&self, hook: &Versioned<Hook>) -> Result<Url, HookError> {
        let url = self.0.vault.unseal(HOOK, &hook.document.url)?;
        Ok(Url::parse(&String::from_utf8_lossy(&url))?)
    }
}

/// Starts the deliveries: here, or as soon as no other process makes them.
pub async fn start(app: App) -> Result<(), HookError> {
    let client = app.hooks.0.guard.client(deliver::TIMEOUT)?;
    app.cluster.clone().spawn(async move {
        loop {
            let duty = tokio::select! {
                biased;
                () = app.shutdown.cancelled() => return,
                duty = app.cluster.duties().take(Role::Hooks) => duty,
            };
            let driver = deliver::Driver::new(app.hooks.clone(), client.clone(), duty.clone());
            driver.run(duty.term(&app.shutdown)).await;
            duty.give_back().await;
        }
    });
    Ok(())
}
