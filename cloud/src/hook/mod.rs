//! Notifications to the user's server: one URL, in Gcore's shapes.
//!
//! Each notification is tried once, as Gcore does, and in order. The reader's place in the journal is on disk
//! *before* a notification leaves: after a crash nothing is sent twice, and at most the one under way is lost.

mod deliver;
mod document;
mod gcore;
mod http;

pub use document::{Delivery, Hook};
pub use http::{Operations, routes};

use crate::account::everyone;
use crate::app::App;
use crate::clock::Clock;
use crate::cluster::Role;
use crate::id::UserId;
use crate::outbound::{Guard, Http};
use crate::secret::{SecretError, Vault};
use crate::store::{Account, Store, StoreError, Versioned};
use document::Place;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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
}

/// A hook with how its deliveries fare.
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
    outbound: Guard,
    http: Http,
    /// Where each journal has been read to, which the place on disk may lag behind.
    read: Mutex<HashMap<Account, u64>>,
}

impl Hooks {
    /// Makes the handle.
    pub fn new(outbound: Guard, store: Store, vault: Vault, clock: Clock) -> Self {
        let http = outbound.http(deliver::TIMEOUT);
        Self(Arc::new(Inner { store, vault, clock, outbound, http, read: Mutex::default() }))
    }

    /// Reads an account's hook.
    pub async fn get(&self, account: Account) -> Result<Option<HookView>, HookError> {
        let Some(hook) = self.0.store.get::<Hook>(account).await? else { return Ok(None) };
        let head = self.0.store.journal_seq(account);
        let place = self.0.store.get::<Place>(account).await?;
        let place = place.map_or_else(|| Place::at(account, head), |place| place.document);
        let url = self.url(&hook)?;
        let read = place.seq.max(self.read(account));
        Ok(Some(HookView { url, version: hook.version, behind: head.saturating_sub(read), place }))
    }

    /// Sets the URL. A first one is told what happens from now on; a new one takes over what is left to be told.
    pub async fn set(&self, account: Account, url: &Url, by: Option<UserId>) -> Result<HookView, HookError> {
        let store = &self.0.store;
        loop {
            let old = store.get::<Hook>(account).await?;
            let sealing = self.0.vault.sealing().await?;
            let new = Hook {
                account,
                url: sealing.seal::<Hook>(&context(account), url.as_str().as_bytes()),
                dialect: gcore::NAME.to_owned(),
            };
            let batch = store.batch().by(by);
            let batch = match &old {
                Some(old) => batch.update(old, &new),
                None => batch.create(&new).put(&Place::at(account, store.journal_seq(account))),
            };
            match store.commit(batch).await {
                Ok(_) => drop(sealing),
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(view) = self.get(account).await? {
                return Ok(view);
            }
        }
    }

    /// Takes the hook away; whether there was one.
    pub async fn remove(&self, account: Account, by: Option<UserId>) -> Result<bool, HookError> {
        let store = &self.0.store;
        loop {
            let Some(old) = store.get::<Hook>(account).await? else { return Ok(false) };
            match store.commit(store.batch().by(by).delete(&old)).await {
                Ok(_) => return Ok(true),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self, account: Account) -> u64 {
        let read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(&account).copied().unwrap_or(0)
    }

    fn set_read(&self, account: Account, seq: u64) {
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner).insert(account, seq);
    }

    fn url(&self, hook: &Versioned<Hook>) -> Result<Url, HookError> {
        let url = self.0.vault.unseal(&context(hook.document.account), &hook.document.url)?;
        Ok(Url::parse(&String::from_utf8_lossy(&url))?)
    }
}

/// What an account's URL is sealed for.
fn context(account: Account) -> String {
    format!("hook {account}")
}

/// Starts the deliveries: here, or as soon as no other process makes them.
pub fn start(app: App) {
    app.cluster.clone().spawn(async move {
        loop {
            let duty = tokio::select! {
                biased;
                () = app.shutdown.cancelled() => return,
                duty = app.cluster.duties().take(Role::Hooks) => duty,
            };
            let term = duty.term(&app.shutdown);
            everyone::follow(&app.store, &term, |account, _| {
                let hooks = app.hooks.clone();
                deliver::Driver::new(hooks, account, duty.clone()).run(term.clone())
            })
            .await;
            duty.give_back().await;
        }
    });
}
