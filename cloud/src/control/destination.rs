//! Where `store copy` goes, as the command line and the socket say it.

use crate::clock::Clock;
use crate::config::{Config, Hidden};
use crate::store::{
    Engine, PostgresEngine, PostgresOptions, SledOptions, Store, StoreConfig, StoreError, StoreKind, Target,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the operator says of it; passwords are in files, which the server reads itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// A directory for the embedded store, or `postgres://…` without a password.
    #[arg(long, required_unless_present = "to_config", conflicts_with = "to_config")]
    to: Option<Hidden>,
    /// A configuration whose `[store]` says where to, such as the one for the next start.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_file", "schema", "ca_file"])]
    to_config: Option<PathBuf>,
    /// PostgreSQL: a file with the password in its first line.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// PostgreSQL: the schema that holds the tables, `stagebox` if absent; it is made if it is not there.
    #[arg(long)]
    schema: Option<String>,
    /// PostgreSQL: certificates (PEM) of the authority that signed the server's, where the system does not trust it.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Place {
    /// The same with files and directories named from where the command was given: the server runs elsewhere.
    pub(super) fn absolute(self) -> Self {
        let file = |path: Option<PathBuf>| path.map(|path| std::path::absolute(&path).unwrap_or(path));
        let to = self.to.map(|to| match std::path::absolute(to.reveal()) {
            Ok(path) if !to.reveal().contains("://") => Hidden::new(path.display().to_string()),
            _ => to,
        });
        Self {
            to,
            to_config: file(self.to_config),
            password_file: file(self.password_file),
            schema: self.schema,
            ca_file: file(self.ca_file),
        }
    }

    /// As it is sent to a running server, over a socket that nobody else can read.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "to": self.to.as_ref().map(Hidden::reveal),
            "to_config": self.to_config,
            "password_file": self.password_file,
            "schema": self.schema,
            "ca_file": self.ca_file,
        })
    }

    /// What it means; an error names the option.
    pub(super) fn destination(&self) -> Result<Destination, String> {
        let Some(to) = &self.to else {
            let path = self.to_config.as_ref().ok_or("`--to` or `--to-config` must say where to")?;
            return from_config(path);
        };
        match to.reveal().split_once("://") {
            Some(("postgres" | "postgresql", _)) => {
                let default = StoreConfig::default();
                let config = StoreConfig {
                    kind: StoreKind::Postgres,
                    url: Some(to.clone()),
                    password_file: self.password_file.clone(),
                    ca_file: self.ca_file.clone(),
                    schema: self.schema.clone().unwrap_or(default.schema),
                    ..default
                };
                config.check().map_err(|(field, detail)| match field {
                    "store.schema" => format!("`--schema` {detail}"),
                    _ => format!("the URL in `--to` {detail}"),
                })?;
                Ok(Destination::Postgres { config: Box::new(config), file: None })
            }
            Some((scheme, _)) => {
                Err(format!("`--to` cannot be {scheme}://: give a directory or postgres://…"))
            }
            None => self.directory(to.reveal()),
        }
    }

    fn directory(&self, to: &str) -> Result<Destination, String> {
        for (option, given) in [
            ("--password-file", self.password_file.is_some()),
            ("--schema", self.schema.is_some()),
            ("--ca-file", self.ca_file.is_some()),
        ] {
            if given {
                return Err(format!("`{option}` is for PostgreSQL, and `--to` is a directory"));
            }
        }
        if !Path::new(to).is_absolute() {
            return Err(format!("`--to` must be an absolute directory or postgres://…, not {to:?}"));
        }
        Ok(Destination::Directory(PathBuf::from(to)))
    }
}

fn from_config(path: &Path) -> Result<Destination, String> {
    let config = Config::load(Some(path), []).map_err(|error| format!("`--to-config`: {error}"))?.store;
    match config.kind {
        StoreKind::Postgres => {
            Ok(Destination::Postgres { config: Box::new(config), file: Some(path.to_owned()) })
        }
        StoreKind::Sled => Err(format!(
            "`--to-config`: the [store] of {} names no PostgreSQL server; for the embedded store give `--to` a directory",
            path.display()
        )),
    }
}

