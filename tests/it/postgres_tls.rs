//! The way to the PostgreSQL server is encrypted, and leads to the server that was meant or nowhere.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::postgres_access::Authority;
use stagebox_tests::house::{Cloud, CloudOptions, wait_until};

use super::{STEP, make_event};

/// Lets in nobody who does not encrypt.
const ENCRYPTED: &str = "hostssl all all 127.0.0.1/32 trust";
/// Would let in who falls back.
const ANYHOW: &str = "host all all 127.0.0.1/32 trust";

fn options(server: &Postgres, host: &str, mode: &str, ca: Option<&Path>) -> CloudOptions {
    let url = server.url("postgres").replace("127.0.0.1", host);
    let mut extra = format!("[store]\nkind = \"postgres\"\nurl = \"{url}?sslmode={mode}\"\n");
    if let Some(path) = ca {
        extra.push_str(&format!("ca_file = {path:?}\n"));
    }
    CloudOptions { extra, ..CloudOptions::default() }
}

/// Says why a cloud does not start.
async fn refused(options: &CloudOptions) -> Result<String> {
    let directory = tempfile::tempdir()?;
    match Cloud::start(directory.path(), options).await {
        Ok(_) => bail!("the cloud started with {}", options.extra),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_speaks_tls_to_its_database() -> Result<()> {
    let mut server = Postgres::start()?;
    let directory = tempfile::tempdir()?;
    let authority = Authority::make(directory.path())?;
    server.encrypt(&authority, "localhost")?;
    server.admit(ENCRYPTED)?;
    let options = options(&server, "localhost", "require", Some(&authority.certificate()));
    let cloud = Cloud::start(directory.path(), &options).await?;
    make_event(&cloud, None).await?;
    // Connections that were lost are made again in the same way.
    server.crash()?;
    server.start_again()?;
    wait_until("an event is made after the crash", STEP, || async {
        Ok(make_event(&cloud, None).await.ok())
    })
    .await?;
    let connections =
        "SELECT count(*) > 1 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name LIKE 'stagebox-cloud %'";
    ensure!(server.run("postgres", connections)? == "t", "not all connections are encrypted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_trusted_is_refused_in_words() -> Result<()> {
    let server = Postgres::start()?;
    let (directory, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (authority, other) = (Authority::make(directory.path())?, Authority::make(elsewhere.path())?);
    server.encrypt(&authority, "localhost")?;
    let own = authority.certificate();

    server.admit(ENCRYPTED)?;
    let said = refused(&options(&server, "localhost", "disable", Some(&own))).await?;
    for wanted in ["no encryption", "`sslmode=require` into `store.url`"] {
        ensure!(said.contains(wanted), "{wanted} is not said: {said}");
    }

    // Whoever fell back to a plain connection would be let in from here on.
    server.admit(ANYHOW)?;
    let plain = options(&server, "localhost", "disable", None);
    let cloud = Cloud::start(&directory.path().join("plain"), &plain).await?;
    drop(cloud);
    for ca in [Some(other.certificate()), None] {
        let said = refused(&options(&server, "localhost", "require", ca.as_deref())).await?;
        ensure!(said.contains("certificate") && said.contains("into `store.ca_file`"), "{ca:?}: {said}");
    }
    let said = refused(&options(&server, "127.0.0.1", "require", Some(&own))).await?;
    for wanted in
        ["certificate", "127.0.0.1", "put a host into `store.url` that the server's certificate is for"]
    {
        ensure!(said.contains(wanted), "{wanted} is not said: {said}");
    }
    ensure!(!said.contains("into `store.ca_file`"), "the wrong key is named: {said}");
    server.stop_encrypting()?;
    let said = refused(&options(&server, "localhost", "require", Some(&own))).await?;
    for wanted in ["does not support TLS", "switch `ssl` on", "`sslmode=disable` into `store.url`"] {
        ensure!(said.contains(wanted), "{wanted} is not said: {said}");
    }
    Ok(())
}
