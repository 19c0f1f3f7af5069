//! Where the database is, how to get in, and what to call it without telling a secret.

use crate::store::StoreError;
use crate::store::config::StoreConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may be silent before the kernel asks whether the other side is there, and between its questions.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long sent data may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// Longest password file.
const MAX_PASSWORD: usize = 4096;

/// A database on a server.
#[derive(Clone)]
pub(in crate::store) struct Database {
    pub(super) config: Config,
    pub(super) schema: String,
    /// Only where TLS is wanted, and only once [`Database::prepare`] has run.
    pub(super) tls: Option<MakeRustlsConnect>,
    encrypted: bool,
    name: String,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl Database {
    /// Reads the configuration without looking at any file; says what is wrong with `url`.
    pub(in crate::store) fn parse(config: &StoreConfig) -> Result<Self, String> {
        let example = "postgres://stagebox@db.example.org/stagebox";
        let url =
            config.url.as_ref().ok_or_else(|| format!("is missing: say where it is, as in {example}"))?;
        let (url, mode) = split_mode(url.reveal())?;
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(format!("must begin with postgres://, as in {example}"));
        }
        let mut parsed: Config = url.parse().map_err(|error| format!("cannot be read: {}", cause(&error)))?;
        if parsed.get_hosts().is_empty() {
            return Err(format!("names no host; it looks like {example}"));
        }
        if parsed.get_dbname().is_none() {
            return Err(format!("names no database; it looks like {example}"));
        }
        let encrypted = match mode.as_deref() {
            None => !is_local(&parsed),
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            Some(other) => {
                return Err(format!(
                    "has sslmode={other}: say require, which checks the server's certificate, or disable"
                ));
            }
        };
        if let Some(password) = &config.password {
            parsed.password(password.reveal());
        }
        parsed
            .ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE)
            .keepalives_retries(2)
            .tcp_user_timeout(UNACKNOWLEDGED);
        Ok(Self {
            name: name(&parsed),
            config: parsed,
            schema: config.schema.clone(),
            tls: None,
            encrypted,
            password_file: config.password_file.clone(),
            ca_file: config.ca_file.clone(),
        })
    }

    /// Reads the password and the certificates.
    pub(super) fn prepare(&mut self) -> Result<(), StoreError> {
        if let Some(path) = &self.password_file {
            let password = read_password(path)
                .map_err(|error| self.wrong(format!("`store.password_file` {}: {error}", path.display())))?;
            self.config.password(password);
        }
        if self.encrypted {
            let wrong = |detail: String| self.wrong(detail);
            self.tls = Some(MakeRustlsConnect::new(tls(self.ca_file.as_deref()).map_err(wrong)?));
        }
        Ok(())
    }

    /// What it is called: host, port and database.
    pub(in crate::store) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it knows a password by now.
    pub(in crate::store) fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// It cannot be used, and waiting does not help.
    pub(super) fn wrong(&self, detail: impl Into<String>) -> StoreError {
        StoreError::Database { target: self.name.clone(), detail: detail.into() }
    }

    /// It is out of reach for now.
    pub(super) fn away(&self, reason: &str) -> StoreError {
        StoreError::Away(format!("{}: {reason}", self.name))
    }
}

/// Takes `sslmode` out of a URL: what it may be is decided here.
fn split_mode(url: &str) -> Result<(String, Option<String>), String> {
    let Some((address, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let mut mode = None;
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", _)) => return Err("has sslrootcert: use `store.ca_file`".to_owned()),
            _ => rest.push(pair),
        }
    }
    let url = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    Ok((url, mode))
}

/// Whether what is sent stays on this machine.
fn is_local(config: &Config) -> bool {
    let host = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    };
    config.get_hosts().iter().all(host) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn name(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(place, host)| {
        let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let hosts: Vec<_> = hosts.collect();
    format!("PostgreSQL at {}, database {}", hosts.join(" or "), config.get_dbname().unwrap_or_default())
}

fn read_password(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() || first.len() > MAX_PASSWORD {
        return Err("its first line must be the password".to_owned());
    }
    Ok(first.to_owned())
}

/// The system's trusted authorities, or those of a file alone.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match ca_file {
        None => builder.with_platform_verifier().map_err(|error| error.to_string())?,
        Some(path) => {
            let wrong = |detail: String| format!("`store.ca_file` {}: {detail}", path.display());
            let mut roots = RootCertStore::empty();
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("there is no certificate in it".to_owned()));
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}

/// An error with its causes, in one line.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Hidden;
    use crate::store::config::StoreKind;

    fn config(url: &str) -> StoreConfig {
        let url = Some(Hidden::new(url));
        StoreConfig { kind: StoreKind::Postgres, url, ..StoreConfig::default() }
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_operator_says_otherwise() {
        for (url, encrypted) in [
            ("postgres://a@localhost/d", false),
            ("postgres://a@127.0.0.1:5433/d", false),
            ("postgres://a@[::1]/d", false),
            ("postgres://a@%2Frun%2Fpostgresql/d", false),
            ("postgres://a@localhost/d?sslmode=require", true),
            ("postgres://a@db.example.org/d", true),
            ("postgres://a@db.example.org/d?sslmode=verify-full", true),
            ("postgres://a@db.example.org/d?connect_timeout=3&sslmode=disable", false),
            ("postgres://a@localhost,db.example.org/d", true),
            ("postgres://a@localhost/d?hostaddr=192.0.2.1", true),
        ] {
            let target = Database::parse(&config(url)).unwrap();
            assert_eq!(target.encrypted, encrypted, "{url}");
            let mode = if encrypted { SslMode::Require } else { SslMode::Disable };
            assert_eq!(target.config.get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_named_without_its_password() {
        for (url, wanted) in [
            ("mysql://a:hunter2@h/d", "postgres://"),
            ("postgres://a:hunter2@h", "names no database"),
            ("postgres:///d", "names no host"),
            ("postgres://a:hunter2@h/d?sslmode=prefer", "sslmode=prefer"),
            ("postgres://a:hunter2@h/d?sslrootcert=/x", "store.ca_file"),
            ("postgres://a:hunter2@h:port/d", "port"),
            ("postgres://a:hunter2@h/d?what=1", "what"),
        ] {
            let error = Database::parse(&config(url)).err().unwrap();
            assert!(error.contains(wanted) && !error.contains("hunter2"), "{url}: {error}");
        }
        let whole = Database::parse(&config("postgres://a:hunter2@db.example.org:6000/d")).unwrap();
        assert_eq!(whole.name(), "PostgreSQL at db.example.org:6000, database d");
        assert!(!format!("{:?} {:?}", config("postgres://a:hunter2@h/d"), whole.config).contains("hunter2"));
    }

    #[test]
    fn a_password_comes_from_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let mut target = Database::parse(&StoreConfig {
            password_file: Some(path.clone()),
            ..config("postgres://a@localhost/d")
        })
        .unwrap();
        let missing = target.prepare().unwrap_err().to_string();
        assert!(missing.contains("store.password_file") && missing.contains("password"), "{missing}");
        std::fs::write(&path, "hunter2\n").unwrap();
        target.prepare().unwrap();
        assert_eq!(target.config.get_password(), Some(&b"hunter2"[..]));
    }

    #[test]
    fn the_authorities_are_the_systems_or_those_of_a_file() {
        assert!(tls(None).is_ok());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let missing = tls(Some(&path)).unwrap_err();
        assert!(missing.contains("store.ca_file") && missing.contains("ca.pem"), "{missing}");
        std::fs::write(&path, "nothing\n").unwrap();
        assert!(tls(Some(&path)).unwrap_err().contains("no certificate"));
    }
}
