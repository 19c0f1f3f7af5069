//! The test before going live, on a real box with a real cloud and real servers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, free_port, wait_until};

use super::{STEP, Stage};

/// A test of everything takes half a minute, and this machine may be busy.
const TEST: Duration = Duration::from_secs(90);

/// Software is what is wanted where there is no hardware to encode with.
fn options(extra: String) -> AgentOptions {
    let video = "encoder = \"x264enc\"".into();
    AgentOptions { source: Source::Pattern, video, extra, ..AgentOptions::default() }
}

async fn ask(cloud: &Cloud, agent: &Agent, name: &str, args: &Value) -> Result<Value> {
    cloud.api.post(&format!("devices/{}/commands/{name}", agent.id), args).await
}

async fn seen(cloud: &Cloud, agent: &Agent) -> Result<Value> {
    let device = cloud.api.get(&format!("devices/{}", agent.id)).await?;
    Ok(device["telemetry"]["preflight"].clone())
}

/// Waits for the end of a test that began after `before`.
async fn ended(cloud: &Cloud, agent: &Agent, before: &Value) -> Result<Value> {
    wait_until("the test is over", TEST, || async {
        let test = seen(cloud, agent).await?;
        let is_new = test["started_at"] != *before;
        Ok((is_new && test["finished_at"].is_string()).then_some(test))
    })
    .await
}

fn check<'a>(test: &'a Value, name: &str) -> Result<&'a Value> {
    let checks = test["checks"].as_array().context("no checks")?;
    checks.iter().find(|check| check["name"] == name).with_context(|| format!("no {name} in {test:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_tested_before_it_goes_live() -> Result<()> {
    let mut stage = Stage::set(&CloudOptions::default(), &options(String::new())).await?;
    let (cloud, agent) = (&stage.cloud, &stage.agent);
    wait_until("the box has its targets", STEP, || async {
        let device = cloud.api.get(&format!("devices/{}", agent.id)).await?;
        let outputs = device["telemetry"]["outputs"].as_array().cloned().unwrap_or_default();
        Ok(outputs.iter().any(|output| output["url"].is_string()).then_some(()))
    })
    .await?;
    let refused = ask(cloud, agent, "preflight", &json!({ "upload_s": 31 })).await;
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("1 to 30")), "31 s are taken");
    let begun = ask(cloud, agent, "preflight", &json!({ "upload_s": 2 })).await?;
    ensure!(begun["status"] == "accepted", "{begun}");
    wait_until("the test shows how far it came", STEP, || async {
        Ok((seen(cloud, agent).await?["state"] == "running").then_some(()))
    })
    .await?;
    let again = ask(cloud, agent, "preflight", &json!({})).await;
    ensure!(again.is_err_and(|error| format!("{error:#}").contains("a test runs already")), "two at a time");
    let test = ended(cloud, agent, &Value::Null).await?;
    for name in ["source", "sound", "disk", "main", "upload"] {
        ensure!(check(&test, name)?["verdict"] == "pass", "{name}: {test:#}");
    }
    // A machine of tests may be busy, its disk nearly full, and nobody may have set its clock.
    for name in ["encoder", "room", "clock"] {
        let verdict = &check(&test, name)?["verdict"];
        ensure!(*verdict == "pass" || *verdict == "warn", "{name}: {test:#}");
    }
    ensure!(["passed", "warned"].iter().any(|state| test["state"] == *state), "{test:#}");
    ensure!(test["upload_kbps"].as_u64().is_some_and(|kbps| kbps > 10_000), "{test:#}");
    let said = check(&test, "main")?["said"].as_str().unwrap_or_default();
    ensure!(said.contains("takes the connection") && said.contains("RTMP"), "{said}");
    // Nothing was published.
    let event = cloud.api.get(&format!("events/{}", stage.event)).await?;
    ensure!(event["inputs"]["main"]["receiving"] != true, "{event:#}");
    let left = std::fs::read_dir(agent.recordings())?.filter_map(Result::ok);
    ensure!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("preflight")));

    // One that is cancelled says so; and a stream ends a test, and allows none.
    ask(cloud, agent, "preflight", &json!({})).await?;
    ask(cloud, agent, "cancel_preflight", &json!({})).await?;
    let cancelled = ended(cloud, agent, &test["started_at"]).await?;
    ensure!(cancelled["state"] == "cancelled", "{cancelled:#}");
    ask(cloud, agent, "preflight", &json!({ "upload_s": 30 })).await?;
    stage.command("start_stream").await?;
    let ended_by_stream = ended(cloud, agent, &cancelled["started_at"]).await?;
    ensure!(ended_by_stream["state"] == "cancelled", "{ended_by_stream:#}");
    let live = ask(cloud, agent, "preflight", &json!({})).await;
    ensure!(live.is_err_and(|error| format!("{error:#}").contains("the box is live")), "tested while live");
    stage.agent.process.stop(Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_servers_is_told_in_words() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), true).await?;
    let extra = format!(
        "[[outputs]]\nrole = \"main\"\nurl = \"rtmp://no-such-server.invalid/live\"\nkey = \"a\"\n\
         [[outputs]]\nrole = \"backup\"\nurl = \"rtmp://127.0.0.1:{}/live\"\nkey = \"b\"\n",
        nginx.port
    );
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let mut agent = Agent::start(directory.path(), &cloud, &options(extra)).await?;
    wait_until("preflight", STEP, || async {
        Ok(ask(&cloud, &agent, "preflight", &json!({ "upload_s": 1 })).await.ok())
    })
    .await?;
    let test = ended(&cloud, &agent, &Value::Null).await?;
    ensure!(test["state"] == "failed", "{test:#}");
    let main = check(&test, "main")?;
    let said = main["said"].as_str().unwrap_or_default();
    ensure!(main["verdict"] == "fail" && said.contains("no-such-server.invalid"), "{main}");
    ensure!(main["fix"].as_str().is_some_and(|fix| fix.contains("DNS")), "{main}");
    // A server that others wrote takes the connection, and nothing is recorded there.
    ensure!(check(&test, "backup")?["verdict"] == "pass", "{test:#}");
    ensure!(nginx.recorded().is_empty(), "{:?}", nginx.recorded());
    // The event is in the journal.
    wait_until("the journal has it", STEP, || async {
        let log = cloud.api.get("log?kind=device_event").await?;
        let text = log.to_string();
        Ok(text.contains("preflight_finished").then_some(()))
    })
    .await?;
    agent.process.stop(Duration::from_secs(5)).await?;
    Ok(())
}
