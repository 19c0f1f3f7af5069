//! What may be changed of a configuration from afar, while the box runs.
//!
//! A change is a JSON object with the sections and keys of the file. It is laid over what the file and the environment
//! say, and the whole is validated as the file is: there is one validator, whoever asks. `null` leaves a key at its
//! default. A `source.kind` other than the file's begins that section anew. Never to be changed from afar are where the
//! box keeps things (`data_dir`, `record.dir`), whom it obeys (`cloud`, `panel`) and its fixed servers (`outputs`), and
//! what the recorder takes at its start only (`record.prefer_usb`, `record.upload`, `record.slow_s`).

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use stagebox_protocol::ConfigProblem;

use super::{Config, ConfigError, environment, fault};

/// Sections of which something may be changed, and which keys if not all.
const OPEN: [(&str, Option<&[&str]>); 6] = [
    ("source", None),
    ("video", None),
    ("audio", None),
    ("alarms", None),
    ("record", Some(&["bitrate_kbps", "segment_s", "segment_mib", "quota_gib", "keep_days", "when_full"])),
    ("backup", None),
];

/// Problems that are told of at most.
pub(super) const MOST_PROBLEMS: usize = 16;
/// Longest words of one in characters.
pub(super) const MOST_WORDS: usize = 300;

/// What is wanted to differ from the file.
pub type Change = Map<String, Value>;

/// What the file and the environment say, to be changed from afar.
#[derive(Debug, Clone, PartialEq)]
pub struct FileConfig {
    path: PathBuf,
    tree: toml::Table,
}

impl FileConfig {
    /// Reads the file with the environment's overrides, and the configuration that they make.
    ///
    /// # Errors
    /// If they make none.
    pub fn load(path: &Path) -> Result<(Self, Config), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text, std::env::vars())
    }

    /// As [`FileConfig::load`], of a text that was read; relative paths are taken from the folder of `path`.
    ///
    /// # Errors
    /// If text and variables make no configuration.
    pub fn parse(
        path: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Config), ConfigError> {
        let variables: Vec<_> = variables.into_iter().collect();
        let mut config = Config::parse(path, text, variables.clone())?;
        config.resolve_paths(path.parent().unwrap_or(Path::new(".")));
        let mut tree: toml::Table = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            reason: fault::in_text(&error, text),
        })?;
        environment::apply(&mut tree, variables)?;
        Ok((Self { path: path.to_owned(), tree }, config))
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All that it says, secrets included, as TOML.
    #[must_use]
    pub fn text(&self) -> String {
        toml::to_string(&self.tree).unwrap_or_default()
    }

    /// The configuration with a change over it.
    ///
    /// # Errors
    /// All that can be told to be wrong with it, as far as one fault does not hide another, and as it fits a report.
    pub fn with(&self, change: &Change) -> Result<Config, Vec<ConfigProblem>> {
        self.checked(change).map_err(|mut problems| {
            problems.truncate(MOST_PROBLEMS);
            problems.into_iter().map(shortened).collect()
        })
    }

    fn checked(&self, change: &Change) -> Result<Config, Vec<ConfigProblem>> {
        let mut problems = closed(change);
        let mut left = change.clone();
        if !problems.is_empty() {
            return Err(problems);
        }
        loop {
            match self.whole(&left) {
                Ok(config) if problems.is_empty() => return Ok(config),
                Ok(_) => return Err(problems),
                // Without what is wrong the next fault shows.
                Err(problem) => {
                    let more = take_away(&mut left, &problem.field);
                    problems.push(problem);
                    if !more {
                        return Err(problems);
                    }
                }
            }
        }
    }

    fn whole(&self, change: &Change) -> Result<Config, ConfigProblem> {
        let mut tree = self.tree.clone();
        for (section, wanted) in change {
            let wanted = wanted.as_object().cloned().unwrap_or_default();
            let there = tree.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let toml::Value::Table(there) = there else { continue };
            let kind = wanted.get("kind").and_then(Value::as_str);
            if section == "source"
                && kind.is_some_and(|kind| there.get("kind").and_then(toml::Value::as_str) != Some(kind))
            {
                there.clear();
            }
            lay(there, &wanted, section)?;
        }
        let mut config: Config = tree.try_into().map_err(|error| shape(&error))?;
        config.validate().map_err(problem)?;
        config.resolve_paths(self.path.parent().unwrap_or(Path::new(".")));
        Ok(config)
    }
}

