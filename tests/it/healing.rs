//! A box whose capture device never comes goes up the ladder, by itself, and no further than it may.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, wait_until};

use super::STEP;
use super::management::box_events;

/// The whole ladder takes 20 s at one second a rung.
const LADDER: Duration = Duration::from_secs(60);

/// The steps that the log tells of, in their order.
fn steps(log: &str) -> Vec<String> {
    let told = log.lines().filter(|line| line.contains("the box helps itself"));
    told.filter_map(|line| Some(line.split_once("step=")?.1.split_whitespace().next()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_goes_up_the_ladder_and_remembers_it() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let reboot = directory.path().join("reboot");
    let options = AgentOptions {
        source: Source::Device(directory.path().join("video0")),
        extra: format!("[healing]\nafter_s = 1\nreboot_file = {reboot:?}\n"),
        ..AgentOptions::default()
    };
    let mut agent = Agent::start(directory.path(), &cloud, &options).await?;
    let process = agent.process.id();

    wait_until("a reboot is asked for", LADDER, || async { Ok(fs::read_to_string(&reboot).ok()) })
        .await
        .with_context(|| agent.process.tail(30))?;
    let expected = ["RestartCapture", "ToggleEdid", "RestartAgent", "Reboot"];
    ensure!(steps(&agent.process.output()) == expected, "{:?}", steps(&agent.process.output()));
    // It became itself anew, as the process that it was.
    ensure!(agent.process.ended().is_none() && agent.process.id() == process, "it ended");
    let path = format!("devices/{}", agent.id);
    let device = cloud.api.get(&path).await?;
    let reason = device["telemetry"]["signal"]["reason"].as_str().unwrap_or_default().to_owned();
    ensure!(reason.contains("source.device"), "{reason}");

    // Killed and started again, it does not begin from below.
    agent.process.kill().await?;
    let mut agent = agent.restart()?;
    wait_until("nothing is left to try", STEP, || async {
        Ok(agent.process.output().contains("nothing left to try").then_some(()))
    })
    .await?;
    ensure!(
        steps(&agent.process.output()) == expected,
        "it began anew: {:?}",
        steps(&agent.process.output())
    );
    let device = &path;
    wait_until("it is online", STEP, || async {
        Ok((cloud.api.get(device).await?["online"] == true).then_some(()))
    })
    .await?;
    let id = agent.id.clone();
    agent.process.stop(STEP).await?;
    drop(cloud);
    let events = box_events(directory.path(), &id).await?;
    let told: Vec<_> = events.iter().filter(|event| event["kind"] == "self_healing").collect();
    let taken: Vec<_> = told.iter().filter_map(|event| event["step"].as_str()).collect();
    ensure!(taken == ["restart_capture", "toggle_edid", "restart_agent", "reboot"], "{events:?}");
    ensure!(
        told.iter().all(|event| event["reason"].as_str().is_some_and(|why| why.contains("source.device")))
    );
    ensure!(events.iter().any(|event| event["kind"] == "self_healing_exhausted"), "{events:?}");
    Ok(())
}
