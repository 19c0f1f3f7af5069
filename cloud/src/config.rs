//! The configuration: one strict tree from a TOML file and the environment.

mod hidden;
mod servers;

pub use hidden::Hidden;
pub use servers::{Http, Listen, Mqtt, Rtmp};

use crate::cluster::{self, ClusterConfig, Roles};
use crate::job::JobsConfig;
use crate::logging::LogConfig;
use crate::mail::MailConfig;
use crate::media::config::MediaConfig;
use crate::outbound::{Moved, OutboundConfig};
use crate::store::StoreConfig;
use crate::tls::TlsConfig;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Says which file, key or variable is wrong and how.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no TOML, or a key or value in it is wrong.
    #[error("the configuration {origin} is wrong: {detail}")]
    Parse {
        /// The file, or the environment.
        origin: String,
        /// Where and what.
        detail: String,
    },
    /// A value can be read but makes no sense.
    #[error("the configuration's `{field}` is wrong: {detail}")]
    Value {
        /// The key, with its section.
        field: &'static str,
        /// What is wrong and what would be right.
        detail: String,
    },
}

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where documents, media and the broker's state are kept.
    pub data_dir: PathBuf,
    /// The key file that secrets are encrypted with; `<data_dir>.key` beside the data if absent.
    pub secrets_key_file: Option<PathBuf>,
    /// What this process does; everything if absent.
    pub roles: Roles,
    /// How processes on one database find and ask each other.
    pub cluster: ClusterConfig,
    /// Where documents are kept.
    pub store: StoreConfig,
    /// The certificate of all encrypted listeners.
    pub tls: TlsConfig,
    /// HTTP.
    pub http: Http,
    /// RTMP ingest.
    pub rtmp: Rtmp,
    /// The MQTT broker.
    pub mqtt: Mqtt,
    /// Live packaging.
    pub live: Live,
    /// Where media are kept.
    pub media: MediaConfig,
    /// The administrator.
    pub admin: Admin,
    /// The server that takes our mail.
    pub mail: MailConfig,
    /// Connections to addresses that tenants give.
    pub outbound: OutboundConfig,
    /// Not there any more.
    #[doc(hidden)]
    pub hooks: Moved,
    /// What is done in the background.
    pub jobs: JobsConfig,
    /// What this process writes of what it does.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/stagebox-cloud"),
            secrets_key_file: None,
            roles: Roles::default(),
            cluster: ClusterConfig::default(),
            store: StoreConfig::default(),
            tls: TlsConfig::default(),
            http: Http::default(),
            rtmp: Rtmp::default(),
            mqtt: Mqtt::default(),
            live: Live::default(),
            media: MediaConfig::default(),
            admin: Admin::default(),
            mail: MailConfig::default(),
            outbound: OutboundConfig::default(),
            hooks: Moved,
            jobs: JobsConfig::default(),
            log: LogConfig::default(),
        }
    }
}

/// `[live]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Live {
    /// Length of a part of LL-HLS.
    pub part_ms: u32,
    /// Length of a segment, at the next keyframe.
    pub segment_ms: u32,
    /// Whether a worker makes smaller renditions beside the source.
    pub transcode: bool,
    /// Their heights (the shorter side); only those smaller than the source are made.
    pub ladder: Vec<u16>,
    /// How far back viewers can go while the event runs.
    pub dvr_window_s: u32,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            part_ms: 500,
            segment_ms: 2_000,
            transcode: true,
            ladder: vec![720, 480, 360],
            dvr_window_s: 600,
        }
    }
}

/// `[admin]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The e-mail address that the administrator logs in with.
    pub email: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self { email: "admin@localhost".to_owned() }
    }
}

