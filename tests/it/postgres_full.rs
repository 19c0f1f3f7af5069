//! The PostgreSQL server's disk is full in the midst of writes, and has room again; and the limit that is set below it.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::{Api, ApiFailure, Cloud, CloudOptions, wait_until};
use tokio::task::JoinSet;

use super::disk::{Told, events, is_whole, wait_alarm, wait_logged, write};
use super::{STEP, make_event};

const WRITERS: usize = 4;

/// A small file system for the server's tables, there as long as this is.
struct SmallDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(server: &Postgres, mib: u32) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        // The server runs as another user, who must get through.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        let path = directory.path().join("disk");
        fs::create_dir(&path)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "stagebox-test"])
            .arg(&path)
            .output()
            .context("running mount")?;
        let said = String::from_utf8_lossy(&mounted.stderr).into_owned();
        ensure!(mounted.status.success(), "a disk of its own can only be mounted by root: {said}");
        let disk = Self { path, _directory: directory };
        let owner = fs::metadata(server.run("postgres", "SHOW data_directory")?)?;
        let tables = disk.path.join("tables");
        fs::create_dir(&tables)?;
        chown(&tables, Some(owner.uid()), Some(owner.gid()))?;
        server.run("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", tables.display()))?;
        server.run("postgres", "CREATE DATABASE small TABLESPACE small")?;
        Ok(disk)
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Leaves not a byte free.
    fn fill(&self) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        loop {
            match file.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may end a moment later.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

fn options(server: &Postgres, database: &str, more: &str) -> CloudOptions {
    let url = server.url(database);
    let extra = format!(
        "[live]\ntranscode = false\n[store]\nkind = \"postgres\"\nurl = {url:?}\nschema = \"house\"\n{more}"
    );
    CloudOptions { extra, ..CloudOptions::default() }
}

/// Waits until a new event is refused because there is no room, and returns the words.
async fn wait_refused(api: &Api) -> Result<String> {
    wait_until("a new event is refused", STEP, || async {
        let Err(error) = api.post("events", &serde_json::json!({ "title": "One more" })).await else {
            return Ok(None);
        };
        let failure = error.downcast_ref::<ApiFailure>().with_context(|| format!("no answer: {error:#}"))?;
        ensure!(failure.status.as_u16() == 507, "{failure}");
        Ok(Some(failure.body["detail"].as_str().unwrap_or_default().to_owned()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_database_refuses_writes_until_it_has_room_again() -> Result<()> {
    let server = Postgres::start()?;
    let disk = SmallDisk::mount(&server, 32)?;
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &options(&server, "small", "")).await?;
    let told = Arc::new(Told::default());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(cloud.api.clone(), Arc::clone(&told), writer));
    }
    for round in 1..=2 {
        told.more(&told.promised, 40).await?;
        disk.fill()?;
        told.more(&told.refused, 40).await?;
        let words = wait_refused(&cloud.api).await?;
        ensure!(words.contains("disk of the store is full") && words.contains("can be read"), "{words}");
        ensure!(events(&cloud.api).await?.len() >= 40, "events cannot be read");
        wait_alarm(&cloud.api, true).await?;
        wait_logged(&cloud, "the disk of the store is full", round).await?;
        ensure!(cloud.api.fetch("/readyz").await.is_err(), "it says that it is ready");
        disk.make_room()?;
        told.more(&told.promised, 40).await.with_context(|| cloud.process.tail(20))?;
        wait_logged(&cloud, "this is over", round).await?;
        wait_until("the server is ready again", STEP, || async { Ok(cloud.api.fetch("/readyz").await.ok()) })
            .await?;
    }
    // Nobody writes: the server finds out by itself that there is room again.
    told.over.store(true, Ordering::Relaxed);
    let mut promised = BTreeSet::new();
    while let Some(ids) = writers.join_next().await {
        promised.extend(ids??);
    }
    disk.fill()?;
    wait_refused(&cloud.api).await?;
    disk.make_room()?;
    wait_until("the server is ready again", STEP, || async { Ok(cloud.api.fetch("/readyz").await.ok()) })
        .await?;
    is_whole(&cloud, &promised).await
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_limit_nothing_new_is_taken_and_an_event_can_be_ended() -> Result<()> {
    let server = Postgres::start()?;
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &options(&server, "postgres", "max_mib = 64\n")).await?;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    let ballast = "CREATE TABLE house.ballast AS
        SELECT repeat('x', 1000) AS filling FROM generate_series(1, 60 * 1024)";
    server.run("postgres", ballast)?;
    let words = wait_refused(&cloud.api).await?;
    for wanted in ["`store.max_mib` is 64", "limit"] {
        ensure!(words.contains(wanted), "{wanted} is not said: {words}");
    }
    let alarm = wait_alarm(&cloud.api, true).await?.unwrap_or_default();
    ensure!(alarm["words"].as_str().is_some_and(|words| words.contains("store.max_mib")), "{alarm}");
    let ended = cloud.api.set_status(&event, "ended").await.context("ending an event")?;
    ensure!(ended["status"] == "ended", "{ended}");
    server.run("postgres", "DROP TABLE house.ballast")?;
    wait_alarm(&cloud.api, false).await?;
    make_event(&cloud, None).await.context("there is room again")?;
    Ok(())
}
