//! The API's document by other people's programs: Redocly reads it, and schemathesis asks the server in thousands of
//! ways that it makes of it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::{Cloud, CloudOptions, binary};
use tokio::process::Command;

use super::{broadcast, make_event, publish_url};

/// The longest that one of the programs may take.
const LIMIT: Duration = Duration::from_secs(420);
/// Frames of the broadcast that becomes an item.
const FRAMES: u32 = 30;

fn tool(path: &str) -> Result<PathBuf> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(path);
    ensure!(tool.exists(), "{} is not installed: './run deps test' does it", tool.display());
    Ok(tool)
}

/// Where the programs' configurations are.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/openapi").join(name)
}

async fn run(command: &mut Command) -> Result<Output> {
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output();
    Ok(tokio::time::timeout(LIMIT, done).await.with_context(|| format!("{command:?} does not end"))??)
}

fn succeeded(output: &Output) -> Result<()> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn redocly_finds_nothing_wrong_with_the_document() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let printed = run(Command::new(binary("stagebox-cloud")?).arg("openapi")).await?;
    succeeded(&printed)?;
    let document = directory.path().join("openapi.json");
    std::fs::write(&document, &printed.stdout)?;
    let mut redocly = Command::new("node");
    redocly
        .arg(tool("redocly/node_modules/@redocly/cli/bin/cli.js")?)
        .args(["lint", "--format=stylish", "--config"])
        .arg(own("redocly.yaml"))
        .arg(&document)
        .current_dir(directory.path())
        .envs([("REDOCLY_TELEMETRY", "off"), ("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")]);
    succeeded(&run(&mut redocly).await?)
}

/// Things of the administrator's account, so that requests find some.
async fn furnish(cloud: &Cloud, directory: &Path) -> Result<()> {
    let device = cloud.api.post("devices", &json!({ "name": "Box" })).await?;
    make_event(cloud, device["id"].as_str()).await?;
    for _ in 0..2 {
        let event = make_event(cloud, None).await?;
        let url = publish_url(cloud, &event, "main").await?;
        let item = broadcast(cloud, directory, &event, &url, FRAMES).await?;
        ensure!(item["recording_id"].is_string(), "{item}");
    }
    // A job: its item goes, and another one stays.
    let items = cloud.api.get("items").await?;
    let first = items["data"][0]["id"].as_str().context("an item")?;
    cloud.api.call(reqwest::Method::DELETE, &format!("items/{first}"), None).await?;
    let roles = cloud.api.get("roles").await?;
    let crew = roles["data"].as_array().and_then(|roles| roles.iter().find(|role| role["name"] == "Crew"));
    let role = crew.context("the role Crew")?["id"].clone();
    cloud.api.post("users", &json!({ "email": "crew@stagebox.test", "role": role })).await?;
    cloud.api.put("hook", &json!({ "url": "https://hooks.invalid/" })).await?;
    Ok(())
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_gets_no_answer_that_the_document_has_not() -> Result<()> {
    let schemathesis = tool("schemathesis/bin/st")?;
    let directory = tempfile::tempdir()?;
    let options = CloudOptions {
        extra: "[live]\ntranscode = false\n".into(),
        environment: vec![("STAGEBOX_HTTP__TRUSTED_PROXIES".to_owned(), r#"["127.0.0.0/8"]"#.into())],
        ..CloudOptions::default()
    };
    let cloud = Cloud::start(directory.path(), &options).await?;
    furnish(&cloud, directory.path()).await?;
    let token = cloud.api.post("tokens", &json!({ "name": "schemathesis" })).await?;
    let users = cloud.api.get("users").await?;
    let own_user = text(&users["data"][0]["id"])?;
    let mut command = Command::new(schemathesis);
    command
        .arg("--config-file")
        .arg(own("schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", cloud.api.base()))
        .current_dir(directory.path())
        .env("SCHEMATHESIS_HOOKS", own("hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("STAGEBOX_TOKEN", text(&token["token"])?)
        .env("STAGEBOX_TOKEN_ID", text(&token["id"])?)
        .env("STAGEBOX_USER", own_user);
    let asked = run(&mut command).await?;
    succeeded(&asked).with_context(|| cloud.process.tail(20))?;
    // Its login has lasted to the end: not everything was answered 401. Passwords may have changed meanwhile.
    let own = format!("{}/api/v1/tokens/{}", cloud.api.base(), text(&token["id"])?);
    let client = reqwest::Client::builder().no_proxy().build()?;
    client.get(own).bearer_auth(text(&token["token"])?).send().await?.error_for_status()?;
    let told = String::from_utf8_lossy(&asked.stdout);
    ensure!(told.contains("passed") || told.contains("generated"), "{told}");
    Ok(())
}
