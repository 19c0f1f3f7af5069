//! An account with one of everything that an account can have, and what is left of it anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result, bail, ensure};
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions};
use serde_json::{Value, json};
use stagebox_tests::house::peer::{Client, publish};
use stagebox_tests::house::{Api, Cloud, Process, binary, wait_until};
use tokio::process::Command;
use tokio::time::timeout;

use super::store::said;
use super::{STEP, wait_segments};

/// Segments that are put beside the real ones: removing them takes long enough to be caught at it.
const SEGMENTS: u32 = 4_000;

/// `stagebox-cloud account …` on the installation of a directory.
pub(crate) async fn command(directory: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary("stagebox-cloud")?);
    command.arg("account").args(arguments).arg("--config").arg(directory.join("cloud/cloud.toml"));
    command.env("STAGEBOX_LOG", "warn").kill_on_drop(true).output().await.context("starting stagebox-cloud")
}

/// What a command that must succeed prints.
pub(crate) async fn account(directory: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(directory, arguments).await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "account {arguments:?}: {error}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An account, and by what its things are known.
pub(crate) struct Tenant {
    pub(crate) number: String,
    pub(crate) api: Api,
    /// Ids, addresses and words that stand nowhere once it is gone.
    marks: BTreeSet<String>,
    /// A box's id and secret.
    device: (String, String),
    /// The event that is started, and what pushes to it.
    live: Option<(String, Process)>,
}

impl Tenant {
    /// Makes an account and fills it; the last of its events is being broadcast.
    pub(crate) async fn make(cloud: &Cloud, directory: &Path, media: &Path, name: &str) -> Result<Self> {
        let email = format!("{}@tenants.test", name.to_lowercase());
        let told = account(directory, &["create", "--name", name, "--email", &email]).await?;
        let password = told.rsplit("shown once:").next().unwrap_or_default().trim();
        let api = Api::new(cloud.api.base(), &email, password);
        let own = api.get("account").await?;
        let mut tenant = Self {
            number: own["number"].to_string(),
            api,
            marks: BTreeSet::from([email.clone(), text(&own, "public_id")]),
            device: Default::default(),
            live: None,
        };
        tenant.settle(name).await?;
        for number in 0..2 {
            let event = tenant.made("events", json!({ "title": format!("{name}'s show {number}") })).await?;
            tenant.broadcast(cloud, directory, &event).await?;
            pad(media, &event)?;
        }
        let item = tenant.api.get("items").await?["data"][0]["id"].as_str().unwrap_or_default().to_owned();
        // Its removal is a job of the account, and stays in its list.
        tenant.api.call(reqwest::Method::DELETE, &format!("items/{item}"), None).await?;
        wait_until("the item's media are removed", STEP, || async {
            let jobs = tenant.api.get("jobs").await?;
            Ok((jobs["data"][0]["state"] == "done").then_some(()))
        })
        .await?;
        let event = tenant.made("events", json!({ "title": format!("{name}'s live show") })).await?;
        tenant.api.set_status(&event, "started").await?;
        let url = tenant.url(cloud, &event).await?;
        let publisher = publish(Client::Ffmpeg, directory, &url, 3_000)?;
        tenant.api.wait_receiving(&event, "main", STEP).await?;
        wait_segments(cloud, &event, 0, 2).await?;
        tenant.live = Some((event, publisher));
        tenant.mark_all().await?;
        Ok(tenant)
    }

    /// Everything but events.
    async fn settle(&mut self, name: &str) -> Result<()> {
        let settings = json!({ "waiting_title": format!("{name}'s doors open soon") });
        self.api.patch("account/settings", &settings).await?;
        self.marks.insert(format!("{name}'s doors"));
        self.api.put("include-files/names.json", &json!([format!("{name}'s file")])).await?;
        let device = self.api.post("devices", &json!({ "name": format!("{name}'s box") })).await?;
        self.device = (text(&device, "id"), text(&device, "secret"));
        self.marks.insert(self.device.0.clone());
        let role = self
            .made("roles", json!({ "name": format!("{name}'s role"), "permissions": ["events:read"] }))
            .await?;
        let user = json!({ "email": format!("crew@{}.test", name.to_lowercase()), "role": role });
        self.made("users", user).await?;
        self.made("tokens", json!({ "name": format!("{name}'s token") })).await?;
        let (email, password) = self.api.credentials();
        self.api.post("session", &json!({ "email": email, "password": password })).await?;
        // Nobody listens there: what is to be told waits.
        self.api.put("hook", &json!({ "url": format!("http://127.0.0.1:1/{name}") })).await?;
        Ok(())
    }

    async fn made(&mut self, path: &str, body: Value) -> Result<String> {
        let made = self.api.post(path, &body).await?;
        let id = text(&made, "id");
        ensure!(!id.is_empty(), "{made}");
        self.marks.insert(id.clone());
        Ok(id)
    }

    async fn url(&self, cloud: &Cloud, event: &str) -> Result<String> {
        let event = self.api.get(&format!("events/{event}")).await?;
        let key = event["inputs"]["main"]["key"].as_str().unwrap_or_default();
        Ok(format!("rtmp://{}/live/{key}", cloud.ports.rtmp))
    }

    async fn broadcast(&self, cloud: &Cloud, directory: &Path, event: &str) -> Result<Value> {
        self.api.set_status(event, "started").await?;
        let mut publisher = publish(Client::Ffmpeg, directory, &self.url(cloud, event).await?, 30)?;
        self.api.wait_receiving(event, "main", STEP).await?;
        publisher.wait(STEP).await?;
        self.api.set_status(event, "ended").await?;
        self.api.wait_item(event, STEP).await
    }

    async fn mark_all(&mut self) -> Result<()> {
        for list in ["events", "items", "recordings", "devices", "users", "roles", "tokens", "jobs"] {
            let all = self.api.get(&format!("{list}?limit=200")).await?;
            let all = all["data"].as_array().cloned().unwrap_or_default();
            ensure!(!all.is_empty(), "it has no {list}");
            self.marks.extend(all.iter().map(|one| text(one, "id")));
        }
        Ok(())
    }

    /// Its encoder is sent away, and does not come in again.
    pub(crate) async fn is_off_air(&mut self, cloud: &Cloud, directory: &Path, url: &str) -> Result<()> {
        let (_, publisher) = self.live.as_mut().context("it was live")?;
        publisher.wait(STEP).await?;
        let playlist = format!("/live/public/{}/index.m3u8", self.live.as_ref().context("it was live")?.0);
        ensure!(cloud.api.fetch(&playlist).await.is_err(), "viewers still see it");
        let mut again = publish(Client::Ffmpeg, directory, url, 30)?;
        let status = again.wait(STEP).await?;
        ensure!(!status.success(), "a broadcast was taken: {}", again.tail(5));
        Ok(())
    }

    /// Ends what it broadcasts.
    pub(crate) async fn off_air(&mut self) -> Result<()> {
        let (event, publisher) = self.live.take().context("it is live")?;
        self.api.set_status(&event, "ended").await?;
        drop(publisher);
        self.api.wait_item(&event, STEP).await?;
        self.mark_all().await
    }

    pub(crate) async fn live_url(&self, cloud: &Cloud) -> Result<String> {
        self.url(cloud, &self.live.as_ref().context("it is live")?.0).await
    }

    /// Whether its box is let in by the broker.
    pub(crate) async fn box_enters(&self, cloud: &Cloud) -> Result<bool> {
        let (host, port) = cloud.ports.mqtt.rsplit_once(':').context("an address")?;
        let (id, secret) = &self.device;
        let mut options = MqttOptions::new(id, host, port.parse()?);
        options.set_credentials(id, secret);
        let (_client, mut events) = AsyncClient::new(options, 4);
        loop {
            match timeout(STEP, events.poll()).await? {
                Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                    return Ok(answer.code == ConnectReturnCode::Success);
                }
                Ok(_) => {}
                Err(ConnectionError::ConnectionRefused(_)) => return Ok(false),
                Err(error) => bail!("the broker: {error}"),
            }
        }
    }

    /// Nothing names it: no record of the store, no file.
    pub(crate) fn is_gone(&self, records: &[String], folders: &[PathBuf]) -> Result<()> {
        for mark in &self.marks {
            let left: Vec<_> = records.iter().filter(|record| record.contains(mark.as_str())).collect();
            ensure!(left.is_empty(), "{mark} stands in {left:?}");
        }
        for record in records {
            ensure!(!self.owns(record)?, "{record} is left");
        }
        for path in
            folders.iter().map(|folder| files(folder)).collect::<Result<Vec<_>>>()?.into_iter().flatten()
        {
            let name = path.display().to_string();
            let mark = self.marks.iter().find(|mark| name.contains(mark.as_str()));
            ensure!(mark.is_none(), "{name} is left");
        }
        Ok(())
    }

    /// Whether a record says that it is the account's.
    fn owns(&self, record: &str) -> Result<bool> {
        let read: Value = serde_json::from_str(record)?;
        let body = read["body"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let says =
            |value: &Value| value["account"].as_u64().is_some_and(|number| Ok(number) == self.number.parse());
        Ok(says(&read) || says(&body))
    }

    /// Things of it stand in these records, one of each kind that there is.
    pub(crate) fn stands_in(&self, records: &[String]) -> bool {
        self.marks.iter().all(|mark| records.iter().any(|record| record.contains(mark.as_str())))
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn pad(media: &Path, event: &str) -> Result<()> {
    let folder = media.join("live").join(event).join("source");
    fs::create_dir_all(&folder)?;
    for number in 0..SEGMENTS {
        fs::write(folder.join(format!("{}.m4s", 1_000_000 + number)), "segment")?;
    }
    Ok(())
}

/// All records of a store, as a backup has them.
pub(crate) async fn records(directory: &Path, name: &str) -> Result<Vec<String>> {
    let file = directory.join(name);
    said(directory, &["backup", "--to", &file.display().to_string()]).await?;
    let text = fs::read_to_string(&file)?;
    Ok(text.lines().filter(|line| line.contains("\"record\":")).map(str::to_owned).collect())
}

/// Kinds that come, go and change by themselves.
pub(crate) const MOMENTARY: [&str; 11] = [
    "login",
    "storage_use",
    "node",
    "ingest_owner",
    "duty",
    "session",
    "presence",
    "hook_place",
    "hook_told",
    "queue_entry",
    "live_entry",
];

/// How many documents of each lasting kind there are.
pub(crate) fn kinds(records: &[String]) -> Result<BTreeMap<String, usize>> {
    let mut kinds = BTreeMap::new();
    for record in records {
        let record: Value = serde_json::from_str(record)?;
        if record["record"] == "document" && !MOMENTARY.contains(&text(&record, "kind").as_str()) {
            *kinds.entry(text(&record, "kind")).or_default() += 1;
        }
    }
    Ok(kinds)
}

/// All files below a folder with what is in them.
pub(crate) fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    files(folder)?.into_iter().map(|path| Ok((path.clone(), fs::read(&path)?))).collect()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    Ok(found)
}

/// Waits until the installation has no account of this number any more.
pub(crate) async fn wait_gone(directory: &Path, number: &str) -> Result<()> {
    wait_until("the account is gone", 3 * STEP, || async {
        let list = account(directory, &["list"]).await?;
        let there = list.lines().any(|line| line.split_whitespace().next() == Some(number));
        Ok((!there).then_some(()))
    })
    .await
}
