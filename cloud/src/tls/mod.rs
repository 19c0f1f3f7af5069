//! TLS: one certificate for HTTPS, RTMPS and MQTTS, replaced while everything runs.
//!
//! It comes from the configured files, read anew when they change and on SIGHUP; a new pair that cannot be used
//! leaves the old one in place and raises an alarm. Where nothing is configured the server makes its own ([`own`]), or
//! asks an authority for one ([`acme`]).

mod acme;
mod config;
mod keep;
mod own;
mod pair;
#[cfg(test)]
mod tests;

pub use acme::AcmeConfig;
pub(crate) use acme::{PROTOCOL as PROOF_PROTOCOL, run as acquire};
pub use config::TlsConfig;
pub(crate) use keep::run;
pub use pair::Pair;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use acme::Acme;
use own::Own;
use pair::Wrong;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// The cipher suites of TLS 1.2 that other programs of ours are told to take, by OpenSSL's names: what rustls takes.
pub(crate) const OPENSSL_CIPHERS: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-RSA-CHACHA20-POLY1305";

/// Says why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path} (`{field}`): {source}")]
    Read {
        /// The key.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file can be read, but what is in it is of no use.
    #[error("{path} (`{field}`) {detail}")]
    Wrong {
        /// The key.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The server's own certificate cannot be kept.
    #[error("cannot write {path} (`data_dir`): {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server's own certificate cannot be made.
    #[error("cannot make a certificate for the names of this server: {0}")]
    Make(String),
}

/// The certificate of this process; cloned freely.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Arc<Origin>,
    current: Arc<Current>,
}

/// Where the certificate comes from.
#[derive(Debug)]
enum Origin {
    Files { certificate: PathBuf, key: PathBuf },
    Own(Own),
    Acme(Box<Acme>, Own),
}

/// What each new connection is served with.
#[derive(Debug)]
struct Current {
    origin: Arc<Origin>,
    pair: watch::Sender<Arc<Pair>>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Origin::Acme(acme, _) = &*self.origin
            && let Some(proof) = acme.challenges.answer(&hello)
        {
            return proof;
        }
        Some(Arc::clone(&self.pair.borrow().served))
    }
}

impl Tls {
    /// Reads the certificate, or makes one; `None` if nothing of this process is encrypted.
    ///
    /// # Errors
    /// The configured files are of no use, or a new certificate cannot be kept.
    pub fn open(config: &Config, clock: &Clock) -> Result<Option<Self>, TlsError> {
        if !config::is_needed(config) {
            return Ok(None);
        }
        let section = &config.tls;
        let own = || Own::new(&config.data_dir, config::names(config, host_name()));
        let origin = match (&section.certificate_file, &section.key_file, &section.acme) {
            (Some(certificate), Some(key), _) => {
                Origin::Files { certificate: certificate.clone(), key: key.clone() }
            }
            (_, _, Some(acme)) => {
                let names = config::acme_names(acme, config);
                Origin::Acme(Box::new(Acme::new(acme, names, &config.data_dir)), own())
            }
            _ => Origin::Own(own()),
        };
        let pair = origin.read(clock.now())?;
        tracing::info!(ends = %pair.ends, fingerprint = pair.fingerprint, "the certificate is read");
        let origin = Arc::new(origin);
        let pair = watch::Sender::new(Arc::new(pair));
        let current = Arc::new(Current { origin: Arc::clone(&origin), pair });
        Ok(Some(Self(Arc::new(Inner { origin, current }))))
    }

    /// What makes encrypted connections of TCP's; `protocols` are those offered by ALPN.
    pub fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("ring has suites for both versions");
        let mut config =
            builder.with_no_client_auth().with_cert_resolver(Arc::<Current>::clone(&self.0.current));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        // Whoever takes HTTPS is asked for proofs.
        if !protocols.is_empty() && matches!(*self.0.origin, Origin::Acme(..)) {
            config.alpn_protocols.push(PROOF_PROTOCOL.to_vec());
        }
        TlsAcceptor::from(Arc::new(config))
    }

    /// What a box can be told to trust: of a certificate that nobody vouches for.
    pub fn fingerprint(&self) -> Option<String> {
        match &*self.0.origin {
            Origin::Own(_) => Some(format!("sha256:{}", self.current().fingerprint)),
            Origin::Files { .. } | Origin::Acme(..) => None,
        }
    }

    /// The certificate, and each that follows it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Pair>> {
        self.0.current.pair.subscribe()
    }

    fn current(&self) -> Arc<Pair> {
        Arc::clone(&self.0.current.pair.borrow())
    }
}

impl Origin {
    fn read(&self, now: Timestamp) -> Result<Pair, TlsError> {
        match self {
            Self::Own(own) => own.open(now),
            Self::Acme(acme, own) => acme::read(acme, own, now),
            Self::Files { certificate, key } => read(certificate, key),
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Pair, TlsError> {
    let bytes = |field, path: &Path| {
        fs::read(path).map_err(|source| TlsError::Read { field, path: path.to_owned(), source })
    };
    let pems = (bytes("tls.certificate_file", certificate)?, bytes("tls.key_file", key)?);
    Pair::parse(pems.0, pems.1).map_err(|wrong| {
        let (field, path, detail) = match wrong {
            Wrong::Certificate(detail) => ("tls.certificate_file", certificate, detail),
            Wrong::Key(detail) => ("tls.key_file", key, detail),
        };
        TlsError::Wrong { field, path: path.to_owned(), detail }
    })
}

fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().to_ascii_lowercase();
    let is_name = name.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    is_name.then_some(name)
}
