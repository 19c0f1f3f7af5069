//! Files that fit in the head, and text that is clean.

use std::fs;

/// Above this a source file is cut by what it does.
const MAX_LINES: usize = 400;
/// Above this a file of any kind does not belong into the repository.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

#[test]
fn source_files_fit_in_the_head() {
    let mut long = Vec::new();
    for path in super::files() {
        let name = super::relative(&path);
        let source = [".rs", ".ts", ".svelte"].iter().any(|ending| name.ends_with(ending));
        if !source {
            continue;
        }
        let lines = fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        if lines > MAX_LINES {
            long.push(format!("{name}: {lines} lines, {MAX_LINES} are the limit"));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn no_file_is_huge() {
    let huge: Vec<String> = super::files()
        .iter()
        .filter(|path| fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_BYTES))
        .map(|path| super::relative(path))
        .collect();
    assert!(huge.is_empty(), "over {MAX_BYTES} bytes: {huge:?}");
}

#[test]
fn no_lock_file_names_where_a_registry_is() {
    for path in super::files() {
        let name = super::relative(&path);
        if name.ends_with("package-lock.json") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                !text.contains("\"resolved\""),
                "{name} has download addresses: make it with omit-lockfile-registry-resolved"
            );
        }
    }
}

#[test]
fn folders_say_what_the_product_does() {
    let vague = ["utils", "util", "common", "helpers", "misc", "manager"];
    let wrong: Vec<String> = super::files()
        .iter()
        .map(|path| super::relative(path))
        .filter(|name| name.split('/').any(|part| vague.contains(&part.split('.').next().unwrap_or(part))))
        .collect();
    assert!(wrong.is_empty(), "names that say nothing: {wrong:?}");
}
