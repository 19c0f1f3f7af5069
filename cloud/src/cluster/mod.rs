//! Processes on one database that share the work: who they are, and who takes which broadcast in.
//!
//! Each process has roles ([`Role`]) and writes down where it is found ([`node`]). An event is taken in by one
//! process at a time ([`owner`], [`hold`]); the delivering ones ask that one ([`internal`], [`relay`]). What only one may
//! do for all is a [`duty`]. What the broker's process alone knows the others ask it for ([`peers`]).

mod config;
mod duty;
mod hold;
mod http;
mod internal;
mod lease;
mod listing;
mod member;
mod node;
mod owner;
mod peers;
mod relay;
mod role;

pub use config::ClusterConfig;
pub(crate) use config::{check, cluster_secret};
pub(crate) use duty::Duty;
pub use hold::HoldError;
pub(crate) use hold::{Hold, Owners};
pub use http::{Operations, routes};
pub(crate) use listing::LISTING;
pub use node::NodeRecord;
pub(crate) use node::others;
pub(crate) use peers::CLIENT_ADDRESS;
pub(crate) use relay::{Answer, Relay};
pub use role::{Role, RoleError, Roles};

use crate::app::App;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::secret::SecretError;
use crate::store::{Store, StoreError};
use duty::Duties;
use member::Member;
use peers::Peers;
use std::sync::{Arc, OnceLock};
use tokio_util::task::TaskTracker;

/// Says why a process cannot take its place beside the others.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Two processes would write into the same files.
    #[error(
        "another process uses the data directory {0} (`data_dir`): give each process one of its own, \
         and `secrets_key_file` the same key"
    )]
    DataDir(String),
    /// The address for other processes cannot be used.
    #[error("cannot listen on {address} (`cluster.listen`): {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The process has no name.
    #[error(transparent)]
    Node(#[from] crate::job::JobError),
    /// The store failed.
    #[error("cannot tell the other processes of this one: {0}")]
    Store(#[from] StoreError),
    /// The keys have been changed meanwhile.
    #[error(transparent)]
    Secrets(#[from] SecretError),
    /// Requests to other processes cannot be made.
    #[error("cannot set up the client for other processes: {0}")]
    Client(#[from] reqwest::Error),
}

/// This process among the others; cloned freely.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    node: OnceLock<String>,
    address: OnceLock<String>,
    relay: OnceLock<Relay>,
    peers: OnceLock<Peers>,
    tasks: TaskTracker,
    member: Arc<Member>,
    owners: Owners,
    duties: Duties,
}

impl Cluster {
    pub(crate) fn new(config: &Config, store: &Store, clock: &Clock) -> Self {
        let member = Arc::new(Member::new(config, store, clock));
        Self(Arc::new(Inner {
            node: OnceLock::new(),
            address: OnceLock::new(),
            relay: OnceLock::new(),
            peers: OnceLock::new(),
            tasks: TaskTracker::new(),
            owners: Owners::new(Arc::clone(&member)),
            duties: Duties::new(Arc::clone(&member)),
            member,
        }))
    }

    /// This process's name; empty before it has started.
    pub(crate) fn node(&self) -> &str {
        self.0.node.get().map_or("", String::as_str)
    }

    /// Where other processes reach this one.
    pub(crate) fn address(&self) -> Option<String> {
        self.0.address.get().cloned()
    }

    /// Whether another process runs, and has since then without a new start.
    pub(crate) async fn has_run_since(&self, node: &str, since: Timestamp) -> Result<bool, StoreError> {
        let member = &self.0.member;
        if !member.shared || node == self.node() {
            return Ok(false);
        }
        let found = member.store.get::<NodeRecord>(node).await?.map(|found| found.document);
        Ok(found.is_some_and(|found| found.until > member.now() && found.started_at <= since))
    }

    /// Who takes which event in.
    pub(crate) fn owners(&self) -> &Owners {
        &self.0.owners
    }

    /// What only one process may do at a time.
    pub(crate) fn duties(&self) -> &Duties {
        &self.0.duties
    }

    /// Where the process that has a duty answers, if that is another one.
    pub(crate) async fn elsewhere(&self, duty: Role) -> Result<Option<String>, StoreError> {
        let holder = self.0.duties.holder(duty).await?;
        Ok(holder.filter(|holder| holder.node != self.node()).and_then(|holder| holder.address))
    }

    /// The way to other processes; absent where there are none, or no secret is set.
    pub(crate) fn peers(&self) -> Option<&Peers> {
        self.0.peers.get()
    }

    /// Asks the processes that take events in; absent where there are none, or no secret is set.
    pub(crate) fn relay(&self) -> Option<&Relay> {
        self.0.relay.get()
    }

    /// Runs something whose end [`Cluster::stop`] waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(task);
    }

    /// Returns once this process is taken off the list of those that run.
    pub async fn stop(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

/// Gives the process its name and its address for others; before anything takes events in.
///
/// # Errors
/// Another process has the data directory, or the address cannot be used.
pub async fn start(app: &App) -> Result<(), ClusterError> {
    let node = app.jobs.node()?;
    let inner = &app.cluster.0;
    if inner.member.shared && !node.is_alone() {
        return Err(ClusterError::DataDir(app.config.data_dir.display().to_string()));
    }
    let _ = inner.node.set(node.name.to_string());
    if let (true, Some(secret)) = (inner.member.shared, cluster_secret(&app.config)) {
        if app.config.roles.has(Role::Ingest) || app.config.roles.has(Role::Broker) {
            let address = internal::start(app, secret).await?;
            let _ = inner.address.set(address.to_string());
        }
        let peers = Peers::new(secret)?;
        if app.config.roles.has(Role::Deliver) || app.config.roles.has(Role::Api) {
            let _ = inner.relay.set(Relay::new(peers.clone()));
        }
        let _ = inner.peers.set(peers);
    }
    inner.member.set_own(app.cluster.node(), app.cluster.address());
    Ok(())
}

/// Writes this process down among those that run; once all its addresses are known.
///
/// # Errors
/// The store failed.
pub async fn announce(app: &App) -> Result<(), ClusterError> {
    node::register(app).await
}