/// What a configuration has of what may be changed.
#[must_use]
pub fn shown(config: &Config) -> Change {
    let all = json!({
        "source": config.source,
        "video": config.video,
        "audio": config.audio,
        "alarms": config.alarms,
        "record": config.record,
        "backup": config.backup,
    });
    let Value::Object(mut all) = all else { return Change::new() };
    for (section, keys) in OPEN {
        if let (Some(keys), Some(Value::Object(there))) = (keys, all.get_mut(section)) {
            there.retain(|key, _| keys.contains(&key.as_str()));
        }
    }
    // It may be long, and nobody changes it in a form.
    if let Some(Value::Object(source)) = all.get_mut("source") {
        source.remove("script");
    }
    all
}

/// What a configuration error says, apart.
pub(super) fn problem(error: ConfigError) -> ConfigProblem {
    match error {
        ConfigError::Invalid { field, problem, fix } => ConfigProblem { field, problem, fix },
        other => ConfigProblem {
            field: String::new(),
            problem: other.to_string(),
            fix: "mend it on the box".to_owned(),
        },
    }
}

/// It may quote what is wanted, however long that is.
fn shortened(problem: ConfigProblem) -> ConfigProblem {
    let short = |text: String| match text.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    let ConfigProblem { field, problem, fix } = problem;
    ConfigProblem { field: short(field), problem: short(problem), fix: short(fix) }
}

/// What is not to be changed from afar.
fn closed(change: &Change) -> Vec<ConfigProblem> {
    let refused = |field: String| ConfigProblem {
        field,
        problem: "cannot be changed from afar".to_owned(),
        fix: "leave it out, or change the file on the box".to_owned(),
    };
    let mut problems = Vec::new();
    for (section, wanted) in change {
        let Some((_, keys)) = OPEN.iter().find(|(open, _)| open == section) else {
            problems.push(refused(section.clone()));
            continue;
        };
        let Some(wanted) = wanted.as_object() else {
            problems.push(ConfigProblem {
                field: section.clone(),
                problem: "is no section".to_owned(),
                fix: "give an object with its keys".to_owned(),
            });
            continue;
        };
        let is_closed = |key: &&String| keys.is_some_and(|keys| !keys.contains(&key.as_str()));
        problems.extend(wanted.keys().filter(is_closed).map(|key| refused(format!("{section}.{key}"))));
    }
    problems
}

/// Lays JSON over TOML.
fn lay(there: &mut toml::Table, wanted: &Change, field: &str) -> Result<(), ConfigProblem> {
    for (key, wanted) in wanted {
        let field = format!("{field}.{key}");
        match (wanted, there.get_mut(key)) {
            (Value::Null, _) => {
                there.remove(key);
            }
            (Value::Object(wanted), Some(toml::Value::Table(there))) => lay(there, wanted, &field)?,
            (wanted, _) => {
                let value = to_toml(wanted).ok_or_else(|| ConfigProblem {
                    field,
                    problem: "holds what a configuration cannot: a number that is too large, or `null`"
                        .to_owned(),
                    fix: "give a smaller number, or leave it out".to_owned(),
                })?;
                there.insert(key.clone(), value);
            }
        }
    }
    Ok(())
}

fn to_toml(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(is) => toml::Value::Boolean(*is),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => toml::Value::Integer(whole),
            None if number.is_u64() => return None,
            None => toml::Value::Float(number.as_f64()?),
        },
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Array(list) => toml::Value::Array(list.iter().map(to_toml).collect::<Option<_>>()?),
        Value::Object(keys) => {
            let keys = keys.iter().map(|(key, value)| Some((key.clone(), to_toml(value)?)));
            toml::Value::Table(keys.collect::<Option<_>>()?)
        }
    })
}

/// Where a tree is not as it has to be: the reader says it behind its message.
fn shape(error: &toml::de::Error) -> ConfigProblem {
    let words = error.to_string();
    let place = words.rsplit_once("in `").and_then(|(_, rest)| rest.trim_end().strip_suffix('`'));
    let mut field = place.unwrap_or_default().to_owned();
    let unknown = error.message().strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let fix = match unknown {
        Some(key) => {
            if !field.ends_with(&format!(".{key}")) {
                field = if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") };
            }
            "leave it out, or use one of those"
        }
        None => "give a value of that kind",
    };
    ConfigProblem { field, problem: fault::in_words(error), fix: fix.to_owned() }
}

/// Takes a key away from a change, or its section; whether there was such a one.
fn take_away(change: &mut Change, field: &str) -> bool {
    let mut keys = field.split(['.', '[']);
    let Some(section) = keys.next() else { return false };
    match keys.next() {
        Some(key) => {
            let there = change.get_mut(section).and_then(Value::as_object_mut);
            there.is_some_and(|there| there.remove(key).is_some())
        }
        None => change.remove(section).is_some(),
    }
}
