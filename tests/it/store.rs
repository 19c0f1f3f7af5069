//! `stagebox-cloud store …`, on a server that runs and on one that does not.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::{Cloud, CloudOptions, binary};
use tokio::process::Command;

pub(crate) async fn command(cloud: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary("stagebox-cloud")?);
    command.arg("store").args(arguments).arg("--config").arg(cloud.join("cloud/cloud.toml"));
    command.env("STAGEBOX_LOG", "warn").kill_on_drop(true).output().await.context("starting stagebox-cloud")
}

/// What a command that must succeed prints.
pub(crate) async fn said(cloud: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(cloud, arguments).await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "store {arguments:?}: {error}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Why a command that must fail did.
pub(crate) async fn refused(cloud: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(cloud, arguments).await?;
    ensure!(!output.status.success(), "store {arguments:?} succeeded");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn events(cloud: &Cloud) -> Result<Value> {
    Ok(cloud.api.get("events?limit=200").await?["data"].clone())
}

async fn fill(cloud: &Cloud, from: u32, to: u32) -> Result<()> {
    for number in from..to {
        cloud.api.post("events", &json!({ "title": format!("Evening {number}") })).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_is_backed_up_and_comes_back_elsewhere() -> Result<()> {
    let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut cloud = Cloud::start(here.path(), &CloudOptions::default()).await?;
    fill(&cloud, 0, 12).await?;
    let file = here.path().join("backup.ndjson").display().to_string();
    let told = said(here.path(), &["backup", "--to", &file]).await?;
    ensure!(told.contains("records in") && told.contains(&file), "{told}");
    let known = events(&cloud).await?;
    fill(&cloud, 12, 14).await?;
    let told = said(here.path(), &["check"]).await?;
    ensure!(told.contains("all fit together"), "{told}");
    let told = said(here.path(), &["rewrite"]).await?;
    ensure!(told.contains("MiB now"), "{told}");
    ensure!(events(&cloud).await?.as_array().is_some_and(|all| all.len() == 14), "the rewrite lost events");
    let told = refused(here.path(), &["restore", "--from", &file]).await?;
    ensure!(told.contains("a server runs"), "{told}");
    cloud.process.stop(super::STEP).await?;
    let told = refused(here.path(), &["restore", "--from", &file]).await?;
    ensure!(told.contains("not empty"), "{told}");
    let told = said(here.path(), &["check"]).await?;
    ensure!(told.contains("all fit together"), "without a server: {told}");

    // A new machine: the configuration, the key file and the backup are all there is.
    let own = there.path().join("cloud");
    std::fs::create_dir_all(&own)?;
    let old = here.path().join("cloud");
    let config = std::fs::read_to_string(old.join("cloud.toml"))?;
    let config = config.replace(&here.path().display().to_string(), &there.path().display().to_string());
    std::fs::write(own.join("cloud.toml"), &config)?;
    std::fs::copy(old.join("secrets.key"), own.join("secrets.key"))?;
    std::fs::copy(old.join("password"), own.join("password"))?;
    let told = said(there.path(), &["restore", "--from", &file]).await?;
    ensure!(told.contains("records are back"), "{told}");
    let cloud = Cloud::take_up(there.path()).await?;
    let mut back = events(&cloud).await?;
    // Addresses are of the machine, not of the event.
    let mut known = known;
    for event in known.as_array_mut().into_iter().chain(back.as_array_mut()).flatten() {
        for input in ["main", "backup"] {
            event["inputs"][input]["url"] = Value::Null;
        }
        event["embed"] = Value::Null;
    }
    ensure!(back == known, "{back} is not {known}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_moves_its_store_and_goes_on() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    fill(&cloud, 0, 5).await?;
    let elsewhere = directory.path().join("elsewhere").display().to_string();
    let wrong = refused(directory.path(), &["copy", "--to", "ftp://elsewhere"]).await?;
    ensure!(wrong.contains("ftp://") && wrong.contains("postgres://"), "{wrong}");
    let told = said(directory.path(), &["copy", "--to", &elsewhere]).await?;
    ensure!(told.contains("records moved") && told.contains(&elsewhere), "{told}");
    fill(&cloud, 5, 8).await?;
    ensure!(events(&cloud).await?.as_array().is_some_and(|all| all.len() == 8), "events are missing");
    cloud.process.stop(super::STEP).await?;
    // The old place says where its store went, and the new one has all.
    let left = refused(directory.path(), &["check"]).await?;
    ensure!(left.contains("was moved to") && left.contains(&elsewhere), "{left}");
    let store = directory.path().join("cloud/data/store");
    std::fs::remove_dir_all(&store)?;
    std::fs::rename(&elsewhere, &store)?;
    let cloud = cloud.restart().await?;
    ensure!(
        events(&cloud).await?.as_array().is_some_and(|all| all.len() == 8),
        "events are missing after it"
    );
    Ok(())
}
