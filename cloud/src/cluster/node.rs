//! Which processes there are: each writes down what it does, and says so again and again.
#![allow(clippy::disallowed_methods, reason = "a driver: it says again and again that it lives")]

use super::{ClusterError, Role, Roles};
use crate::app::App;
use crate::clock::{Clock, Timestamp};
use crate::secret::KnownKeys;
use crate::store::{Document, Index, IndexKey, Owner, Scan, Store, StoreError, Versioned};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The index of all processes.
const ALL: &str = "all";
/// Whoever was silent for so long is not listed any more.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name, which it keeps over restarts.
    pub id: String,
    /// What it does.
    pub roles: Roles,
    /// Where it answers over HTTP.
    pub http: Option<String>,
    /// Where it takes broadcasts.
    pub rtmp: Option<String>,
    /// Where it answers other processes.
    pub cluster: Option<String>,
    /// The keys of secrets that it has.
    #[serde(default)]
    pub(crate) keys: KnownKeys,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last said that it runs.
    pub seen_at: Timestamp,
    /// Until when it counts as running.
    pub until: Timestamp,
}

impl Document for NodeRecord {
    const KIND: &'static str = "node";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![Index::many(ALL, IndexKey::new())]
    }
}

/// Every process that was seen of late.
pub(crate) async fn all(store: &Store) -> Result<Vec<Versioned<NodeRecord>>, StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.scan::<NodeRecord>(Scan::of(ALL).after(after)).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// The other processes that run.
pub(crate) async fn others(store: &Store, clock: &Clock, own: &str) -> Result<Vec<NodeRecord>, StoreError> {
    let found = all(store).await?.into_iter().map(|node| node.document);
    Ok(found.filter(|node| node.id != own && node.until > clock.now()).collect())
}

/// Writes this process down, and keeps doing so until it stops; then it is taken off.
pub(super) async fn register(app: &App) -> Result<(), ClusterError> {
    let started_at = app.clock.now();
    tell(app, started_at).await?;
    // Whoever changes the keys has seen the above, or is seen here.
    app.vault.check(&app.store).await?;
    tell(app, started_at).await?;
    let app = app.clone();
    app.cluster.clone().spawn(async move {
        let mut beats = 0u64;
        loop {
            tokio::select! {
                () = app.shutdown.cancelled() => break,
                () = tokio::time::sleep(app.config.cluster.heartbeat()) => {}
            }
            app.vault.look(&app.store, &app.alarms).await;
            let told = app.store.commit(app.store.batch().put(&record(&app, started_at))).await;
            if let Err(error) = told {
                tracing::debug!(%error, "cannot tell the other processes that this one runs");
            }
            if beats.is_multiple_of(1_000) {
                forget_the_gone(&app).await;
            }
            beats += 1;
        }
        let own = app.store.get::<NodeRecord>(app.cluster.node()).await;
        if let Ok(Some(own)) = own
            && let Err(error) = app.store.commit(app.store.batch().delete(&own)).await
        {
            tracing::debug!(%error, "this process is listed for a while although it has stopped");
        }
    });
    Ok(())
}

/// Writes this process down, if there is room.
async fn tell(app: &App, started_at: Timestamp) -> Result<(), StoreError> {
    match app.store.commit(app.store.batch().put(&record(app, started_at))).await {
        // What is there can be read: a later beat writes it down.
        Err(error @ (StoreError::NoRoom | StoreError::Full { .. })) => {
            tracing::warn!(%error, "this process is not listed yet");
            Ok(())
        }
        told => told.map(|_| ()),
    }
}

fn record(app: &App, started_at: Timestamp) -> NodeRecord {
    let now = app.clock.now();
    let text = |address: Option<&std::net::SocketAddr>| address.map(ToString::to_string);
    NodeRecord {
        id: app.cluster.node().to_owned(),
        roles: app.config.roles.clone(),
        http: text(app.addresses.http.get()),
        rtmp: text(app.addresses.rtmp.get()).filter(|_| app.config.roles.has(Role::Ingest)),
        cluster: app.cluster.address(),
        keys: app.vault.keys(),
        started_at,
        seen_at: now,
        until: now.plus(app.config.cluster.lease()),
    }
}

async fn forget_the_gone(app: &App) {
    let Ok(nodes) = all(&app.store).await else { return };
    for node in nodes {
        if node.document.until.plus(FORGOTTEN) < app.clock.now() {
            // Another process may be quicker, which is as good.
            let _ = app.store.commit(app.store.batch().delete(&node)).await;
        }
    }
}
