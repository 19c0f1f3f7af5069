//! Processor time and memory of a process and all its descendants, as the kernel accounts them.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use stagebox_tests::house::memory;
use tokio::time::sleep;

/// Fields of `/proc/<id>/stat` after the name (proc(5)): 2 is the parent, 12 to 15 the times.
struct Stat {
    id: u32,
    parent: u32,
    ticks: u64,
}

fn stat(id: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    // Own user and system time, and that of children that have ended.
    let ticks = (11..=14).filter_map(number).sum();
    Some(Stat { id, parent: u32::try_from(number(1)?).ok()?, ticks })
}

fn family(root: u32) -> Vec<Stat> {
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<Stat> =
        ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(stat).collect();
    let mut kept = Vec::new();
    let mut wanted = vec![root];
    while let Some(id) = wanted.pop() {
        wanted.extend(all.iter().filter(|stat| stat.parent == id).map(|stat| stat.id));
        if let Some(index) = all.iter().position(|stat| stat.id == id) {
            kept.push(all.swap_remove(index));
        }
    }
    kept
}

fn seconds(root: u32) -> f64 {
    // The kernel reports 100 ticks a second to user space on every architecture we build for.
    family(root).iter().map(|stat| stat.ticks).sum::<u64>() as f64 / 100.0
}

/// Processor seconds that `root` and its descendants use in `window`.
pub(crate) async fn during(root: Option<u32>, window: Duration) -> Result<f64> {
    let root = root.context("the process has ended")?;
    let before = seconds(root);
    sleep(window).await;
    Ok(seconds(root) - before)
}

/// Processor seconds that `root` and its descendants have used up to now.
pub(crate) fn so_far(root: Option<u32>) -> Result<f64> {
    Ok(seconds(root.context("the process has ended")?))
}

/// Resident memory of `root` and its descendants in MiB.
pub(crate) fn resident_mib(root: Option<u32>) -> Result<f64> {
    let root = root.context("the process has ended")?;
    Ok(family(root).iter().filter_map(|stat| memory::resident_mib(stat.id)).sum())
}
