//! Every configuration that ships is one that its reader takes.

use std::fs;
use std::process::Command;

#[test]
fn every_toml_file_parses() {
    let mut wrong = Vec::new();
    for path in super::files().iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Err(error) = text.parse::<toml::Table>() {
            wrong.push(format!("{}: {error}", super::relative(path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_json_file_parses() {
    let mut wrong = Vec::new();
    for path in super::files().iter().filter(|path| path.extension().is_some_and(|ending| ending == "json")) {
        let text = fs::read_to_string(path).unwrap_or_default();
        // TypeScript's own configuration allows comments; its compiler reads it in the web stage.
        if super::relative(path).contains("tsconfig") {
            continue;
        }
        if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
            wrong.push(format!("{}: {error}", super::relative(path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_shell_scripts_parse() {
    for name in ["run", ".ci/run"] {
        let path = super::root().join(name);
        let checked = Command::new("bash").arg("-n").arg(&path).output().expect("bash runs");
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}
