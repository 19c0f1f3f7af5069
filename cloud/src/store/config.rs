//! `[store]`: which engine keeps the documents, and how it is reached.

use super::postgres::Database;
use crate::config::Hidden;
use serde::Deserialize;
use std::path::PathBuf;

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Which engine.
    pub kind: StoreKind,
    /// sled: disk that stays free; below it nothing new is taken in.
    pub reserve_mib: u64,
    /// PostgreSQL: where the database is, such as `postgres://stagebox@db.example.org/stagebox`.
    pub url: Option<Hidden>,
    /// PostgreSQL: the password, where it is not in `url`; meant for `STAGEBOX_STORE__PASSWORD`.
    pub password: Option<Hidden>,
    /// PostgreSQL: a file with the password in its first line.
    pub password_file: Option<PathBuf>,
    /// PostgreSQL: certificates (PEM) of the authority that signed the server's, where the system does not trust it.
    pub ca_file: Option<PathBuf>,
    /// PostgreSQL: how large the tables may become before nothing new is taken in; no limit if absent.
    pub max_mib: Option<u64>,
    /// PostgreSQL: the schema that holds the tables; it is made if it is not there.
    pub schema: String,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            kind: StoreKind::Sled,
            reserve_mib: 256,
            url: None,
            password: None,
            password_file: None,
            ca_file: None,
            max_mib: None,
            schema: "stagebox".to_owned(),
        }
    }
}

/// The engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Embedded, in `data_dir`.
    Sled,
    /// A PostgreSQL server.
    Postgres,
}

impl StoreConfig {
    /// Says which key is wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.kind == StoreKind::Sled {
            for (field, set) in [
                ("store.url", self.url.is_some()),
                ("store.password", self.password.is_some()),
                ("store.password_file", self.password_file.is_some()),
                ("store.ca_file", self.ca_file.is_some()),
                ("store.max_mib", self.max_mib.is_some()),
            ] {
                if set {
                    return Err((field, "is for PostgreSQL: set `store.kind = \"postgres\"` too".to_owned()));
                }
            }
            return Ok(());
        }
        if self.schema.is_empty()
            || self.schema.len() > 40
            || !self.schema.bytes().all(plain)
            || self.schema.starts_with(|first: char| first.is_ascii_digit())
            || self.schema.starts_with("pg_")
        {
            let detail = "must be a name of at most 40 of a-z, 0-9 and _ that begins with a letter";
            return Err(("store.schema", detail.to_owned()));
        }
        if self.max_mib == Some(0) {
            return Err(("store.max_mib", "must be at least 1; leave it out for no limit".to_owned()));
        }
        if self.password.is_some() && self.password_file.is_some() {
            return Err(("store.password", "is given, and `store.password_file` too: keep one".to_owned()));
        }
        Database::parse(self).map(|_| ()).map_err(|detail| ("store.url", detail))
    }

    /// What a database is called: host, port, database and schema, never a password.
    pub(crate) fn name(&self) -> String {
        let name =
            Database::parse(self).map_or_else(|_| "PostgreSQL".to_owned(), |found| found.name().to_owned());
        format!("{name}, schema {}", self.schema)
    }

    /// Whether `url` holds a password.
    pub(crate) fn url_has_password(&self) -> bool {
        Database::parse(&Self { password: None, ..self.clone() }).is_ok_and(|found| found.has_password())
    }
}
