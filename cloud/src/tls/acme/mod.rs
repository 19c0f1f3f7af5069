//! Certificates from an authority that speaks ACME (RFC 8555), proving names over TLS itself (RFC 8737).
//!
//! What an authority gave lies in `data_dir/tls/acme`, for its owner only: the account, and certificate and key in one
//! file. Until there is one, and when the last has ended, the server's own certificate is served.

mod challenge;
mod order;
mod schedule;

pub(super) use challenge::Challenges;
pub(crate) use challenge::PROTOCOL;

use super::own::put;
use super::pair::Pair;
use super::{Origin, Tls, TlsError};
use crate::alarm::Alarms;
use crate::app::App;
use crate::clock::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The authority gives no certificate.
const FAILS: &str = "tls-acme";
/// How often it is looked whether a new certificate is due.
const LOOK: Duration = Duration::from_secs(60);

/// `[tls.acme]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// The authority's directory, `https://…`.
    pub directory: String,
    /// Whether the operator agrees to the authority's terms of service.
    #[serde(default)]
    pub agree_to_terms: bool,
    /// The names to ask a certificate for; the hosts of the public URLs if empty.
    #[serde(default)]
    pub names: BTreeSet<String>,
    /// An e-mail address for the authority.
    pub contact: Option<String>,
    /// The certificate (PEM) of the authority's own server, where the system does not trust it.
    pub ca_file: Option<PathBuf>,
}

/// An authority, and what it gave.
#[derive(Debug)]
pub(super) struct Acme {
    config: AcmeConfig,
    names: BTreeSet<String>,
    directory: PathBuf,
    pub(super) challenges: Challenges,
}

impl Acme {
    pub(super) fn new(config: &AcmeConfig, names: BTreeSet<String>, data: &Path) -> Self {
        let directory = data.join("tls/acme");
        Self { config: config.clone(), names, directory, challenges: Challenges::default() }
    }

    fn pair_file(&self) -> PathBuf {
        self.directory.join("pair.pem")
    }

    /// What the authority gave last, if it is for the names that are wanted.
    pub(super) fn kept(&self) -> Option<Pair> {
        let text = fs::read_to_string(self.pair_file()).ok()?;
        let (key, certificate) = text.split_at(text.find("-----BEGIN CERTIFICATE-----")?);
        self.taken(certificate, key)
    }

    /// The pair, if it is one for the names that are wanted.
    fn taken(&self, certificate: &str, key: &str) -> Option<Pair> {
        let pair = Pair::parse(certificate.into(), key.into()).ok()?;
        pair.names.is_superset(&self.names).then_some(pair)
    }

    /// Keeps what the authority gave: both in one file, so that they never part.
    fn keep(&self, certificate: &str, key: &str) -> std::io::Result<()> {
        self.put(&self.pair_file(), &format!("{key}{certificate}"))
    }

    fn put(&self, path: &Path, text: &str) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        put(path, text.as_bytes())
    }
}

/// Asks for certificates whenever one is due, until the shutdown; nothing where no authority is configured.
pub(crate) async fn run(app: App, tls: Tls) {
    let Origin::Acme(acme, _) = &*tls.0.origin else { return };
    let mut failures = 0;
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sleep(wait) => {}
        }
        wait = LOOK;
        if !schedule::is_due(acme.kept().as_ref(), app.clock.now()) {
            app.alarms.clear(FAILS);
            continue;
        }
        let ordered = tokio::select! {
            () = app.shutdown.cancelled() => return,
            ordered = order::order(acme, app.clock.now()) => ordered,
        };
        match ordered {
            Ok(()) => {
                failures = 0;
                app.alarms.clear(FAILS);
                tls.replace(&app.alarms, app.clock.now());
            }
            Err(error) => {
                wait = schedule::pause(failures);
                failures += 1;
                tell(&app.alarms, acme, &tls.current(), &error, wait);
            }
        }
    }
}

fn tell(alarms: &Alarms, acme: &Acme, current: &Pair, error: &order::OrderError, wait: Duration) {
    let minutes = wait.as_secs() / 60;
    let words = format!(
        "{} gave no certificate (`tls.acme`): {error}. It is asked again in {minutes} min; until then the one that \
         ends at {} is served.",
        acme.config.directory, current.ends
    );
    alarms.raise(FAILS, words);
}

#[allow(clippy::disallowed_methods, reason = "a driver: it comes round every little while")]
async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// The certificate to serve: the authority's as long as it holds.
pub(super) fn read(acme: &Acme, own: &super::own::Own, now: Timestamp) -> Result<Pair, TlsError> {
    match acme.kept().filter(|pair| pair.ends > now) {
        Some(pair) => Ok(pair),
        None => own.open(now),
    }
}
