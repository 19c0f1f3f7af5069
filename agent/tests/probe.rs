//! What the machine has, by the real program; and trials of drivers that crash and hang.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use stagebox_agent::probe::ChildProbe;
use stagebox_hw::encoder::TrialOutcome;
use stagebox_hw::{Encoder, VideoMode};
use stagebox_hw_probe::{Probe, Trial};

const MODE: VideoMode = VideoMode { width: 320, height: 180, fps: 15 };

fn agent(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stagebox-agent")).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_probe_says_what_works_as_a_table_and_as_json() {
    let (code, table) = agent(&["probe", "--mode", "320x180@15", "--bitrate", "300"]);
    assert_eq!(code, 0, "{table}");
    for part in [
        "machine ",
        "board ",
        "capture ",
        "x264enc",
        "works, ",
        "uses       x264enc at 320x180@15, 300 kbit/s",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    let (code, json) = agent(&["probe", "--json", "--mode", "320x180@15"]);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &found["chosen"]), (0, &"x264enc".into()), "{found}");
    let tried = found["encoders"].as_array().unwrap();
    let software = tried.iter().find(|one| one["element"] == "x264enc").unwrap();
    assert!(software["trial"]["outcome"] == "works" && software["hardware"] == false, "{software}");
    let output =
        Command::new(env!("CARGO_BIN_EXE_stagebox-agent")).args(["probe", "--mode", "large"]).output();
    let said = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(said.contains("`large` is no picture such as 1920x1080@30"), "{said}");
}

/// A program that does this instead of a trial.
fn program(dir: &Path, does: &str) -> PathBuf {
    let path = dir.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_driver_that_crashes_or_hangs_costs_its_own_process() {
    let trial = Trial {
        encoder: Encoder::X264enc,
        mode: MODE,
        bitrate_kbps: 300,
        preset: None,
        frames: 15,
        limit_ms: 100,
    };
    let agent = PathBuf::from(env!("CARGO_BIN_EXE_stagebox-agent"));
    let patient = Trial { limit_ms: 10_000, ..trial.clone() };
    let outcome = ChildProbe::new(agent).try_encoder(&patient);
    assert!(matches!(outcome, TrialOutcome::Works { .. } | TrialOutcome::TooSlow { .. }), "{outcome:?}");
    let dir = tempfile::tempdir().unwrap();
    for (does, words) in [
        ("kill -SEGV $$", "x264enc ended its process: signal: 11"),
        ("exec sleep 60", "x264enc hung for 100 ms"),
        ("cat; echo nonsense", "x264enc ended its process: exit status: 0"),
    ] {
        let outcome = ChildProbe::new(program(dir.path(), does)).try_encoder(&trial);
        let TrialOutcome::Failed { reason } = &outcome else { panic!("{does}: {outcome:?}") };
        assert!(reason.starts_with(words), "{does}: {reason}");
    }
    let outcome = ChildProbe::new(dir.path().join("nowhere")).try_encoder(&trial);
    assert!(
        matches!(&outcome, TrialOutcome::Failed { reason } if reason.contains("start a process")),
        "{outcome:?}"
    );
}
