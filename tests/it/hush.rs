//! No secret of a whole run is in anything that is printed, logged, told or on a command line.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use stagebox_tests::house::peer::{Client, publish};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::receiver::Receiver;
use stagebox_tests::house::{
    ADMIN, Agent, AgentOptions, Api, Cloud, CloudOptions, Process, Source, binary, wait_until,
};
use tokio::process::Command;

use super::{STEP, make_event, publish_url};

const CLUSTER: &str = "cluster-hush-4d1f0c77";
const DATABASE: &str = "database-hush-93ab52e0";
const WRONG: &str = "wrong-password-hush-77c1";
const HOOK: &str = "hook-hush-2b6e1f";
/// Everything that our own programs would say.
const LOUD: &str = "info,stagebox_cloud=trace,stagebox_agent=trace,stagebox_media=trace,stagebox_push=trace";

const ANNAS: &str = "annas password hush-77aa10";

/// What is secret, each with a name for the message.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, name: &'static str, secret: &str) -> Result<()> {
        ensure!(secret.len() >= 12, "the {name} is too short to be looked for: {secret:?}");
        self.0.push((name, secret.to_owned()));
        Ok(())
    }

    /// All that is in a text.
    fn look(&self, place: &str, text: &str, found: &mut Vec<String>) {
        for (name, secret) in &self.0 {
            if let Some(at) = text.find(secret.as_str()) {
                let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let line: String = text[start..].chars().take(200).collect();
                found.push(format!("{place} has the {name}: {line}"));
            }
        }
    }
}

/// Reads each log file below a directory.
fn logs(folder: &Path, each: &mut impl FnMut(&Path, &str)) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            logs(&path, each)?;
        } else if path.extension().is_some_and(|ending| ending == "log") {
            each(&path, &String::from_utf8_lossy(&fs::read(&path)?));
        }
    }
    Ok(())
}

/// The command lines of everything that runs with a word of the run in it.
fn command_lines(word: &str) -> String {
    let lines = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = lines.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(word) && !line.contains("ffmpeg")).collect::<Vec<_>>().join("\n")
}

