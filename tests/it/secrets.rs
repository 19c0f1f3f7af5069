//! `stagebox-cloud secrets rotate`: under load, through kill -9, with several processes, and what older backups need.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::receiver::Receiver;
use stagebox_tests::house::{Api, Cloud, CloudOptions, Process, binary, wait_until};
use tokio::process::Command;
use tokio::time::sleep;

use super::STEP;
use super::store::said;

/// Starts the command on the cloud of a directory.
fn rotate(directory: &Path) -> Result<Process> {
    let mut command = Command::new(binary("stagebox-cloud")?);
    command.args(["secrets", "rotate", "--config"]).arg(directory.join("cloud/cloud.toml"));
    Process::start("rotate", &directory.join("logs"), command)
}

async fn rotate_to_the_end(directory: &Path) -> Result<()> {
    let mut process = rotate(directory)?;
    let status = process.wait(STEP).await?;
    ensure!(status.success(), "{}", process.output());
    ensure!(process.output().contains("documents have their secrets under the key"), "{}", process.output());
    Ok(())
}

fn key_file(directory: &Path) -> PathBuf {
    directory.join("cloud/secrets.key")
}

fn keys(path: &Path) -> Result<usize> {
    Ok(fs::read_to_string(path).context("the key file")?.lines().count())
}

