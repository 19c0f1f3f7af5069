//! What is written for Mosquitto before each of its starts.

use super::BrokerError;
use super::access::{Credential, dynamic_security};
use crate::tls::{OPENSSL_CIPHERS, Pair};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where Debian's package and common builds put the plugin.
const PLUGIN_PLACES: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so",
    "/usr/lib/aarch64-linux-gnu/mosquitto_dynamic_security.so",
    "/usr/lib/arm-linux-gnueabihf/mosquitto_dynamic_security.so",
    "/usr/lib/mosquitto_dynamic_security.so",
    "/usr/local/lib/mosquitto_dynamic_security.so",
];

/// Finds the plugin, where the configuration says or in the usual places.
pub(super) fn plugin(configured: Option<&Path>) -> Result<PathBuf, BrokerError> {
    let places: Vec<PathBuf> = match configured {
        Some(path) => vec![path.to_owned()],
        None => PLUGIN_PLACES.iter().map(PathBuf::from).collect(),
    };
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let looked: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
        BrokerError::Plugin { looked: looked.join(", ") }
    })
}

/// A listener with TLS, and what it shows.
pub(super) struct Encrypted<'a> {
    pub(super) address: SocketAddr,
    pub(super) pair: &'a Pair,
}

/// Writes the configuration and the access rules; returns the configuration's path.
pub(super) fn write(
    directory: &Path,
    address: SocketAddr,
    encrypted: Option<&Encrypted<'_>>,
    plugin: &Path,
    clients: &[Credential],
) -> Result<PathBuf, BrokerError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| BrokerError::Write { path: directory.to_owned(), source })?;
    let access = directory.join("access.json");
    let mut text = text(directory, address, plugin, &access)?;
    if let Some(Encrypted { address, pair }) = encrypted {
        let [certificate, key] = write_pair(directory, pair)?;
        text.push_str(&listener(*address, &certificate, &key)?);
    }
    put(&access, &dynamic_security(clients))?;
    let path = directory.join("mosquitto.conf");
    put(&path, text.as_bytes())?;
    Ok(path)
}

/// Writes the certificate and its key for Mosquitto, which reads them at its start and on SIGHUP.
pub(super) fn write_pair(directory: &Path, pair: &Pair) -> Result<[PathBuf; 2], BrokerError> {
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| directory.join(name));
    put(&key, &pair.key_pem)?;
    put(&certificate, &pair.certificate_pem)?;
    Ok([certificate, key])
}

/// The listener with TLS: what stands after it in the file is its own.
fn listener(address: SocketAddr, certificate: &Path, key: &Path) -> Result<String, BrokerError> {
    Ok(format!(
        "listener {} {}\ncertfile {}\nkeyfile {}\ntls_version tlsv1.2\nciphers {OPENSSL_CIPHERS}\n",
        address.port(),
        address.ip(),
        line(certificate)?,
        line(key)?,
    ))
}

/// Mosquitto's configuration file (mosquitto.conf(5)).
fn text(directory: &Path, address: SocketAddr, plugin: &Path, access: &Path) -> Result<String, BrokerError> {
    let directory = format!("{}/", line(directory)?.trim_end_matches('/'));
    let mut text = String::from("# Written at each start of the broker; changes are lost.\n");
    // As root it would become the user mosquitto, who cannot read the data.
    if nix::unistd::geteuid().is_root() {
        text.push_str("user root\n");
    }
    let lines = [
        format!("listener {} {}", address.port(), address.ip()),
        "allow_anonymous false".into(),
        format!("plugin {}", line(plugin)?),
        format!("plugin_opt_config_file {}", line(access)?),
        "persistence true".into(),
        format!("persistence_location {directory}"),
        "persistence_file retained.db".into(),
        "autosave_interval 60".into(),
        "persistent_client_expiration 1h".into(),
        // A payload of 64 KiB with its topic and properties.
        "max_packet_size 81920".into(),
        "max_keepalive 60".into(),
        "max_inflight_messages 64".into(),
        "max_queued_messages 1000".into(),
        "max_queued_bytes 4194304".into(),
        "set_tcp_nodelay true".into(),
        "sys_interval 0".into(),
        "log_dest stderr".into(),
        "log_type error".into(),
        "log_type warning".into(),
        "log_type notice".into(),
        "connection_messages false".into(),
    ];
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

fn line(path: &Path) -> Result<&str, BrokerError> {
    path.to_str()
        .filter(|text| !text.contains(['\n', '\r']))
        .ok_or_else(|| BrokerError::Path(path.to_owned()))
}

/// Writes a file that only its owner can read, whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> Result<(), BrokerError> {
    let beside = path.with_extension("part");
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| BrokerError::Write { path: path.to_owned(), source })
}
