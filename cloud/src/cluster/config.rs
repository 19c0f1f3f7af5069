//! `[cluster]`: how processes on one database find and ask each other.

use super::{Role, Roles};
use crate::config::{Config, Hidden};
use crate::media::config::Kind;
use crate::store::StoreKind;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// Shortest secret.
const MIN_SECRET: usize = 16;

/// `[cluster]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Where an ingest process answers the delivering ones; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that the others reach it at; as `listen` if absent.
    pub advertise: Option<SocketAddr>,
    /// Allows a `listen` that is not this machine: what is said there is not encrypted.
    pub allow_network: bool,
    /// What all processes of one installation share, and nobody else knows.
    pub secret: Option<Hidden>,
    /// How long a process that says nothing keeps its broadcasts.
    pub lease_ms: u64,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            allow_network: false,
            secret: None,
            lease_ms: 6_000,
        }
    }
}

impl ClusterConfig {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// Well inside the lease: two may be lost.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.lease() / 3
    }
}

/// A key with what is wrong with it.
type Wrong = (&'static str, String);

/// Finds what makes no sense in `[cluster]` and in which roles the process has.
pub(crate) fn check(config: &Config) -> Result<(), Wrong> {
    let wrong = |field, detail: &str| Err((field, detail.to_owned()));
    let cluster = &config.cluster;
    if !(1_000..=60_000).contains(&cluster.lease_ms) {
        return wrong("cluster.lease_ms", "must be between 1000 and 60000");
    }
    if cluster.secret.as_ref().is_some_and(|secret| secret.reveal().len() < MIN_SECRET) {
        return wrong(
            "cluster.secret",
            "must have at least 16 characters: `openssl rand -hex 32` makes a good one",
        );
    }
    if !cluster.listen.ip().is_loopback() && !cluster.allow_network {
        let detail = "is not of this machine, and what is said there is not encrypted: use a private network, \
                      and say `cluster.allow_network = true`";
        return wrong("cluster.listen", detail);
    }
    if cluster.listen.ip().is_unspecified() && cluster.advertise.is_none() {
        return wrong("cluster.advertise", "must be the address at which the other processes reach this one");
    }
    check_roles(&config.roles, config)
}

fn check_roles(roles: &Roles, config: &Config) -> Result<(), Wrong> {
    let wrong = |field, detail: &str| Err((field, detail.to_owned()));
    if roles.is_empty() {
        return wrong("roles", "must name at least one of api, ingest, transcode, deliver, hooks and broker");
    }
    if roles.is_all() {
        return Ok(());
    }
    if config.store.kind == StoreKind::Sled {
        let detail = "share the work between processes, but the embedded store belongs to one process: \
                      set `store.kind = \"postgres\"` and `store.url`, or leave `roles` out";
        return wrong("roles", detail);
    }
    if config.media.kind == Kind::Files && config.media.directory.is_none() {
        let detail = "share the work between processes, but media would lie in this one's own `data_dir`: set \
                      `media.kind = \"s3\"`, or `media.directory` to a directory that all of them share";
        return wrong("roles", detail);
    }
    let apart = |one, other| roles.has(one) != roles.has(other);
    for (one, other, is_needed) in
        [(Role::Ingest, Role::Deliver, true), (Role::Api, Role::Broker, config.mqtt.enabled)]
    {
        if is_needed && apart(one, other) && cluster_secret(config).is_none() {
            let detail = format!(
                "is needed where `{one}` and `{other}` are in different processes: the same text in all of them"
            );
            return Err(("cluster.secret", detail));
        }
    }
    Ok(())
}

pub(crate) fn cluster_secret(config: &Config) -> Option<&str> {
    config.cluster.secret.as_ref().map(Hidden::reveal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let shared =
            "[store]\nkind = \"postgres\"\nurl = \"postgres://a@h/d\"\n[media]\ndirectory = \"/srv/media\"\n";
        let secret = "[cluster]\nsecret = \"0123456789abcdef\"\n";
        let parse =
            |text: &str| Config::parse("test", text, []).map(|_| ()).map_err(|error| error.to_string());
        let listen = format!("{secret}listen = \"10.0.0.1:7000\"\n");
        for (text, wanted) in [
            ("roles = [\"apy\"]".to_owned(), "`apy` is no role"),
            ("roles = []".to_owned(), "at least one"),
            ("roles = [\"api\"]".to_owned(), "store.kind"),
            (
                "roles = [\"api\"]\n[store]\nkind = \"postgres\"\nurl = \"postgres://a@h/d\"".to_owned(),
                "media.directory",
            ),
            (format!("roles = [\"ingest\"]\n{shared}"), "cluster.secret"),
            (format!("roles = [\"broker\"]\n{shared}"), "`api` and `broker` are in different"),
            ("[cluster]\nsecret = \"short\"".to_owned(), "cluster.secret"),
            ("[cluster]\nlease_ms = 1".to_owned(), "cluster.lease_ms"),
            (listen.clone(), "cluster.allow_network"),
            ("[cluster]\nlisten = \"0.0.0.0:1\"\nallow_network = true".to_owned(), "cluster.advertise"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        parse(&format!("roles = [\"ingest\"]\n{shared}{secret}")).unwrap();
        parse(&format!("roles = [\"api\", \"broker\", \"hooks\", \"transcode\"]\n{shared}")).unwrap();
        parse(&format!("{listen}allow_network = true")).unwrap();
    }
}
