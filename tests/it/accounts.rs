//! `stagebox-cloud account delete`: with a server and without, and through kill -9.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::{Cloud, CloudOptions, Process, binary};
use tokio::process::Command;
use tokio::time::sleep;

use super::STEP;
use super::tenant::{MOMENTARY, Tenant, account, command, contents, kinds, records, wait_gone};

fn options() -> CloudOptions {
    let extra = "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n".to_owned();
    CloudOptions { extra, ..CloudOptions::default() }
}

fn deletion(directory: &Path, number: &str) -> Result<Process> {
    let mut command = Command::new(binary("stagebox-cloud")?);
    command.args(["account", "delete", number, "--yes", "--config"]).arg(directory.join("cloud/cloud.toml"));
    Process::start("delete", &directory.join("logs"), command)
}

async fn refused(directory: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(directory, arguments).await?;
    ensure!(!output.status.success(), "account {arguments:?} succeeded");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Records of what lasts: not of how the server is at the moment, and of the first account's journal only what was there.
fn lasting(all: &[String]) -> Result<Vec<&String>> {
    let mut lasting = Vec::new();
    for record in all {
        let read: Value = serde_json::from_str(record)?;
        let kind = read["kind"].as_str().unwrap_or_default();
        if read["record"] != "counter" && !MOMENTARY.contains(&kind) {
            lasting.push(record);
        }
    }
    Ok(lasting)
}

/// All that was there before the account was made is there as it was, and there is nothing more of any kind.
fn nothing_else_changed(before: &[String], after: &[String], jobs: usize) -> Result<()> {
    for record in lasting(before)? {
        ensure!(after.contains(record), "{record} changed or went");
    }
    let (mut expected, found): (BTreeMap<String, usize>, _) = (kinds(before)?, kinds(after)?);
    *expected.entry("job".into()).or_default() += jobs;
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_with_all_it_has_and_nothing_of_others_does() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = directory.path();
    let media = place.join("cloud/data/media");
    let mut cloud = Cloud::start(place, &options()).await?;
    cloud.api.post("events", &json!({ "title": "The first account's" })).await?;
    cloud.api.put("include-files/own.json", &json!("own")).await?;
    // Quiet, so that what changes is of the deletion.
    let mut neighbour = Tenant::make(&cloud, place, &media, "Birnbaum").await?;
    neighbour.off_air().await?;
    cloud.process.stop(STEP).await?;
    let (before, files) = (records(place, "before").await?, contents(&media)?);
    ensure!(neighbour.stands_in(&before) && !files.is_empty(), "the neighbour is not there");
    cloud = cloud.restart().await?;

    let mut tenant = Tenant::make(&cloud, place, &media, "Zwetschge").await?;
    let url = tenant.live_url(&cloud).await?;
    ensure!(tenant.box_enters(&cloud).await?, "its box is not let in");
    let full = records(place, "full").await?;
    ensure!(tenant.stands_in(&full), "not all of it is in the store");
    let (mine, others) = (kinds(&full)?, kinds(&before)?);

    let told = refused(place, &["delete", "1", "--yes"]).await?;
    ensure!(told.contains("first account"), "{told}");
    let told = refused(place, &["delete", "Zwetschge"]).await?;
    ensure!(told.contains("--yes"), "nobody was asked: {told}");
    let told = refused(place, &["delete", "Zwetschgen", "--yes"]).await?;
    ensure!(told.contains("there is no account"), "{told}");
    let told = account(place, &["delete", "Zwetschge", "--dry-run"]).await?;
    for kind in ["event", "item", "recording", "device", "user", "role", "token", "include_file", "session"] {
        ensure!(told.lines().any(|line| line.trim_start().ends_with(kind)), "{kind} is not in {told}");
        let more = MOMENTARY.contains(&kind) || mine.get(kind) > others.get(kind);
        ensure!(more, "it has no {kind}: {mine:?}");
    }
    ensure!(told.contains("media objects, "), "{told}");
    ensure!(
        tenant.api.get("events").await?["data"].as_array().is_some_and(|all| all.len() == 3),
        "it is there"
    );

    let told = account(place, &["delete", &tenant.number, "--yes"]).await?;
    ensure!(told.contains("is deleted"), "{told}");
    let shut = tenant.api.get("events").await.unwrap_err().to_string();
    ensure!(shut.contains("401") || shut.contains("403"), "{shut}");
    tenant.is_off_air(&cloud, place, &url).await?;
    ensure!(!tenant.box_enters(&cloud).await?, "its box is still let in");
    ensure!(neighbour.box_enters(&cloud).await?, "the neighbour's box is not let in any more");
    let jobs = cloud.api.get("jobs").await?;
    let job =
        jobs["data"].as_array().and_then(|jobs| jobs.iter().find(|job| job["kind"] == "delete-account"));
    ensure!(job.is_some_and(|job| job["state"] == "done"), "{jobs}");
    let told = refused(place, &["delete", &tenant.number, "--yes"]).await?;
    ensure!(told.contains("there is no account"), "{told}");

    cloud.process.stop(STEP).await?;
    let after = records(place, "after").await?;
    tenant.is_gone(&after, &[place.join("cloud/data")])?;
    nothing_else_changed(&before, &after, 1)?;
    ensure!(contents(&media)? == files, "the others' media changed");

    // Without a server; a new account has nothing of the old one.
    let mut cloud = cloud.restart().await?;
    let mut third = Tenant::make(&cloud, place, &media, "Quitte").await?;
    ensure!(third.number != tenant.number, "a number was given out again");
    third.off_air().await?;
    cloud.process.stop(STEP).await?;
    let told = account(place, &["delete", "Quitte", "--yes"]).await?;
    ensure!(told.contains("is deleted"), "{told}");
    let after = records(place, "offline").await?;
    third.is_gone(&after, &[place.join("cloud/data")])?;
    nothing_else_changed(&before, &after, 1)?;
    ensure!(contents(&media)? == files, "the others' media changed");
    let cloud = cloud.restart().await?;
    ensure!(!third.box_enters(&cloud).await?, "its box is still let in");
    ensure!(neighbour.box_enters(&cloud).await?, "the neighbour's box is not let in any more");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_goes_on_after_kill_9_wherever_it_was() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = directory.path();
    let media = place.join("cloud/data/media");
    let mut cloud = Cloud::start(place, &options()).await?;
    cloud.api.post("events", &json!({ "title": "The first account's" })).await?;
    let (before, files) = (records(place, "before").await?, contents(&media)?);
    let mut broken_off = 0;
    for delay in [0, 40, 120, 300, 700] {
        let tenant = Tenant::make(&cloud, place, &media, &format!("Tenant{delay}")).await?;
        let process = deletion(place, &tenant.number)?;
        // The command has found the server once it says something.
        while process.output().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(delay)).await;
        cloud.process.kill().await?;
        drop(process);
        let left = records(place, &format!("left-{delay}")).await?;
        broken_off += usize::from(tenant.is_gone(&left, &[place.join("cloud/data")]).is_err());
        cloud = cloud.restart().await?;
        // By itself where it had begun; a command that was not heard is given again.
        let list = account(place, &["list"]).await?;
        if list.lines().any(|line| line.contains(&format!("Tenant{delay}")) && !line.contains("deleting")) {
            deletion(place, &tenant.number)?.wait(3 * STEP).await?;
        }
        wait_gone(place, &tenant.number).await?;
        let after = records(place, &format!("after-{delay}")).await?;
        tenant.is_gone(&after, &[place.join("cloud/data")])?;
        ensure!(contents(&media)? == files, "the first account's media changed");
    }
    ensure!(broken_off > 2, "only {broken_off} deletions were hit in their midst");
    cloud.process.stop(STEP).await?;
    let after = records(place, "end").await?;
    let jobs = kinds(&after)?.get("job").copied().unwrap_or_default();
    nothing_else_changed(&before, &after, jobs)?;
    Ok(())
}
