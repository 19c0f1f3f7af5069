//! Accounts of an installation whose processes share a PostgreSQL database: one is deleted while processes are killed.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::{Cloud, CloudOptions, Process, binary, wait_until};
use tokio::process::Command;

use super::STEP;
use super::tenant::{Tenant, account, contents, kinds, records, wait_gone};

/// Processes on one PostgreSQL, their media in one directory.
struct House {
    server: Postgres,
    directory: tempfile::TempDir,
}

impl House {
    fn options(&self, roles: &str) -> CloudOptions {
        let extra = format!(
            "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n\
             [cluster]\nsecret = \"a secret of the whole house\"\nlease_ms = 2000\n\
             [store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"house\"\n[media]\ndirectory = {:?}\n",
            self.server.url("postgres"),
            self.media(),
        );
        CloudOptions { top: format!("roles = [{roles}]"), extra, ..CloudOptions::default() }
    }

    fn media(&self) -> PathBuf {
        self.directory.path().join("media")
    }

    async fn worker(&self, first: &Cloud, name: &str) -> Result<Cloud> {
        Cloud::start_beside(first, &self.directory.path().join(name), &self.options("\"transcode\"")).await
    }
}

async fn job(api: &Cloud) -> Result<Option<Value>> {
    let jobs = api.api.get("jobs").await?;
    let jobs = jobs["data"].as_array().cloned().unwrap_or_default();
    Ok(jobs.into_iter().find(|job| job["kind"] == "delete-account"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_leaves_the_deletion_to_another() -> Result<()> {
    let house = House { server: Postgres::start()?, directory: tempfile::tempdir()? };
    let place = house.directory.path().join("first");
    let media = house.media();
    let roles = "\"api\", \"ingest\", \"deliver\", \"broker\", \"hooks\"";
    let cloud = Cloud::start(&place, &house.options(roles)).await?;
    let mut one = house.worker(&cloud, "one").await?;
    cloud.api.post("events", &json!({ "title": "The first account's" })).await?;
    let mut neighbour = Tenant::make(&cloud, &place, &media, "Birnbaum").await?;
    neighbour.off_air().await?;
    let before = records(&place, "before").await?;
    let mut tenant = Tenant::make(&cloud, &place, &media, "Zwetschge").await?;
    tenant.off_air().await?;
    let files = contents(&media)?;

    let mut command = Command::new(binary("stagebox-cloud")?);
    command.args(["account", "delete", "Zwetschge", "--yes", "--config"]).arg(place.join("cloud/cloud.toml"));
    let mut command = Process::start("delete", &place.join("logs"), command)?;
    // As soon as it has begun, and with no rest between two looks: it takes well under a second.
    let begun = async {
        loop {
            let job = job(&cloud).await?;
            ensure!(job.as_ref().is_none_or(|job| job["state"] != "done"), "it was too quick to be caught");
            // The first thing that it does is to shut the account's users out.
            let runs = job.is_some_and(|job| job["state"] == "running");
            if runs && tenant.api.get("events").await.is_err() {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(STEP, begun).await.context("the job does not begin")??;
    one.process.kill().await?;
    let list = account(&place, &["list"]).await?;
    ensure!(list.contains("deleting"), "{list}");
    let shut = tenant.api.get("events").await.unwrap_err().to_string();
    ensure!(shut.contains("401") || shut.contains("403"), "{shut}");
    let two = house.worker(&cloud, "two").await?;
    let status = command.wait(3 * STEP).await?;
    ensure!(status.success() && command.output().contains("is deleted"), "{}", command.output());
    wait_gone(&place, &tenant.number).await?;
    let job = job(&cloud).await?.context("the job is in the list")?;
    ensure!(job["state"] == "done" && job["attempts"].as_u64() > Some(1), "{job}");

    let after = records(&place, "after").await?;
    tenant.is_gone(&after, &[house.directory.path().to_owned()])?;
    ensure!(neighbour.stands_in(&after), "the neighbour lost something");
    let mut expected = kinds(&before)?;
    *expected.entry("job".into()).or_default() += 1;
    let found = kinds(&after)?;
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    for (path, data) in contents(&media)? {
        ensure!(files.get(&path) == Some(&data), "{} changed", path.display());
    }
    wait_until("the box is shut out", STEP, || async {
        Ok((!tenant.box_enters(&cloud).await?).then_some(()))
    })
    .await?;
    ensure!(neighbour.box_enters(&cloud).await?, "the neighbour's box is not let in any more");
    drop(two);
    Ok(())
}
