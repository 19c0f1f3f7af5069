//! Which of our crates may know which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// A crate and the ones of ours that it may depend on outside its tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("stagebox-hw", &[]),
    ("stagebox-hw-probe", &["stagebox-hw"]),
    ("stagebox-protocol", &["stagebox-hw"]),
    ("stagebox-media", &[]),
    ("stagebox-push", &["stagebox-media"]),
    ("stagebox-panel", &["stagebox-hw", "stagebox-protocol"]),
    ("stagebox-durable", &[]),
    (
        "stagebox-agent",
        &[
            "stagebox-durable",
            "stagebox-hw",
            "stagebox-hw-probe",
            "stagebox-media",
            "stagebox-protocol",
            "stagebox-push",
        ],
    ),
    (
        "stagebox-cloud",
        &[
            "stagebox-durable",
            "stagebox-hw",
            "stagebox-hw-probe",
            "stagebox-media",
            "stagebox-protocol",
            "stagebox-push",
        ],
    ),
    ("stagebox-powercut", &[]),
    ("stagebox-powercut-preload", &["stagebox-powercut"]),
    ("stagebox-faulty-encoder", &[]),
];

/// Nothing of the product may depend on the tests.
const TESTS: &str = "stagebox-tests";

#[test]
fn crates_depend_only_along_the_edges_of_the_design() {
    let mut wrong = Vec::new();
    for (name, dependencies) in ours() {
        if name == TESTS {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            wrong
                .push(format!("{name} is not in the table of this test: add it with the crates it may know"));
            continue;
        };
        for dependency in dependencies.iter().filter(|dependency| !allowed.contains(&dependency.as_str())) {
            wrong.push(format!("{name} must not depend on {dependency}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_known_folders_lie_at_the_top() {
    let known = ["firmware", "agent", "cloud", "images", "hw", "tests", ".ci", ".config"];
    let strange: BTreeSet<String> = super::files()
        .iter()
        .map(|path| super::relative(path))
        .filter_map(|name| name.split_once('/').map(|(top, _)| top.to_owned()))
        .filter(|top| !known.contains(&top.as_str()))
        .collect();
    assert!(strange.is_empty(), "folders that do not belong at the top: {strange:?}");
}

/// Each workspace member with those of its dependencies that are members too.
fn ours() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(super::root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("cargo metadata lists packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
            let names = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .filter_map(|dependency| dependency["name"].as_str())
                .filter(|name| name.starts_with("stagebox-"));
            (package["name"].as_str().unwrap_or_default().to_owned(), names.map(str::to_owned).collect())
        })
        .collect()
}
