//! Certificates from a real authority, over its real HTTPS.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stagebox_tests::house::acme::Authority;
use stagebox_tests::house::{Cloud, CloudOptions, free_port, wait_until};
use tokio::process::Command;

use super::STEP;

/// A cloud whose HTTPS is at this port, with a section for an authority.
fn options(port: u16, section: String) -> CloudOptions {
    let environment = vec![("STAGEBOX_HTTP__TLS_LISTEN".to_owned(), format!("127.0.0.1:{port}").into())];
    CloudOptions { extra: section, environment, ..CloudOptions::default() }
}

/// Whether what is served at an address comes from the authority.
async fn is_from(address: &str, authority: &Path) -> Result<bool> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address, "-verify_return_error", "-CAfile"]).arg(authority);
    let done = command.stdin(std::process::Stdio::null()).output();
    Ok(tokio::time::timeout(STEP, done).await.context("openssl does not end")??.status.success())
}

async fn alarm(cloud: &Cloud) -> Result<Option<String>> {
    let alarms = cloud.api.get("alarms").await?;
    let alarms = alarms["data"].as_array().context("alarms")?;
    let alarm = alarms.iter().find(|alarm| alarm["name"] == "tls-acme");
    Ok(alarm.and_then(|alarm| alarm["words"].as_str()).map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_gives_the_certificate_of_all_listeners_once() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let port = free_port(0);
    let authority = Authority::start(directory.path(), port).await?;
    let cloud = Cloud::start(directory.path(), &options(port, authority.section())).await?;
    let ca = authority.certificate();
    for address in [&cloud.ports.https, &cloud.ports.rtmps, &cloud.ports.mqtts] {
        let what = format!("{address} serves the authority's certificate");
        wait_until(&what, STEP, || async { Ok(is_from(address, &ca).await?.then_some(())) })
            .await
            .with_context(|| format!("{}\n{}", cloud.process.tail(20), authority.process.tail(60)))?;
    }
    ensure!(alarm(&cloud).await?.is_none() && authority.issued() == 1, "{} were given", authority.issued());
    let kept = directory.path().join("cloud/data/tls/acme");
    for file in fs::read_dir(&kept)? {
        let file = file?;
        ensure!(file.metadata()?.permissions().mode() & 0o077 == 0, "{file:?} is for others too");
    }
    let device = cloud.api.post("devices", &serde_json::json!({ "name": "Box" })).await?;
    ensure!(device["tls_fingerprint"] == Value::Null, "a print of a key that does not stay: {device}");

    // What is kept is served from the first moment on, and nothing new is asked for.
    let cloud = cloud.restart().await?;
    ensure!(is_from(&cloud.ports.https, &ca).await?, "the certificate was not kept");
    ensure!(authority.issued() == 1, "{} were given", authority.issued());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_proof_the_own_certificate_is_served_and_it_is_told_why() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let authority = Authority::start(directory.path(), free_port(0)).await?;
    let cloud = Cloud::start(directory.path(), &options(0, authority.section())).await?;
    let words = wait_until("the alarm is raised", STEP, || alarm(&cloud)).await?;
    ensure!(words.contains("127.0.0.1") && words.contains("port 443") && words.contains("10 min"), "{words}");
    ensure!(is_from(&cloud.ports.https, &directory.path().join("cloud/data/tls/certificate.pem")).await?);
    ensure!(authority.issued() == 0, "a certificate was given without a proof");
    Ok(())
}
