//! What is wrong is said in words that name the field and the fix.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use stagebox_tests::house::{Agent, AgentOptions, ApiFailure, Cloud, CloudOptions, Source};

use super::{STEP, make_event};

/// Starts a box that must end by itself with a failure, and returns what it said.
async fn refused(options: &AgentOptions) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let mut agent = Agent::start_alone(directory.path(), options)?;
    let status = agent.process.wait(STEP).await?;
    ensure!(!status.success(), "the box took it");
    let said = agent.process.output();
    ensure!(!said.contains("panicked"), "the box panicked: {said}");
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_names_a_missing_source_file() -> Result<()> {
    let source = Source::File("/nowhere/clip.mp4".into());
    let said = refused(&AgentOptions { source, ..AgentOptions::default() }).await?;
    ensure!(said.contains("source.path") && said.contains("/nowhere/clip.mp4"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_names_an_unknown_key() -> Result<()> {
    let said =
        refused(&AgentOptions { extra: "[sound]\nloud = true\n".into(), ..AgentOptions::default() }).await?;
    ensure!(said.contains("sound"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_names_a_port_in_use() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    for (ports, field) in
        [([port, 0, 0], "http.listen"), ([0, port, 0], "rtmp.listen"), ([0, 0, port], "mqtt.listen")]
    {
        let directory = tempfile::tempdir()?;
        let options = CloudOptions { ports, ..CloudOptions::default() };
        let Err(error) = Cloud::start(directory.path(), &options).await else {
            anyhow::bail!("{field}: the cloud started on a port in use");
        };
        let said = format!("{error:#}");
        ensure!(said.contains(field) && said.contains(&port.to_string()), "{field}: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_transition_answers_409_and_names_the_right_ones() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let event = make_event(&cloud, None).await?;
    let Err(error) = cloud.api.set_status(&event, "ended").await else {
        anyhow::bail!("a waiting event was ended")
    };
    let failure = error.downcast_ref::<ApiFailure>();
    ensure!(failure.is_some_and(|failure| failure.status == 409), "{error:#}");
    ensure!(format!("{error:#}").contains("preview"), "the allowed statuses are not named: {error:#}");
    let Err(error) = cloud.api.post("events", &json!({ "titel": "x" })).await else {
        anyhow::bail!("an unknown key was taken")
    };
    ensure!(format!("{error:#}").contains("titel"), "{error:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_works_on_while_the_cloud_is_away() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let extra = "[cloud]\nurl = \"http://127.0.0.1:9\"\nmqtt_url = \"mqtt://127.0.0.1:9\"\nid = \"box_00000000000000000000000000\"\nsecret = \"none\"\n";
    let options = AgentOptions { extra: extra.into(), ..AgentOptions::default() };
    let mut agent = Agent::start_alone(directory.path(), &options)?;
    // Without targets a press starts what can be started; the box must not fall over its absent cloud.
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(agent.process.ended().is_none(), "the box ended: {}", agent.process.tail(10));
    agent.process.stop(Duration::from_secs(5)).await?;
    Ok(())
}