/// The ids of the keys that a backup's secrets are under, each once.
async fn sealing_keys(directory: &Path, name: &str) -> Result<Vec<String>> {
    let file = directory.join(name);
    said(directory, &["backup", "--to", &file.display().to_string()]).await?;
    let text = fs::read_to_string(&file)?;
    let mut ids: Vec<String> =
        text.split("sealed:").skip(1).filter_map(|rest| Some(rest.get(..8)?.to_owned())).collect();
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// All events with their stream keys.
async fn secrets(api: &Api) -> Result<Vec<(String, Value)>> {
    let (mut all, mut path) = (Vec::new(), "events?limit=200".to_owned());
    loop {
        let page = api.get(&path).await?;
        for event in page["data"].as_array().into_iter().flatten() {
            let keys = json!([event["inputs"]["main"]["key"], event["inputs"]["backup"]["key"]]);
            ensure!(keys[0].as_str().is_some_and(|key| key.len() == 40), "{event}");
            all.push((event["id"].as_str().unwrap_or_default().to_owned(), keys));
        }
        match page["next"].as_str() {
            Some(next) => path = format!("events?limit=200&after={next}"),
            None => break,
        }
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}

/// Makes events as fast as it goes until told to end; the ids of those that were acknowledged.
fn load(api: &Api) -> (Arc<AtomicBool>, tokio::task::JoinHandle<Vec<String>>) {
    let (end, api) = (Arc::new(AtomicBool::new(false)), api.clone());
    let ended = Arc::clone(&end);
    let made = tokio::spawn(async move {
        let mut made = Vec::new();
        while !ended.load(Ordering::SeqCst) {
            // The server is killed at some time.
            let Ok(event) = api.post("events", &json!({ "title": "load" })).await else { break };
            made.push(event["id"].as_str().unwrap_or_default().to_owned());
        }
        made
    });
    (end, made)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_changed_under_load_and_through_kill_9() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions {
        extra: "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n".into(),
        ..CloudOptions::default()
    };
    let mut cloud = Cloud::start(directory.path(), &options).await?;
    let receiver = Receiver::start().await?;
    let url = format!("{}hidden-path", receiver.url());
    cloud.api.put("hook", &json!({ "url": url })).await?;
    for number in 0..40 {
        cloud.api.post("events", &json!({ "title": format!("Evening {number}") })).await?;
    }
    let path = key_file(directory.path());
    let mut broken_off = 0;
    for round in 0u64..4 {
        let before = secrets(&cloud.api).await?;
        let old = sealing_keys(directory.path(), &format!("before-{round}")).await?;
        ensure!(old.len() == 1, "{old:?}");
        let (_, made) = load(&cloud.api);
        let process = rotate(directory.path())?;
        wait_until("the new key is in the file", STEP, || async {
            Ok((keys(&path)? == 2 || !process.output().is_empty()).then_some(()))
        })
        .await?;
        // Each round a little later in the change.
        sleep(Duration::from_millis(round * 15)).await;
        cloud.process.kill().await?;
        drop(process);
        let made = made.await?;
        broken_off += usize::from(keys(&path)? == 2);

        cloud = cloud.restart().await?;
        let after = secrets(&cloud.api).await?;
        for known in &before {
            ensure!(after.contains(known), "round {round}: {known:?} is not there any more");
        }
        for id in made {
            ensure!(after.iter().any(|(known, _)| *known == id), "round {round}: {id} was acknowledged");
        }
        let (end, made) = load(&cloud.api);
        rotate_to_the_end(directory.path()).await?;
        end.store(true, Ordering::SeqCst);
        let made = made.await?;
        ensure!(keys(&path)? == 1, "both keys are still there");
        let now = sealing_keys(directory.path(), &format!("after-{round}")).await?;
        ensure!(now.len() == 1 && now != old, "round {round}: {now:?} after {old:?}");
        let whole = secrets(&cloud.api).await?;
        for known in &after {
            ensure!(whole.contains(known), "round {round}: {known:?} changed");
        }
        ensure!(made.iter().all(|id| whole.iter().any(|(known, _)| known == id)), "an event is missing");
        ensure!(cloud.api.get("hook").await?["url"] == url.as_str(), "the hook's URL changed");
        wait_until("no alarm is left", STEP, || async {
            Ok((cloud.api.get("alarms").await?["data"] == json!([])).then_some(()))
        })
        .await?;
    }
    ensure!(broken_off > 0, "no round hit the change in its midst");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_needs_the_key_file_of_its_time_and_says_so() -> Result<()> {
    let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut cloud = Cloud::start(here.path(), &CloudOptions::default()).await?;
    for _ in 0..3 {
        cloud.api.post("events", &json!({ "title": "Evening" })).await?;
    }
    let known = secrets(&cloud.api).await?;
    let old = sealing_keys(here.path(), "backup").await?;
    let old_key = here.path().join("old.key");
    fs::copy(key_file(here.path()), &old_key)?;
    cloud.process.stop(STEP).await?;
    // Without a server, too.
    rotate_to_the_end(here.path()).await?;

    let own = there.path().join("cloud");
    fs::create_dir_all(&own)?;
    let config = fs::read_to_string(here.path().join("cloud/cloud.toml"))?;
    let config = config.replace(&here.path().display().to_string(), &there.path().display().to_string());
    fs::write(own.join("cloud.toml"), config)?;
    fs::copy(here.path().join("cloud/password"), own.join("password"))?;
    fs::copy(key_file(here.path()), key_file(there.path()))?;
    let backup = here.path().join("backup").display().to_string();
    said(there.path(), &["restore", "--from", &backup]).await?;
    let refused = Cloud::take_up(there.path()).await.err().context("the cloud started")?.to_string();
    let path = key_file(there.path()).display().to_string();
    for words in [&path, &old[0], "secrets_key_file", "for a backup the one of its time"] {
        ensure!(refused.contains(words), "{words:?} is not in: {refused}");
    }
    fs::copy(&old_key, key_file(there.path()))?;
    let cloud = Cloud::take_up(there.path()).await?;
    ensure!(secrets(&cloud.api).await? == known, "the keys are others");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_another_machine_is_waited_for_until_it_has_a_copy_of_the_file() -> Result<()> {
    let (server, directory) = (Postgres::start()?, tempfile::tempdir()?);
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let extra = format!(
        "[live]\ntranscode = false\n[cluster]\nsecret = \"a secret of the whole house\"\nlease_ms = 2000\n\
         [store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"house\"\n[media]\ndirectory = {:?}\n",
        server.url("postgres"),
        directory.path().join("media"),
    );
    let options =
        CloudOptions { top: "roles = [\"api\", \"transcode\"]".into(), extra, ..CloudOptions::default() };
    let one = Cloud::start(&first, &options).await?;
    // A file of its own, as on another machine.
    fs::create_dir_all(second.join("cloud"))?;
    let copy = key_file(&second);
    fs::copy(key_file(&first), &copy)?;
    let environment = vec![("STAGEBOX_SECRETS_KEY_FILE".to_owned(), copy.clone().into_os_string())];
    let two = Cloud::start_beside(&one, &second, &CloudOptions { environment, ..options }).await?;
    for api in [&one.api, &two.api] {
        api.post("events", &json!({ "title": "before" })).await?;
    }
    let old = sealing_keys(&first, "before").await?;

    let mut process = rotate(&first)?;
    wait_until("it waits for the other process", STEP, || async {
        Ok(process.output().contains("copy").then_some(()))
    })
    .await?;
    ensure!(process.output().contains("waiting for the process"), "{}", process.output());
    two.api.post("events", &json!({ "title": "meanwhile" })).await?;
    wait_until("the other process tells its operator", STEP, || async {
        let alarms = two.api.get("alarms").await?["data"].to_string();
        Ok((alarms.contains("secrets-key") && alarms.contains("copy of the newest")).then_some(()))
    })
    .await?;
    fs::copy(key_file(&first), &copy)?;
    let status = process.wait(STEP).await?;
    ensure!(status.success(), "{}", process.output());
    let now = sealing_keys(&first, "after").await?;
    ensure!(now.len() == 1 && now != old, "{now:?} after {old:?}");
    for api in [&one.api, &two.api] {
        api.post("events", &json!({ "title": "after" })).await?;
    }
    let all = secrets(&one.api).await?;
    ensure!(all.len() == 5 && all == secrets(&two.api).await?, "{all:?}");
    wait_until("the old key leaves the copy too", STEP, || async { Ok((keys(&copy)? == 1).then_some(())) })
        .await?;
    wait_until("all is well", STEP, || async {
        Ok((two.api.get("alarms").await?["data"] == json!([])).then_some(()))
    })
    .await?;
    let two = two.restart().await?;
    ensure!(secrets(&two.api).await? == all, "after a restart the keys are others");
    Ok(())
}
