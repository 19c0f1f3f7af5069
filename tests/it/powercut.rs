//! The power goes at a random moment: what was acknowledged is there, what is older than 0.6 s plays.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use stagebox_powercut::{Entry, Loss, Op, Tree};
use stagebox_tests::house::{Cloud, CloudOptions, binary};
use stagebox_tests::powercut::{End, Part, Run, a_box_that_records, cut, moments, preload};
use tokio::process::Command;

use super::{make_event, store};

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

/// What it costs in real time is the machine's and only told here; the soak holds it to its limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_at_random_moments() -> Result<()> {
    let moments = moments(SEED, 8, 4).await?;
    println!("{moments}");
    ensure!(moments.count() == 8);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_box_that_is_killed() -> Result<()> {
    a_box_that_records(SEED, 4, 150_000, End::Killed).await
}

/// Wherever the power goes while the key file is made, it is whole or not there, and the next start has one.
#[tokio::test]
async fn a_key_file_is_whole_or_not_there() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path().canonicalize()?;
    let (disk, log) = (scratch.join("disk"), scratch.join("log"));
    fs::create_dir(&disk)?;
    let check = async |disk: &Path, log: Option<&Path>| {
        let (data, config) = (tempfile::tempdir_in(&scratch)?, scratch.join("cloud.toml"));
        let paths = (data.path().join("data"), disk.join("keys/secrets.key"));
        fs::write(&config, format!("data_dir = {:?}\nsecrets_key_file = {:?}\n", paths.0, paths.1))?;
        let mut command = Command::new(binary("stagebox-cloud")?);
        command.args(["store", "check", "--config"]).arg(config);
        if let Some(log) = log {
            preload(&mut command, disk, log)?;
        }
        let output = command.output().await.context("starting stagebox-cloud")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let key = fs::read_to_string(paths.1).context("reading the key")?;
        ensure!(hex::decode(key.trim()).is_ok_and(|key| key.len() == 32), "{} bytes are no key", key.len());
        Ok(key)
    };
    let before = Tree::read(&disk)?;
    let made = check(&disk, Some(&log)).await?;
    let run = Run::read(before, &log)?;
    run.is_complete(&disk)?;
    let (mut absent, mut whole) = (0, 0);
    for place in 0..=run.records().len() {
        for loss in [Loss::Nothing, Loss::All, Loss::Some(SEED), Loss::Some(SEED + 1)] {
            let (left, _) = run.cut(place, loss)?;
            match left.0.get("keys/secrets.key") {
                None => absent += 1,
                Some(Entry::File(bytes)) if bytes == made.as_bytes() => whole += 1,
                Some(other) => bail!("cut at {place}, {loss:?}: the key file is {other:?}"),
            }
        }
    }
    ensure!(absent > 0 && whole > 0, "{absent} times it is not there, {whole} times whole");
    // The last cut before it is there leaves what was written beside it.
    let named = run.records().iter().position(|record| matches!(record.op, Op::Rename { .. }));
    let (left, _) = run.cut(named.context("it is given its name")?, Loss::Nothing)?;
    let again = scratch.join("again");
    left.write(&again)?;
    ensure!(check(&again, None).await? != made);
    ensure!(check(&again, None).await.is_ok());
    Ok(())
}

/// sled takes a draft of a snapshot for the newest one and half of its parameters for all of them, and does not start.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_away_what_its_store_has_half_made() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let mut events = BTreeSet::new();
    for round in 1..=2 {
        events.insert(make_event(&cloud, None).await?);
        cloud.process.kill().await?;
        let store = cloud.directory().join("cloud/data/store/1");
        let conf = fs::read(store.join("conf"))?;
        let draft = store.join("snap.7FFFFFFFFFFFFFFF.generating");
        fs::write(&draft, vec![round; 3000])?;
        // Empty, or all of its length and nothing in it: what is left of a file whose bytes were never synced.
        fs::write(store.join("conf"), vec![0; if round == 1 { 0 } else { conf.len() }])?;
        cloud = cloud.restart().await?;
        ensure!(!draft.exists(), "the draft is still there");
        ensure!(fs::read(store.join("conf"))? == conf, "the parameters are not what they were");
        let words = "removed what a power cut left half made";
        let told = cloud.process.output().lines().filter(|line| line.contains(words)).count();
        ensure!(told >= 2, "it is said {told} times: {}", cloud.process.tail(20));
        for event in &events {
            cloud.api.get(&format!("events/{event}")).await.context("an acknowledged event")?;
        }
    }
    let told = store::said(cloud.directory(), &["check"]).await?;
    ensure!(told.contains("all fit together"), "{told}");
    Ok(())
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
