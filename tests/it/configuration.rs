//! A box is configured while it runs, tells its log, and starts with what worked last.

use std::fs;
use std::io::Read;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, child_of, wait_until};

use super::STEP;

struct House {
    cloud: Cloud,
    agent: Agent,
}

impl House {
    async fn device(&self) -> Result<Value> {
        self.cloud.api.get(&format!("devices/{}", self.agent.id)).await
    }

    async fn want(&self, config: Value) -> Result<()> {
        let path = format!("devices/{}", self.agent.id);
        self.cloud
            .api
            .call(reqwest::Method::PATCH, &path, Some(&json!({ "config": config })))
            .await
            .map(|_| ())
    }

    /// Waits until what the box says of its configuration is so.
    async fn says(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_until(what, STEP, || async {
            let said = self.device().await?["reported"]["state"]["config"].clone();
            Ok(is_so(&said).then_some(said))
        })
        .await
    }

    /// The process that captures and encodes, once it does.
    async fn media(&self) -> Result<i32> {
        wait_until("the encoder runs", STEP, || async {
            Ok((self.device().await?["telemetry"]["encoder"]["state"] == "running").then_some(()))
        })
        .await?;
        child_of(self.agent.process.id(), "media")
    }

    async fn ask(&self, name: &str, args: Value) -> Result<Value> {
        let answer =
            self.cloud.api.post(&format!("devices/{}/commands/{name}", self.agent.id), &args).await?;
        Ok(answer["result"].clone())
    }

    async fn log(&self) -> Result<String> {
        let mut packed = Vec::new();
        let mut piece = self.ask("fetch_logs", json!({ "minutes": 10, "level": "info" })).await?;
        loop {
            ensure!(piece["offset"] == packed.len(), "{piece}");
            packed.extend(STANDARD.decode(piece["data"].as_str().context("no data")?)?);
            if piece["total_bytes"] == packed.len() {
                break;
            }
            piece = self.ask("fetch_more_logs", json!({ "of": piece["of"], "offset": packed.len() })).await?;
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text)?;
        Ok(text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_configured_while_it_runs_and_tells_its_log() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let options = AgentOptions { source: Source::Pattern, ..AgentOptions::default() };
    let agent = Agent::start(directory.path(), &cloud, &options).await?;
    let mut house = House { cloud, agent };
    house
        .says("its file holds", |said| said["applied"] == true && said["running"]["video"]["fps"] == 15)
        .await?;
    let first = house.media().await?;

    // What touches no picture starts nothing anew.
    house.want(json!({ "record": { "keep_days": 7 } })).await?;
    house
        .says("recordings are kept a week", |said| {
            said["applied"] == true && said["running"]["record"]["keep_days"] == 7
        })
        .await?;
    ensure!(house.media().await? == first, "the media process was started anew");

    // A bad one is refused in words, and nothing else happens.
    house.want(json!({ "video": { "fps": 0 }, "cloud": { "url": "http://elsewhere" } })).await?;
    let said = house.says("it is refused", |said| !said["errors"].is_null()).await?;
    ensure!(said["applied"] == false && said["errors"].to_string().contains("cloud"), "{said}");
    ensure!(said["running"]["record"]["keep_days"] == 7, "{said}");
    ensure!(house.media().await? == first, "the media process was started anew");

    // On the air, what begins the picture anew waits.
    house.agent.command(&house.cloud, "start_recording").await?;
    house.want(json!({ "record": { "keep_days": 7 }, "video": { "fps": 10 } })).await?;
    house.says("it waits", |said| !said["waits"].is_null()).await?;
    ensure!(house.media().await? == first, "the media process was started anew");
    house.agent.command(&house.cloud, "stop_recording").await?;
    house.says("it holds", |said| said["applied"] == true && said["running"]["video"]["fps"] == 10).await?;
    ensure!(house.media().await? != first, "the same process has another rate");

    // An encoder that is none is taken back.
    house.want(json!({ "video": { "encoder": "x265enc" } })).await?;
    let said = house.says("it is taken back", |said| !said["errors"].is_null()).await?;
    ensure!(said["errors"][0]["field"] == "video.encoder" && said["running"]["video"]["fps"] == 10, "{said}");

    let file = directory.path().join("box/agent.toml");
    let text = fs::read_to_string(&file)?;
    let secret =
        text.split("secret = \"").nth(1).and_then(|rest| rest.split('"').next()).context("no secret")?;
    let log = house.log().await?;
    ensure!(log.contains("a configuration is refused") && log.contains("stagebox_agent::media"), "{log}");
    ensure!(!log.contains(secret), "the secret is in the log");

    // A file that was cut short: what worked last is there again, secret and all.
    let cut = text.find(secret).context("no secret")? + secret.len() / 2;
    fs::write(&file, &text[..cut])?;
    house.agent = house.agent.restart()?;
    let said =
        house.says("it works as before", |said| said["notes"].to_string().contains("worked last")).await?;
    ensure!(said["running"]["video"]["fps"] == 10 && said["running"]["record"]["keep_days"] == 7, "{said}");
    wait_until("it tells of its memory", STEP, || async {
        let telemetry = &house.device().await?["telemetry"];
        Ok((telemetry["memory"]["agent_bytes"].as_u64() > Some(1 << 20)).then_some(()))
    })
    .await?;
    house.agent.process.stop(STEP).await?;
    Ok(())
}
