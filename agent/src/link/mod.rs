//! The link to the cloud: MQTT, and the stream targets over HTTP.
//!
//! `state.rs` decides, with `commands.rs`, `applying.rs` and `delivery.rs` for the three things it keeps promises about:
//! each command is carried out once, `reported` comes to match `desired`, and events reach the cloud's journal once and
//! in order. `driver.rs` connects, stores and sends. Without a broker or a cloud the box works on.

mod address;
pub mod applying;
pub mod commands;
pub mod delivery;
mod driver;
mod exchange;
mod memory;
pub mod occurrence;
mod outbox;
mod session;
pub mod state;
pub mod targets;
#[cfg(test)]
mod tests;

pub use address::BrokerAddress;
pub use driver::{LinkConfig, LinkHandle, spawn};
pub use memory::Memory;
pub use outbox::Outbox;
pub use targets::{Target, Targets};

use std::future::Future;
use tokio::sync::watch;

use stagebox_protocol::{BoxStatus, Command, CommandId, Outcome, ReportedConfig, Timestamp};

use crate::reconfigure::Wanted;

/// What the link needs of the box: somebody who obeys and says how it goes.
pub trait Obey: Clone + Send + Sync + 'static {
    /// Carries a command out, or keeps the intent durably and then says that it is accepted.
    ///
    /// After a crash the same `id` may come once more, before any other: if it was kept it is not carried out again,
    /// and if it was not, and has expired meanwhile, it is refused.
    fn execute(
        &self,
        id: CommandId,
        command: Command,
        expires_at: Option<Timestamp>,
    ) -> impl Future<Output = Outcome> + Send;

    /// What the box is doing, whenever it changes.
    fn status(&self) -> watch::Receiver<BoxStatus>;

    /// Takes a configuration that is wanted of the box.
    fn configure(&self, wanted: Wanted) {
        tracing::debug!(version = wanted.version, "nobody takes a configuration here");
    }

    /// How far the box came with it; nothing where nobody takes one.
    fn configured(&self) -> Option<watch::Receiver<ReportedConfig>> {
        None
    }
}

/// Why the link could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("cloud.mqtt_url: {0}")]
    Address(String),
    #[error("cloud.id: {0}")]
    Id(#[from] stagebox_protocol::id::IdError),
    #[error("cloud.url: {0}")]
    Url(String),
    #[error("cannot read whom this system trusts: {0}; install ca-certificates, or give cloud.ca_file")]
    Authorities(std::io::Error),
    #[error("cannot make the HTTP client for cloud.url: {0}")]
    Http(String),
    #[error("{operation}: {source}")]
    Store { operation: &'static str, source: crate::durable::DurableError },
    #[error("what the link kept in the store is not readable ({what}): {reason}")]
    Kept { what: &'static str, reason: String },
}

/// How the link is, for the panel and the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    Connecting,
    Online,
    /// Not connected; the reason, in a sentence.
    Away(String),
}
