//! An encoder that fails while it runs gives way to the next one, and comes back when it is told to.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, binary, free_port, wait_until};

use super::STEP;
use super::outputs::{hold, press};

/// A plugin with a hardware encoder that does what the file `fault` says.
fn faulty_encoder(directory: &Path, fault: &str) -> Result<Vec<(String, OsString)>> {
    const LIBRARY: &str = "libstagebox_faulty_encoder.so";
    let plugins = directory.join("plugins");
    fs::create_dir_all(&plugins)?;
    fs::copy(binary(LIBRARY)?, plugins.join(LIBRARY)).context("copying the plugin")?;
    fs::write(directory.join("fault"), fault)?;
    Ok(vec![
        ("GST_PLUGIN_PATH".to_owned(), plugins.into()),
        ("GST_REGISTRY".to_owned(), directory.join("registry").into()),
        ("FAULTY_ENCODER".to_owned(), directory.join("fault").into()),
    ])
}

/// Waits until the box encodes with `name`, while nothing or something does not as it should.
async fn encodes_with(agent: &Agent, cloud: &Cloud, name: &str, degraded: bool) -> Result<String> {
    let path = format!("devices/{}", agent.id);
    wait_until(&format!("{name} encodes, degraded: {degraded}"), STEP, || async {
        let device = cloud.api.get(&path).await?;
        let encoder = &device["telemetry"]["encoder"];
        let reason = encoder["degraded"].as_str();
        let is_so = encoder["state"] == "running" && encoder["name"] == name && encoder["fps"] != 0.0;
        Ok((is_so && reason.is_some() == degraded).then(|| reason.unwrap_or_default().to_owned()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_crashes_or_hangs_gives_way_and_comes_back() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let server = Nginx::rtmp(directory.path(), "main", free_port(0), true).await?;
    let port = server.port;
    let options = AgentOptions {
        extra: format!("[[outputs]]\nrole = \"main\"\nurl = \"rtmp://127.0.0.1:{port}/live\"\nkey = \"a\"\n"),
        environment: faulty_encoder(directory.path(), "crashes 45")?,
        ..AgentOptions::default()
    };
    let fault = |does: &str| fs::write(directory.path().join("fault"), does);
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let mut agent = Agent::start(directory.path(), &cloud, &options).await?;
    press(&agent).await?;
    wait_until("start_recording", STEP, || async { Ok(agent.command(&cloud, "start_recording").await.ok()) })
        .await?;
    let reason = encodes_with(&agent, &cloud, "x264enc", true).await?;
    ensure!(reason.starts_with("vah264enc failed twice: ") && reason.contains("SIGSEGV"), "{reason}");
    // Tried again while it cannot do better: nothing changes but the reason.
    fault("ends 10")?;
    agent.command(&cloud, "retry_encoder").await?;
    wait_until("the trial has failed", STEP, || async {
        let reason = encodes_with(&agent, &cloud, "x264enc", true).await?;
        Ok(reason.contains("failed when it was tried again: ").then_some(()))
    })
    .await?;
    // It proves itself, and hangs as soon as it is in use.
    fault("hangs 60")?;
    agent.command(&cloud, "retry_encoder").await?;
    encodes_with(&agent, &cloud, "vah264enc", false).await?;
    let reason = encodes_with(&agent, &cloud, "x264enc", true).await?;
    ensure!(reason.ends_with("hangs: it takes pictures and gives none"), "{reason}");
    fault("works")?;
    agent.command(&cloud, "retry_encoder").await?;
    encodes_with(&agent, &cloud, "vah264enc", false).await?;
    agent.command(&cloud, "stop_recording").await?;
    hold(&agent).await?;
    agent.process.stop(STEP).await?;

    ensure!(server.recorded().len() == 1, "one connection: {:?}", server.recorded());
    let files = probe::recordings(&agent.recordings());
    ensure!(files.len() >= 4, "a file for each encoder: {files:?}");
    for file in files {
        let packets = probe::packets(&file.display().to_string(), Stream::Video, None).await?;
        let gaps = probe::gaps(&packets, super::FRAME_US);
        ensure!(!packets.is_empty() && gaps.is_empty(), "{}: {gaps:?}", file.display());
    }
    Ok(())
}