/// Where a store can be moved to; shown without a secret.
#[derive(Clone)]
pub enum Destination {
    /// A directory for the embedded store.
    Directory(PathBuf),
    /// A database on a PostgreSQL server.
    Postgres {
        /// How it is reached.
        config: Box<StoreConfig>,
        /// The configuration that says so.
        file: Option<PathBuf>,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Postgres { config, .. } => f.write_str(&config.name()),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Destination {
    /// Opens what is to be filled.
    pub async fn open(&self) -> Result<Target, StoreError> {
        let engine: Arc<dyn Engine> = match self {
            Self::Directory(path) => {
                Store::open_home(path, SledOptions::default(), Clock::system())?.engine()
            }
            Self::Postgres { config, .. } => {
                Arc::new(PostgresEngine::open(config, PostgresOptions::default()).await?)
            }
        };
        Ok(Target { engine, name: self.to_string(), mark: true })
    }

    /// What the configuration must say from then on.
    pub fn configuration(&self) -> String {
        match self {
            Self::Directory(path) => {
                format!("put {} in the place of `store` in the data directory", path.display())
            }
            Self::Postgres { file: Some(file), .. } => {
                format!("the configuration's [store] must be that of {}", file.display())
            }
            Self::Postgres { config, file: None } => {
                let file = |key: &str, path: &Option<PathBuf>| {
                    path.as_ref().map(|path| format!(", {key} = \"{}\"", path.display())).unwrap_or_default()
                };
                format!(
                    "the configuration's [store] must say kind = \"postgres\", the same url, schema = {:?}{}{}",
                    config.schema,
                    file("password_file", &config.password_file),
                    file("ca_file", &config.ca_file),
                )
            }
        }
    }

    /// Where others could see a password, and what to do.
    pub(super) fn hints(&self) -> Vec<String> {
        let Self::Postgres { config, file } = self else { return Vec::new() };
        let mut hints = Vec::new();
        if config.url_has_password() && file.is_none() {
            let hint = "the password in `--to` can be seen by everybody on this machine while the command runs: \
                        use `--password-file`";
            hints.push(hint.to_owned());
        }
        let own = file.as_ref().filter(|_| config.password.is_some() || config.url_has_password());
        for path in own.into_iter().chain(&config.password_file) {
            let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode());
            if mode & 0o007 != 0 {
                let path = path.display();
                hints.push(format!(
                    "everybody on this machine can read {path}, which holds a password: chmod o= {path}"
                ));
            }
        }
        hints
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    fn place(to: &str) -> Place {
        Place { to: Some(Hidden::new(to)), ..Place::default() }
    }

    #[test]
    fn what_is_wrong_is_named_without_a_password() {
        let schema = Some("Upper".to_owned());
        let with_schema = |to: &str| Place { schema: schema.clone(), ..place(to) };
        for (place, wanted) in [
            (Place::default(), "--to-config"),
            (place("ftp://a:hunter2@h/d"), "ftp://"),
            (place("relative"), "absolute"),
            (place("postgres://a:hunter2@h"), "`--to` names no database"),
            (with_schema("postgres://a:hunter2@h/d"), "`--schema` must be"),
            (with_schema("/srv/store"), "`--schema` is for PostgreSQL"),
        ] {
            let error = place.destination().unwrap_err();
            assert!(error.contains(wanted) && !error.contains("hunter2"), "{error}");
            assert!(!format!("{place:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_destination_is_shown_without_a_password() {
        let said =
            Place { schema: Some("house".to_owned()), ..place("postgres://a:hunter2@db.example.org/d") };
        let destination = said.destination().unwrap();
        let shown = format!("{destination} {destination:?} {}", destination.configuration());
        assert!(shown.contains("db.example.org:5432, database d, schema house"), "{shown}");
        assert!(shown.contains("schema = \"house\"") && !shown.contains("hunter2"), "{shown}");
        assert!(destination.hints()[0].contains("--password-file"), "{:?}", destination.hints());
        // What a server is sent is what it reads.
        let sent: Place = serde_json::from_value(said.to_json()).unwrap();
        assert_eq!(sent, said);
    }

    #[test]
    fn a_configuration_says_where_to_and_should_be_for_its_reader_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new.toml");
        let place = Place { to_config: Some(path.clone()), ..Place::default() };
        assert!(place.destination().unwrap_err().contains("new.toml"));
        fs::write(&path, "[store]\nkind = \"sled\"\n").unwrap();
        assert!(place.destination().unwrap_err().contains("names no PostgreSQL server"));
        let text = "[store]\nkind = \"postgres\"\nurl = \"postgres://a@h/d\"\npassword = \"hunter2\"\nschema = \"x\"\n";
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let destination = place.destination().unwrap();
        assert!(destination.hints()[0].contains("chmod o="), "{:?}", destination.hints());
        assert!(
            destination.configuration().contains("new.toml")
                && !format!("{destination:?}").contains("hunter2")
        );
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(destination.hints().is_empty());
    }
}
