//! Overrides from the environment, laid over the file's tree before it is typed.

use toml::{Table, Value};

use super::ConfigError;

const PREFIX: &str = "STAGEBOX_";

/// Sections that this program knows; variables of others belong to other programs.
const SECTIONS: [&str; 10] =
    ["source", "video", "audio", "alarms", "record", "outputs", "backup", "cloud", "panel", "healing"];

/// Keys whose values are text even if they look like a number.
const TEXT_KEYS: [&str; 19] = [
    "kind",
    "path",
    "device",
    "channels",
    "preset",
    "encoder",
    "dir",
    "role",
    "url",
    "key",
    "id",
    "secret",
    "mqtt_url",
    "socket",
    "data_dir",
    "when_full",
    "protect",
    "push",
    "reboot_file",
];

/// Applies what concerns this program; returns the names it used, sorted.
pub(super) fn apply(
    tree: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<String>, ConfigError> {
    let mut used: Vec<(String, String)> =
        variables.into_iter().filter(|(name, _)| path_of(name).is_some()).collect();
    used.sort();
    for (name, text) in &used {
        let Some(keys) = path_of(name) else { continue };
        let last = keys.last().map_or("", String::as_str);
        set(tree, &keys, value(last, text))
            .map_err(|reason| ConfigError::Environment { name: name.clone(), reason })?;
    }
    Ok(used.into_iter().map(|(name, _)| name).collect())
}

fn path_of(name: &str) -> Option<Vec<String>> {
    let keys: Vec<String> =
        name.strip_prefix(PREFIX)?.to_ascii_lowercase().split("__").map(str::to_owned).collect();
    let ours = match keys.as_slice() {
        [key] => key == "data_dir",
        [section, ..] => SECTIONS.contains(&section.as_str()),
        [] => false,
    };
    ours.then_some(keys)
}

fn value(key: &str, text: &str) -> Value {
    if TEXT_KEYS.contains(&key) {
        return Value::String(text.to_owned());
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::Integer(number);
    }
    // Not what Rust takes for a number too: `inf`, `1e3`.
    if text.chars().all(|letter| letter.is_ascii_digit() || "+-.".contains(letter))
        && let Ok(number) = text.parse::<f64>()
    {
        return Value::Float(number);
    }
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => Value::String(text.to_owned()),
    }
}

fn set(tree: &mut Table, keys: &[String], value: Value) -> Result<(), String> {
    let [section, rest @ ..] = keys else { return Ok(()) };
    let Some((last, middle)) = rest.split_last() else {
        tree.insert(section.clone(), value);
        return Ok(());
    };
    let mut at = tree.entry(section.clone()).or_insert_with(|| match middle.first() {
        Some(_) => Value::Array(Vec::new()),
        None => Value::Table(Table::new()),
    });
    for key in middle {
        let Value::Array(list) = at else {
            return Err(format!("`{section}` is not a list, so `{key}` cannot be an entry of it"));
        };
        let index: usize =
            key.parse().map_err(|_| format!("`{key}` is not the number of an entry of `{section}`"))?;
        if index > list.len() {
            return Err(format!(
                "entry {index} of `{section}` would leave a gap: the next is {}",
                list.len()
            ));
        }
        if index == list.len() {
            list.push(Value::Table(Table::new()));
        }
        at = &mut list[index];
    }
    match at {
        Value::Table(table) => {
            table.insert(last.clone(), value);
            Ok(())
        }
        _ => Err(format!("`{section}` holds no keys; for a list give the entry's number")),
    }
}
