//! What the README shows is there.

use std::fs;

/// Lines of fenced code blocks that start like a command of ours.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside && line.trim_start().starts_with("./") {
            found.push(line.trim().to_owned());
        }
    }
    found
}

#[test]
fn every_command_of_the_readmes_exists() {
    let run = fs::read_to_string(super::root().join("run")).expect("./run is there");
    let mut seen = 0;
    for path in super::files().iter().filter(|path| path.ends_with("README.md")) {
        let text = fs::read_to_string(path).unwrap_or_default();
        for command in commands(&text) {
            let mut words = command.split_whitespace();
            assert_eq!(
                words.next(),
                Some("./run"),
                "{}: '{command}' is not a command of ./run",
                super::relative(path)
            );
            let name = words.next().unwrap_or_default();
            assert!(
                run.contains(&format!("\n  {name}) ")),
                "{}: ./run has no '{name}'",
                super::relative(path)
            );
            for option in words.filter(|word| word.starts_with("--")) {
                assert!(
                    run.contains(option),
                    "{}: './run {name}' does not know {option}",
                    super::relative(path)
                );
            }
            seen += 1;
        }
    }
    assert!(seen >= 2, "the README shows ./run demo and ./run test");
}

#[test]
fn every_path_of_the_readme_exists() {
    let text = fs::read_to_string(super::root().join("README.md")).expect("README.md is there");
    let mut missing = Vec::new();
    for part in text.split("](").skip(1) {
        let target = part.split(')').next().unwrap_or_default().split('#').next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") && !super::root().join(target).exists() {
            missing.push(target.to_owned());
        }
    }
    assert!(missing.is_empty(), "README.md links to what is not there: {missing:?}");
}
