//! `stagebox-cloud store copy` to a PostgreSQL server that wants a password, from a server that is in use.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::peer::{Client, publish};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::postgres_access::Authority;
use stagebox_tests::house::{Cloud, CloudOptions};
use tokio::task::JoinSet;

use super::disk::{Told, events, write};
use super::store::{command, refused, said};
use super::{STEP, make_event, publish_url};

const PASSWORD: &str = "correct horse battery staple";
const WRITERS: usize = 4;
const FRAMES: u32 = 90;

/// A server with a database whose owner needs its password; the tests themselves need none.
fn guarded(keeper: &str) -> Result<Postgres> {
    let server = Postgres::start()?;
    server.run("postgres", &format!("CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'"))?;
    server.run("postgres", "CREATE DATABASE archive OWNER keeper")?;
    server.admit(&format!(
        "host all stagebox 127.0.0.1/32 trust\n{keeper} all keeper 127.0.0.1/32 scram-sha-256"
    ))?;
    Ok(server)
}

fn url(server: &Postgres, host: &str) -> String {
    server.url("archive").replace("stagebox@", "keeper@").replace("127.0.0.1", host)
}

/// Takes `[store]` into the cloud's configuration for the next start.
fn add_store(cloud: &Cloud, section: &str) -> Result<()> {
    let path = cloud.directory().join("cloud/cloud.toml");
    let config = fs::read_to_string(&path)?;
    Ok(fs::write(&path, format!("{config}\n{section}"))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_moves_to_postgresql_in_the_midst_of_a_broadcast() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = directory.path();
    let server = guarded("hostssl")?;
    let authority = Authority::make(place)?;
    server.encrypt(&authority, "localhost")?;
    let extra = "[live]\ntranscode = false\n".to_owned();
    let mut cloud = Cloud::start(place, &CloudOptions { extra, ..CloudOptions::default() }).await?;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    let mut publisher = publish(Client::Ffmpeg, place, &publish_url(&cloud, &event, "main").await?, FRAMES)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    let told = Arc::new(Told::default());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(cloud.api.clone(), Arc::clone(&told), writer));
    }
    told.more(&told.promised, 40).await?;

    let url = format!("{}?sslmode=require", url(&server, "localhost"));
    let (ca, password) = (authority.certificate().display().to_string(), place.join("database.password"));
    let to = ["copy", "--to", &url, "--schema", "house", "--ca-file", &ca];
    let wrong = refused(place, &to).await?;
    ensure!(wrong.contains("password missing") && wrong.contains("store.password_file"), "{wrong}");
    fs::write(&password, "another one\n")?;
    let password = password.display().to_string();
    let to = [&to[..], &["--password-file", &password]].concat();
    let wrong = refused(place, &to).await?;
    ensure!(wrong.contains("28P01") && wrong.contains("store.password_file"), "{wrong}");
    fs::write(&password, format!("{PASSWORD}\n"))?;
    fs::set_permissions(&password, Permissions::from_mode(0o600))?;
    let words = said(place, &to).await?;
    for wanted in ["records moved", "schema = \"house\"", &format!("password_file = \"{password}\"")] {
        ensure!(words.contains(wanted), "{wanted} is not said: {words}");
    }
    told.more(&told.promised, 40).await?;
    ensure!(told.refused.load(Ordering::Relaxed) == 0, "writers were refused: {told:?}");
    let status = publisher.wait(STEP).await?;
    ensure!(status.success(), "ffmpeg ended with {status}: {}", publisher.tail(10));
    cloud.api.set_status(&event, "ended").await?;
    let item = cloud.api.wait_item(&event, STEP).await?;
    told.over.store(true, Ordering::Relaxed);
    let mut promised = BTreeSet::from([event]);
    while let Some(ids) = writers.join_next().await {
        promised.extend(ids??);
    }

    cloud.process.stop(STEP).await?;
    let left = refused(place, &["check"]).await?;
    ensure!(left.contains("was moved to PostgreSQL at localhost") && left.contains("schema house"), "{left}");
    ensure!(!cloud.process.output().contains(PASSWORD), "the password is in the log");
    let section = format!(
        "[store]\nkind = \"postgres\"\nurl = {url:?}\nschema = \"house\"\npassword_file = {password:?}\nca_file = {ca:?}\n"
    );
    add_store(&cloud, &section)?;
    let cloud = cloud.restart().await?;
    let there = events(&cloud.api).await?;
    let lost: Vec<_> = promised.difference(&there).collect();
    ensure!(lost.is_empty(), "{} of {} events are lost: {lost:?}", lost.len(), promised.len());
    let id = item["id"].as_str().context("an item has an id")?;
    cloud.api.get(&format!("items/{id}")).await.context("the item is gone")?;
    let words = said(place, &["check"]).await?;
    ensure!(words.contains("all fit together"), "{words}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_says_where_a_running_server_moves_to() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = directory.path();
    let server = guarded("host")?;
    let mut cloud = Cloud::start(place, &CloudOptions::default()).await?;
    let event = make_event(&cloud, None).await?;

    // A password where everybody sees it is hinted at, and goes nowhere else.
    let shown = url(&server, "127.0.0.1").replace("keeper@", "keeper:hunter2@");
    let wrong = refused(place, &["copy", "--to", &shown]).await?;
    ensure!(wrong.contains("use `--password-file`") && wrong.contains("28P01"), "{wrong}");
    ensure!(!wrong.contains("hunter2"), "the password is shown: {wrong}");

    let section = format!(
        "[store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"house\"\npassword = {PASSWORD:?}\n",
        url(&server, "127.0.0.1")
    );
    let new = place.join("new.toml");
    fs::write(&new, &section)?;
    fs::set_permissions(&new, Permissions::from_mode(0o644))?;
    let path = new.display().to_string();
    let both = refused(place, &["copy", "--to-config", &path, "--schema", "other"]).await?;
    ensure!(both.contains("cannot be used with"), "{both}");
    let output = command(place, &["copy", "--to-config", &path]).await?;
    let (told, hints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success() && told.contains("records moved") && told.contains(&path),
        "{told} {hints}"
    );
    ensure!(hints.contains("everybody on this machine can read") && hints.contains("chmod o="), "{hints}");
    make_event(&cloud, None).await.context("after the move")?;
    cloud.process.stop(STEP).await?;
    for text in [&*told, &*hints, &cloud.process.output()] {
        ensure!(!text.contains(PASSWORD) && !text.contains("hunter2"), "a password is shown: {text}");
    }
    add_store(&cloud, &section)?;
    let cloud = cloud.restart().await?;
    let there = events(&cloud.api).await?;
    ensure!(there.len() == 2 && there.contains(&event), "{there:?}");
    Ok(())
}
