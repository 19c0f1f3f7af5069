//! The power goes at a random moment: what was acknowledged is there, what is older than 0.6 s plays.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use anyhow::{Context, Result, ensure};
use stagebox_powercut::{Op, Tree};
use stagebox_tests::powercut::{End, Part, Run, a_box_that_records, cut, preload};
use tokio::process::Command;

/// Other cuts each day would make a failure a riddle: the soak draws others.
const SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_several_writers() -> Result<()> {
    ensure!(cut(Part::Store, SEED, 24, 4).await? == 24);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_and_intents() -> Result<()> {
    ensure!(cut(Part::Kept, SEED, 24, 4).await? == 24);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder() -> Result<()> {
    ensure!(cut(Part::Recorder, SEED, 18, 3).await? == 18);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_box_that_is_killed() -> Result<()> {
    a_box_that_records(SEED, 4, 150_000, End::Killed).await
}

/// What the preload library does not see would be taken for lost: here it sees all that a shell's tools do.
#[tokio::test]
async fn the_log_tells_all_that_was_done() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path().canonicalize()?;
    let (disk, log) = (scratch.join("disk"), scratch.join("log"));
    fs::create_dir(&disk)?;
    fs::write(disk.join("old"), "old")?;
    let before = Tree::read(&disk)?;
    let script = "mkdir -p a/b && echo one > a/one && echo two >> a/one && cp a/one a/b/copy && mv a/b/copy c \
                  && ln c d && rm old && truncate -s 100 c && dd if=/dev/zero of=a/z bs=700 count=3 conv=fsync 2>&1 \
                  && rmdir a/b && cp -r a e && mv e/one c && fallocate -l 5000 a/f && sync c && rm -r e";
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(&disk);
    preload(&mut command, &disk, &log)?;
    let output = command.output().await.context("starting a shell")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = Run::read(before, &log)?;
    run.is_complete(&disk)?;
    let (mut open, mut synced) = (HashMap::new(), BTreeSet::new());
    for record in run.records() {
        match &record.op {
            Op::Open { file, path, .. } => {
                open.insert(file, path.as_str());
            }
            Op::SyncBegin { file, .. } => synced.extend(open.get(file).copied()),
            _ => {}
        }
    }
    ensure!(synced.is_superset(&BTreeSet::from(["a/z", "c"])), "dd and sync wait for the disk: {synced:?}");
    Ok(())
}

/// The disk is full in the midst of a write, and has room again.
#[tokio::test]
async fn a_full_disk_takes_a_part_and_then_nothing() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path().canonicalize()?;
    let (disk, log, full) = (scratch.join("disk"), scratch.join("log"), scratch.join("full"));
    fs::create_dir(&disk)?;
    fs::write(&full, "")?;
    let script = format!(
        "set -u; (: > new) 2>/dev/null && exit 1; mkdir f 2>/dev/null && exit 2; \
         dd if=/dev/zero of=there bs=1000 count=2 conv=notrunc 2>/dev/null && exit 3; \
         rm {}; mkdir f && echo more >> there",
        full.display()
    );
    fs::write(disk.join("there"), "")?;
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(&disk).env("POWERCUT_FULL", &full);
    let before = Tree::read(&disk)?;
    preload(&mut command, &disk, &log)?;
    let status = command.status().await.context("starting a shell")?;
    ensure!(status.success(), "{status}");
    ensure!(
        fs::metadata(disk.join("there"))?.len() == 505,
        "half of a write, then {:?}",
        fs::metadata(disk.join("there"))?
    );
    Run::read(before, &log)?.is_complete(&disk)
}