impl Config {
    /// Reads the file, if there is one, and lays the environment over it.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let (origin, text) = match path {
            Some(path) => (
                path.display().to_string(),
                std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?,
            ),
            None => ("of the environment".to_owned(), String::new()),
        };
        Self::parse(&origin, &text, environment)
    }

    /// Reads a configuration's text; `origin` is named in errors.
    pub fn parse(
        origin: &str,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        // What is wrong is shown with its line, but not what a line may hold of a password.
        let wrong = |detail: String| ConfigError::Parse { origin: origin.to_owned(), detail: mask(&detail) };
        // Once from the text itself, so that errors carry its line and column.
        toml::from_str::<Self>(text).map_err(|error| wrong(error.to_string()))?;
        let mut table: toml::Table = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        for (name, value) in environment {
            overlay(&mut table, &name, &value)?;
        }
        let config: Self = table.try_into().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Takes the command line's roles instead of the file's.
    ///
    /// # Errors
    /// They do not go with the rest.
    pub fn with_roles(mut self, roles: Roles) -> Result<Self, ConfigError> {
        self.roles = roles;
        self.check()?;
        Ok(self)
    }

    /// Where the key file lies: beside the data, never in it, so that a copy of the data holds no key.
    pub fn secrets_key_path(&self) -> PathBuf {
        self.secrets_key_file.clone().unwrap_or_else(|| {
            let mut name = self.data_dir.file_name().unwrap_or_default().to_owned();
            name.push(".key");
            self.data_dir.with_file_name(name)
        })
    }

    fn check(&self) -> Result<(), ConfigError> {
        let value = |field, detail: &str| Err(ConfigError::Value { field, detail: detail.to_owned() });
        if !(100..=2_000).contains(&self.live.part_ms) {
            return value("live.part_ms", "must be between 100 and 2000");
        }
        if self.live.segment_ms < self.live.part_ms * 2 || self.live.segment_ms > 10_000 {
            return value("live.segment_ms", "must be at least two parts and at most 10000");
        }
        if !(10..=86_400).contains(&self.live.dvr_window_s) {
            return value("live.dvr_window_s", "must be between 10 and 86400");
        }
        if !self.admin.email.contains('@') || self.admin.email.len() > 254 {
            return value("admin.email", "must be an e-mail address");
        }
        if let Some((field, detail)) = self.jobs.wrong() {
            return value(field, detail);
        }
        servers::check(self).map_err(|(field, detail)| ConfigError::Value { field, detail })?;
        self.tls.check(self).map_err(|(field, detail)| ConfigError::Value { field, detail })?;
        self.store.check().map_err(|(field, detail)| ConfigError::Value { field, detail })?;
        self.media.check().map_err(|(field, detail)| ConfigError::Value { field, detail })?;
        self.mail.check().map_err(|(field, detail)| ConfigError::Value { field, detail })?;
        cluster::check(self).map_err(|(field, detail)| ConfigError::Value { field, detail })?;
        self.outbound.check().map_err(|(field, detail)| ConfigError::Value { field, detail })
    }
}

/// Lays one variable over the tree: `STAGEBOX_HTTP__LISTEN` is `listen` in `[http]`.
fn overlay(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(path) = name.strip_prefix("STAGEBOX_") else { return Ok(()) };
    let wrong = |detail: &str| ConfigError::Parse { origin: name.to_owned(), detail: detail.to_owned() };
    let path = path.to_ascii_lowercase();
    let (parents, key) = path.rsplit_once("__").map_or((None, path.as_str()), |(p, k)| (Some(p), k));
    let mut place = table;
    for parent in parents.iter().flat_map(|path| path.split("__")) {
        place = place
            .entry(parent)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| wrong("a key is no section"))?;
    }
    // A number, a truth value or a list where it reads as one, else the text itself; a password always is text.
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .filter(|_| !matches!(key, "password" | "secret"))
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    place.insert(key.to_owned(), parsed);
    Ok(())
}

/// Takes out what follows `password =`, and what stands between a URL's user and its host.
fn mask(text: &str) -> String {
    let line = |line: &str| {
        for key in ["password", "secret"] {
            if let Some((before, _)) =
                line.split_once(key).filter(|(_, rest)| rest.trim_start().starts_with('='))
            {
                return format!("{before}{key} = (hidden)");
            }
        }
        let Some((scheme, rest)) = line.split_once("://") else { return line.to_owned() };
        let hidden = rest.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host)));
        hidden.map_or_else(|| line.to_owned(), |(user, host)| format!("{scheme}://{user}:(hidden)@{host}"))
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
