//! The configuration that worked last, in the data directory: what was changed from afar, and the file as it was then.
//!
//! A box whose file was broken by hand, or cut short by a power cut, starts with that instead of not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stagebox_protocol::ConfigProblem;

use super::remote::{Change, FileConfig};
use super::{Config, ConfigError, SourceConfig};

const NAME: &str = "config.json";
/// What is larger was not written by a box.
const MOST_BYTES: u64 = 4 << 20;

/// What is kept of configurations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastGood {
    /// The file that it is of.
    pub path: PathBuf,
    /// What the file and the environment said, secrets included.
    pub file: String,
    /// The version with which `change` came; 0 for the file alone.
    pub version: u64,
    /// What was changed from afar.
    pub change: Change,
    /// A later version that the media process did not work with: it is not tried again.
    pub refused: Option<Refused>,
}

/// A configuration that the box does not use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub version: u64,
    pub errors: Vec<ConfigProblem>,
}

impl LastGood {
    /// Reads it; the default if nothing was kept.
    ///
    /// # Errors
    /// If what is there cannot be read.
    pub fn read(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(NAME);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
            Ok(there) if there.len() > MOST_BYTES => return Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => {}
        }
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// Keeps it; on disk when this returns, whole or not at all, and for the box's user only.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn keep(&self, data_dir: &Path) -> io::Result<()> {
        let (path, draft) = (data_dir.join(NAME), data_dir.join(format!("{NAME}.new")));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(data_dir)?.sync_all()
    }
}

/// What a box starts with.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub file: FileConfig,
    /// The file's own, where it is another one than `config` and would do.
    pub alone: Option<Config>,
    pub config: Config,
    /// What is kept of `config`.
    pub last_good: LastGood,
    /// What was changed from afar and does not hold.
    pub refused: Option<Refused>,
    /// What could not be done as it was configured; in words.
    pub notes: Vec<String>,
}

impl Start {
    /// Reads the file, and lays over it what was changed from afar; `variables` are the environment's.
    ///
    /// # Errors
    /// If the file makes no configuration and there is none that worked before.
    pub fn read(
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let variables: Vec<_> = variables.into_iter().collect();
        let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let text = fs::read_to_string(path);
        let loaded = match &text {
            Ok(text) => FileConfig::parse(path, text, variables.clone()),
            Err(error) => {
                let source = io::Error::new(error.kind(), error.to_string());
                Err(ConfigError::Read { path: path.clone(), source })
            }
        };
        match loaded {
            Ok((file, alone)) => {
                let mut notes = Vec::new();
                let last_good = LastGood::read(&alone.data_dir).unwrap_or_else(|error| {
                    notes.push(format!(
                        "what was changed from afar cannot be read ({error}): the file alone holds"
                    ));
                    LastGood::default()
                });
                Ok(Self::changed(file, alone, last_good, notes))
            }
            Err(error) => Self::before(path, &text.unwrap_or_default(), &variables, &error).ok_or(error),
        }
    }

    /// The file with what was changed from afar, or alone where that does not fit any more.
    fn changed(file: FileConfig, alone: Config, mut last_good: LastGood, mut notes: Vec<String>) -> Self {
        (last_good.path, last_good.file) = (file.path().to_owned(), file.text());
        let checked = file.with(&last_good.change).and_then(|config| match source_problem(&config.source) {
            Some(problem) if !last_good.change.is_empty() => Err(vec![problem]),
            _ => Ok(config),
        });
        let mut refused = last_good.refused.clone();
        let config = match checked {
            Ok(config) => config,
            Err(errors) => {
                notes.push(format!(
                    "what was changed from afar does not fit any more ({}): the file alone holds",
                    in_words(&errors)
                ));
                refused = Some(Refused { version: last_good.version, errors });
                (last_good.version, last_good.change) = (0, Change::new());
                alone.clone()
            }
        };
        let alone = (alone != config && source_problem(&alone.source).is_none()).then_some(alone);
        Self { file, alone, config, last_good, refused, notes }
    }

    /// What worked before a file that makes no configuration.
    fn before(path: &Path, text: &str, variables: &[(String, String)], error: &ConfigError) -> Option<Self> {
        let last_good = LastGood::read(&data_dir(path, text, variables)).ok()?;
        // A box is never another one because its own file is broken.
        if last_good.file.is_empty() || last_good.path != path {
            return None;
        }
        let (file, alone) = FileConfig::parse(path, &last_good.file, []).ok()?;
        let note = format!("{error}; the box runs with the configuration that worked last");
        Some(Self::changed(file, alone, last_good, vec![note]))
    }
}

/// Where a box with a broken file keeps its state, as far as that can be seen.
fn data_dir(path: &Path, text: &str, variables: &[(String, String)]) -> PathBuf {
    let variable =
        variables.iter().find(|(name, _)| name == "STAGEBOX_DATA_DIR").map(|(_, value)| value.clone());
    let line = text.lines().map(str::trim).take_while(|line| !line.starts_with('[')).find_map(|line| {
        let table: toml::Table = toml::from_str(line).ok()?;
        Some(table.get("data_dir")?.as_str()?.to_owned())
    });
    let named = variable.or(line).map_or_else(|| Config::default().data_dir, PathBuf::from);
    path.parent().unwrap_or(Path::new(".")).join(named)
}

/// Why a source cannot be opened, where that is known before it is tried.
#[must_use]
pub fn source_problem(source: &SourceConfig) -> Option<ConfigProblem> {
    let SourceConfig::File { path, .. } = source else { return None };
    let problem = match File::open(path).and_then(|file| file.metadata()) {
        Ok(meta) if meta.is_file() => return None,
        Ok(_) => format!("{} is not a file", path.display()),
        Err(error) => format!("{}: {error}", path.display()),
    };
    let fix = "give the path of a readable video file".to_owned();
    Some(ConfigProblem { field: "source.path".to_owned(), problem, fix })
}

/// Problems as one sentence.
#[must_use]
pub fn in_words(problems: &[ConfigProblem]) -> String {
    let words = problems.iter().map(|ConfigProblem { field, problem, .. }| match field.as_str() {
        "" => problem.clone(),
        field => format!("{field}: {problem}"),
    });
    words.collect::<Vec<_>>().join("; ")
}
