//! How the real program ends, at its first start and once it has started itself anew.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

/// What it ends with where its source is not there.
fn ends_with(folder: &Path, variables: &[(&str, &Path)]) -> Option<i32> {
    let file = folder.join("box.toml");
    let text = "data_dir = \"data\"\n[source]\nkind = \"file\"\npath = \"away.mp4\"\n";
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagebox-agent"));
    command.env_remove("STAGEBOX_ANEW").env_remove("RUNTIME_DIRECTORY");
    command.arg("--config").arg(file).envs(variables.iter().copied());
    command.output().unwrap().status.code()
}

#[test]
fn a_box_that_started_itself_anew_is_started_again_whatever_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    assert_eq!(ends_with(folder.path(), &[]), Some(2));
    assert_eq!(ends_with(folder.path(), &[("STAGEBOX_ANEW", Path::new("1"))]), Some(1));
    // What the service manager starts after it finds the mark in the service's folder.
    let service = [("RUNTIME_DIRECTORY", run.as_path())];
    assert_eq!(ends_with(folder.path(), &service), Some(2));
    let become_one = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "becomes_another", "--ignored", "--nocapture"])
        .env(BECOMES, "1")
        .env("RUNTIME_DIRECTORY", &run)
        .env_remove("STAGEBOX_ANEW")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&become_one.stdout).into_owned();
    assert!(said.contains("STAGEBOX_ANEW=1"), "{said}");
    assert_eq!(ends_with(folder.path(), &service), Some(1));
}

const BECOMES: &str = "STAGEBOX_TEST_BECOMES";

/// Run by the test above: it becomes `env`, which shows what it was given.
#[test]
#[ignore = "it ends the process that runs it"]
fn becomes_another() {
    if std::env::var_os(BECOMES).is_some() {
        panic!("{}", stagebox_agent::anew::begin(["env".into()]));
    }
}