async fn error(api: &Api, method: reqwest::Method, path: &str, body: Value) -> String {
    let refused = api.call(method, path, Some(&body)).await;
    refused.map_or_else(|error| format!("{error:#}"), |answer| answer.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_whole_run_is_shown_anywhere() -> Result<()> {
    let (server, directory) = (Postgres::start()?, tempfile::tempdir()?);
    let root = directory.path();
    let url = server.url("postgres");
    let (scheme, rest) = url.split_once("://").context("a URL")?;
    let (user, host) = rest.split_once('@').context("a URL with a user")?;
    let extra = format!(
        "[live]\ntranscode = true\n[outbound]\nallow = [\"127.0.0.0/8\"]\n\
         [cluster]\nsecret = {CLUSTER:?}\nlease_ms = 2000\n\
         [store]\nkind = \"postgres\"\nurl = \"{scheme}://{user}:{DATABASE}@{host}\"\nschema = \"house\"\n\
         [media]\ndirectory = {:?}\n",
        root.join("media"),
    );
    let environment = vec![("STAGEBOX_LOG".to_owned(), LOUD.into())];
    let options = CloudOptions { extra, environment, ..CloudOptions::default() };
    let roles = |roles: &str| CloudOptions { top: format!("roles = [{roles}]"), ..options.clone() };
    let first = roles("\"api\", \"ingest\", \"hooks\", \"broker\", \"transcode\"");
    let mut cloud = Cloud::start(&root.join("first"), &first).await?;
    let mut beside =
        Cloud::start_beside(&cloud, &root.join("second"), &roles("\"deliver\", \"api\"")).await?;
    let mut secrets = Secrets::default();
    let password = cloud.api.credentials().1.to_owned();
    secrets.add("administrator's password", &password)?;
    for (name, secret) in [
        ("cluster's secret", CLUSTER),
        ("database's password", DATABASE),
        ("wrong password", WRONG),
        ("hook's path", HOOK),
    ] {
        secrets.add(name, secret)?;
    }
    let key_file = root.join("first/cloud/secrets.key");
    secrets.add("first key", fs::read_to_string(&key_file)?.trim())?;
    let mut told = Vec::new();

    // A box, an encoder, and a receiver that takes notifications, then none.
    let agent = AgentOptions { source: Source::Pattern, ..AgentOptions::default() };
    let mut agent = Agent::start(&root.join("first"), &cloud, &agent).await?;
    let config: toml::Table = fs::read_to_string(root.join("first/box/agent.toml"))?.parse()?;
    secrets.add("box's secret", config["cloud"]["secret"].as_str().unwrap_or_default())?;
    let event = make_event(&cloud, Some(&agent.id)).await?;
    for input in ["main", "backup"] {
        let shown = cloud.api.get(&format!("events/{event}")).await?;
        secrets.add("stream key", shown["inputs"][input]["key"].as_str().unwrap_or_default())?;
    }
    let receiver = Receiver::start().await?;
    cloud.api.put("hook", &json!({ "url": format!("{}{HOOK}", receiver.url()) })).await?;
    wait_until("the box goes live", STEP, || async { Ok(agent.command(&cloud, "start_stream").await.ok()) })
        .await?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    cloud.api.set_status(&event, "started").await?;
    let other = make_event(&cloud, None).await?;
    let encoder_url = publish_url(&cloud, &other, "main").await?;
    secrets.add("encoder's stream key", encoder_url.rsplit('/').next().unwrap_or_default())?;
    let mut encoder = publish(Client::Ffmpeg, &root.join("peer"), &encoder_url, 45)?;
    cloud.api.wait_receiving(&other, "main", STEP).await?;
    encoder.wait(STEP).await?;
    wait_until("the receiver is told", STEP, || async { Ok((receiver.told().len() > 2).then_some(())) })
        .await?;
    drop(receiver);

    // Logins: a token, another user's password, and the secret of an authenticator app.
    let token = cloud.api.post("tokens", &json!({ "name": "hush" })).await?;
    secrets.add("token", token["token"].as_str().unwrap_or_default())?;
    let roles = cloud.api.get("roles").await?;
    let user = json!({ "email": "anna@example.org", "role": roles["data"][0]["id"], "password": ANNAS });
    cloud.api.post("users", &user).await?;
    secrets.add("user's password", ANNAS)?;
    let anna = Api::new(cloud.api.base(), "anna@example.org", ANNAS);
    let begun = anna.post("second-factor", &json!({ "password": ANNAS })).await?;
    secrets.add("second factor", begun["secret"].as_str().unwrap_or_default())?;
    told.push(
        error(&anna, reqwest::Method::POST, "second-factor/confirm", json!({ "code": "000000" })).await,
    );

    // What goes wrong is told too, and must not tell more.
    let lost = format!("rtmp://{}/live/nosuchkey-hush-5f0d", cloud.ports.rtmp);
    secrets.add("key that is nobody's", "nosuchkey-hush-5f0d")?;
    publish(Client::Ffmpeg, &root.join("peer"), &lost, 15)?.wait(STEP).await?;
    let post = reqwest::Method::POST;
    let put = reqwest::Method::PUT;
    let stranger = Api::new(cloud.api.base(), ADMIN, WRONG);
    told.push(error(&stranger, reqwest::Method::GET, "events", json!(null)).await);
    let session = json!({ "email": ADMIN, "password": WRONG });
    told.push(error(&cloud.api, post.clone(), "session", session).await);
    told.push(error(&cloud.api, put.clone(), "hook", json!({ "url": format!("ftp://x/{HOOK}") })).await);
    told.push(
        error(&cloud.api, put.clone(), "hook", json!({ "url": format!("http://10.0.0.1/{HOOK}") })).await,
    );
    told.push(error(&cloud.api, post, "tokens", json!({ "nme": "x" })).await);
    cloud.api.put("hook", &json!({ "url": format!("http://127.0.0.1:1/{HOOK}") })).await?;
    make_event(&cloud, None).await?;
    wait_until("a notification fails", STEP, || async {
        Ok((cloud.api.get("hook").await?["failed"].as_u64() > Some(0)).then_some(()))
    })
    .await?;
    let running = command_lines(&root.display().to_string());
    ensure!(running.contains("stagebox-agent"), "the run's processes were not found: {running}");
    told.push(running);

    // The key is changed, and a backup taken.
    let tool = |name: &str, arguments: &[&str]| -> Result<Process> {
        let mut command = Command::new(binary("stagebox-cloud")?);
        command.args(arguments).arg("--config").arg(root.join("first/cloud/cloud.toml"));
        command.env("STAGEBOX_LOG", LOUD);
        Process::start(name, &root.join("tools"), command)
    };
    let mut rotate = tool("rotate", &["secrets", "rotate"])?;
    ensure!(rotate.wait(STEP).await?.success(), "{}", rotate.output());
    secrets.add("second key", fs::read_to_string(&key_file)?.trim())?;
    let backup = root.join("backup").display().to_string();
    ensure!(tool("backup", &["store", "backup", "--to", &backup])?.wait(STEP).await?.success(), "no backup");
    tool("copy", &["store", "copy", "--to", &format!("postgres://x:{DATABASE}@127.0.0.1:1/x")])?
        .wait(STEP)
        .await?;

    // All that anybody is told: the journal as pages follow it, lists, figures; and the backup, which is kept elsewhere.
    cloud.api.patch(&format!("events/{event}"), &json!({ "title": "Told" })).await?;
    let mut stream = reqwest::Client::new()
        .get(format!("{}/api/v1/stream", cloud.api.base()))
        .basic_auth(ADMIN, Some(&password))
        .header("last-event-id", "0")
        .send()
        .await?;
    let mut journal = String::new();
    let read = async {
        while let Some(piece) = stream.chunk().await? {
            journal.push_str(&String::from_utf8_lossy(&piece));
            if journal.contains(&event) && journal.contains("\"kind\":\"hook\"") {
                break;
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(STEP, read).await.context("the journal tells of the event and the hook")??;
    for path in ["nodes", "alarms", "jobs", "items", "recordings", "devices", "users", "tokens", "media"] {
        told.push(error(&cloud.api, reqwest::Method::GET, path, json!(null)).await);
    }
    told.push(cloud.api.fetch_text("/metrics").await?);
    told.push(cloud.api.fetch_text("/readyz").await?);
    told.push(journal);
    told.push(fs::read_to_string(&backup)?);
    let listed = cloud.api.get("events").await?.to_string();
    agent.process.stop(STEP).await?;
    beside.process.kill().await?;
    cloud.process.signal(Signal::SIGTERM)?;
    cloud.process.wait(STEP).await?;

    let mut found = Vec::new();
    let (mut files, mut loud) = (Vec::new(), false);
    logs(root, &mut |path, text| {
        loud |= text.contains("DEBUG stagebox_cloud") || text.contains("TRACE stagebox_cloud");
        files.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        // ffmpeg says where it pushes to: that is the peer's own log.
        if !path.starts_with(root.join("peer")) {
            secrets.look(&path.display().to_string(), text, &mut found);
        }
    })?;
    for wanted in ["cloud.log", "box.log", "rotate.log", "backup.log", "copy.log"] {
        ensure!(files.iter().any(|file| file == wanted), "{wanted} is not among {files:?}");
    }
    ensure!(loud, "the cloud said no more than usual");
    for (number, text) in told.iter().enumerate() {
        ensure!(!text.is_empty(), "nothing was told as number {number}");
        secrets.look(&format!("what was told as number {number}"), text, &mut found);
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    // Where secrets are meant to be, the search finds them.
    for (place, wanted) in
        [("first/box/agent.toml", 1), ("first/cloud/cloud.toml", 2), ("first/cloud/secrets.key", 1)]
    {
        let mut meant = Vec::new();
        secrets.look(place, &fs::read_to_string(root.join(place))?, &mut meant);
        ensure!(meant.len() == wanted, "the search does not work: {meant:?}");
    }
    let mut meant = Vec::new();
    secrets.look("the administrator's own list", &listed, &mut meant);
    ensure!(meant.len() >= 3, "the search does not work: {meant:?}");
    Ok(())
}
