//! The shipped systemd units are true to the programs and to each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn units() -> Vec<(String, String)> {
    let folder = super::root().join("images/systemd");
    let mut units: Vec<_> = fs::read_dir(&folder)
        .expect("the units are there")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, fs::read_to_string(&path).ok()?))
        })
        .collect();
    units.sort();
    assert_eq!(units.len(), 6, "agent, panel, cloud and USB disks have a unit each, and the reboot two");
    units
}

fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim).collect()
}

/// The source of the command line of one of our programs.
fn command_line(program: &str) -> String {
    let folder = match program {
        "stagebox-agent" => "agent",
        "stagebox-panel" => "firmware",
        "stagebox-cloud" => "cloud",
        other => panic!("{other} is not a program of ours"),
    };
    fs::read_to_string(super::root().join(folder).join("src/main.rs")).expect("the program is there")
}

#[test]
fn every_option_of_a_unit_is_one_of_its_program() {
    for (name, unit) in units() {
        if name.starts_with("stagebox-reboot") || name.starts_with("stagebox-usb") {
            continue;
        }
        let [command] = values(&unit, "ExecStart")[..] else { panic!("{name} starts one program") };
        let mut words = command.split_whitespace();
        let program = PathBuf::from(words.next().expect("a program"));
        let source = command_line(program.file_name().and_then(|name| name.to_str()).unwrap_or_default());
        for option in words.filter_map(|word| word.strip_prefix("--")) {
            let field = format!("{}:", option.replace('-', "_"));
            assert!(source.contains(&field), "{name}: the program has no --{option}");
        }
    }
}

#[test]
fn the_reboot_is_asked_for_where_the_box_may_write() {
    let asked =
        units().into_iter().find(|(name, _)| name == "stagebox-reboot.path").expect("the unit is there").1;
    let [file] = values(&asked, "PathExists")[..] else { panic!("one file asks for it") };
    let configured =
        fs::read_to_string(super::root().join("images/etc/agent.toml")).expect("the configuration");
    assert!(configured.contains(&format!("reboot_file = \"{file}\"")));
    assert!(file.starts_with("/run/stagebox/"), "the agent's RuntimeDirectory");
}

#[test]
fn every_user_of_a_unit_is_made() {
    let users = fs::read_to_string(super::root().join("images/sysusers.d/stagebox.conf")).expect("the users");
    let made: BTreeSet<&str> = users.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    // Debian's own (base-passwd).
    let always = ["video", "audio"];
    for (name, unit) in units() {
        let groups = values(&unit, "SupplementaryGroups").join(" ");
        for who in values(&unit, "User").into_iter().chain(groups.split_whitespace()) {
            assert!(made.contains(who) || always.contains(&who), "{name}: nobody makes {who}");
        }
    }
}

#[test]
fn systemd_reads_every_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (name, unit) in units() {
        // The programs are not installed on the machine that tests.
        let commands = values(&unit, "ExecStart");
        let programs = commands.iter().filter_map(|command| command.split_whitespace().next());
        let readable = programs.fold(unit.clone(), |unit, program| unit.replace(program, "/bin/true"));
        let path = folder.path().join(&name);
        fs::write(&path, readable).expect("the folder is writable");
        let checked = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&path)
            .output()
            .expect("systemd-analyze runs");
        let complaints = String::from_utf8_lossy(&checked.stderr);
        let ours: Vec<&str> = complaints.lines().filter(|line| line.contains("stagebox")).collect();
        assert!(ours.is_empty(), "{name}: {}", ours.join("\n"));
    }
}
