//! The box's link against the real cloud and its broker, with a box that only counts what it is told.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use stagebox_agent::clock::Clock;
use stagebox_agent::config::{CloudConfig, Secret};
use stagebox_agent::durable::Durable;
use stagebox_agent::link::{self, LinkConfig, LinkHandle, LinkState, Obey, Outbox};
use stagebox_agent::trust::Trust;
use stagebox_cloud::store::Store;
use stagebox_protocol::telemetry::{LiveState, RecordingState};
use stagebox_protocol::{BoxStatus, Command, CommandId, EventBody, Outcome, Timestamp};
use stagebox_tests::house::{ApiFailure, Cloud, CloudOptions, wait_until};
use tokio::sync::watch;

use super::STEP;

/// A box without media: it obeys, and counts.
#[derive(Clone)]
struct Obedient {
    status: Arc<watch::Sender<BoxStatus>>,
    done: Arc<Mutex<Vec<Command>>>,
    identified: Arc<AtomicUsize>,
}

impl Obedient {
    fn new() -> Self {
        let status = Arc::new(watch::channel(BoxStatus::default()).0);
        Self { status, done: Arc::default(), identified: Arc::default() }
    }

    fn count(&self) -> usize {
        self.done.lock().map_or(0, |done| done.len())
    }
}

impl Obey for Obedient {
    async fn execute(&self, _: CommandId, command: Command, _: Option<Timestamp>) -> Outcome {
        if let Ok(mut done) = self.done.lock() {
            done.push(command.clone());
        }
        match command {
            Command::StartStream => {
                self.status.send_modify(|status| status.live.state = LiveState::Live);
                Outcome::Accepted
            }
            Command::StartRecording => {
                Outcome::Rejected { code: 409, error: "the disk is full: delete recordings".into() }
            }
            Command::Identify { .. } => {
                self.identified.fetch_add(1, Ordering::SeqCst);
                Outcome::Done
            }
            _ => Outcome::Done,
        }
    }

    fn status(&self) -> watch::Receiver<BoxStatus> {
        self.status.subscribe()
    }
}

struct Managed {
    cloud: Cloud,
    id: String,
    config: LinkConfig,
    control: Obedient,
    durable: Durable,
    link: LinkHandle,
    directory: tempfile::TempDir,
}

impl Managed {
    async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
        let device = cloud.api.post("devices", &json!({ "name": "Hall A" })).await?;
        let text = |field: &str| device[field].as_str().map(str::to_owned).with_context(|| field.to_owned());
        let (id, secret) = (text("id")?, text("secret")?);
        let config = LinkConfig {
            cloud: CloudConfig {
                url: cloud.api.base().to_owned(),
                id: id.clone(),
                secret: Secret::new(secret),
                mqtt_url: text("mqtt_url")?,
                ca_file: None,
                tls_fingerprint: None,
            },
            trust: Trust::default(),
            software: "box under test".into(),
        };
        let durable = Durable::open(&directory.path().join("box"))?;
        let control = Obedient::new();
        let link = link::spawn(config.clone(), &durable, Clock::new(), control.clone())?;
        let managed = Self { cloud, id, config, control, durable, link, directory };
        managed.wait_online().await?;
        Ok(managed)
    }

    async fn device(&self) -> Result<Value> {
        self.cloud.api.get(&format!("devices/{}", self.id)).await
    }

    async fn wait_online(&self) -> Result<()> {
        wait_until("the box is online", STEP, || async {
            let device = self.device().await?;
            Ok((device["online"] == true && device["telemetry"].is_object()).then_some(()))
        })
        .await
    }

    async fn command(&self, name: &str, args: Value) -> Result<Value> {
        self.cloud.api.post(&format!("devices/{}/commands/{name}", self.id), &args).await
    }

    /// The status of a command that is refused.
    async fn refused(&self, name: &str, args: Value) -> Result<(u16, String)> {
        let error = self.command(name, args).await.err().context("the command was not refused")?;
        let failure = error.downcast::<ApiFailure>()?;
        Ok((failure.status.as_u16(), failure.body["detail"].as_str().unwrap_or_default().to_owned()))
    }

    /// The broker's process.
    fn mosquitto(&self) -> Result<Pid> {
        let parent = self.cloud.process.id().context("the cloud has ended")?;
        stagebox_tests::house::child_of(Some(parent), "mosquitto").map(Pid::from_raw)
    }

    /// The events that the cloud's journal has of this box, once everything has ended.
    async fn journal(self) -> Result<Vec<Value>> {
        let Self { cloud, link, durable, directory, id, .. } = self;
        link.stop().await;
        let outbox = Outbox::open(&durable, &"another".parse()?, 100)?;
        let (oldest, last) = outbox.range();
        ensure!(oldest == last + 1, "the outbox still has {oldest} to {last}");
        drop(cloud);
        box_events(directory.path(), &id).await
    }
}

/// The events that the journal of a cloud that has ended has of a box.
pub(crate) async fn box_events(directory: &Path, id: &str) -> Result<Vec<Value>> {
    let store = directory.join("cloud/data/store");
    let store = wait_until("the store is free", STEP, || async { Ok(open(&store).ok()) }).await?;
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let page = store.journal(stagebox_cloud::store::Account::FIRST, after, 500).await?;
        let Some(entry) = page.entries.last() else { break };
        after = entry.seq;
        let of_box = page.entries.iter().filter(|entry| entry.kind == "device_event" && entry.id == id);
        events.extend(of_box.map(|entry| entry.after.clone()));
    }
    Ok(events)
}

fn open(path: &Path) -> Result<Store> {
    Ok(Store::open_home(
        path,
        stagebox_cloud::store::SledOptions::default(),
        stagebox_cloud::clock::Clock::system(),
    )?)
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_the_box_once_and_their_outcome_comes_back() -> Result<()> {
    let managed = Managed::start().await?;
    let answer = managed.command("start_stream", json!({})).await?;
    ensure!(answer["status"] == "accepted" && answer["code"] == 202, "{answer}");
    let answer = managed.command("identify", json!({ "duration_ms": 500 })).await?;
    ensure!(answer["status"] == "done", "{answer}");
    ensure!(managed.control.count() == 2, "{} commands carried out", managed.control.count());
    let (status, detail) = managed.refused("start_recording", json!({})).await?;
    ensure!(status == 409 && detail.contains("disk is full"), "{status} {detail}");
    let (status, detail) = managed.refused("format_disk", json!({})).await?;
    ensure!(status == 404 && detail.contains("start_stream"), "{status} {detail}");
    let (status, _) = managed.refused("identify", json!({ "loud": true })).await?;
    ensure!(status == 422, "{status}");
    wait_until("telemetry says live", STEP, || async {
        Ok((managed.device().await?["telemetry"]["live"]["state"] == "live").then_some(()))
    })
    .await?;

    let Managed { cloud, id, link, .. } = managed;
    link.stop().await;
    wait_until("the box is offline", STEP, || async {
        Ok((cloud.api.get(&format!("devices/{id}")).await?["online"] == false).then_some(()))
    })
    .await?;
    let path = format!("devices/{id}/commands/stop_stream");
    let error = cloud.api.post(&path, &json!({})).await.err().context("an offline box obeyed")?;
    ensure!(error.to_string().contains("409") && error.to_string().contains("offline"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_assigned_brings_its_targets_and_is_reported() -> Result<()> {
    let managed = Managed::start().await?;
    let event = super::make_event(&managed.cloud, Some(&managed.id)).await?;
    let mut targets = managed.link.targets();
    let found = tokio::time::timeout(
        STEP,
        targets.wait_for(|targets| {
            targets.as_ref().is_some_and(|targets| targets.event_id.as_ref() == Some(&event))
        }),
    );
    let outputs = found.await??.as_ref().map(|targets| targets.outputs.clone()).unwrap_or_default();
    ensure!(outputs.len() == 2, "{outputs:?}");
    let reported = wait_until("the box reports it", STEP, || async {
        let reported = managed.device().await?["reported"].clone();
        Ok((reported["state"]["event_id"] == event.as_str()).then_some(reported))
    })
    .await?;
    ensure!(reported["code"] == 200, "{reported}");
    for output in &outputs {
        ensure!(!reported.to_string().contains(output.key.expose()), "a stream key is in `reported`");
    }
    // Disabled: its session ends at once, its secret opens nothing.
    managed
        .cloud
        .api
        .call(reqwest::Method::PATCH, &format!("devices/{}", managed.id), Some(&json!({ "enabled": false })))
        .await?;
    let mut state = managed.link.state();
    let away =
        state.wait_for(|state| matches!(state, LinkState::Away(reason) if reason.contains("cloud.secret")));
    tokio::time::timeout(STEP, away).await??;
    let device = managed.device().await?;
    ensure!(device["online"] == false && device["telemetry"].is_null(), "{device}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_outlive_a_broker_that_forgot_everything() -> Result<()> {
    let managed = Managed::start().await?;
    let record = async |count: u64| {
        for count in 1..=count {
            managed.link.record(EventBody::EventsLost { count }).await;
        }
    };
    record(20).await;
    let broker = managed.mosquitto()?;
    record(20).await;
    kill(broker, Signal::SIGKILL)?;
    // Whatever it had saved is gone, too.
    let kept = managed.directory.path().join("cloud/data/broker/retained.db");
    let _ = std::fs::remove_file(kept);
    record(20).await;
    managed.control.status.send_modify(|status| status.recording.state = RecordingState::Recording);
    wait_until("another broker", STEP, || async {
        Ok(managed.mosquitto().ok().filter(|other| *other != broker))
    })
    .await?;
    managed.wait_online().await?;
    record(20).await;
    let outcome = wait_until("the box obeys again", STEP, || async {
        Ok(managed.command("identify", json!({})).await.ok())
    })
    .await?;
    ensure!(outcome["status"] == "done", "{outcome}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let events = managed.journal().await?;
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    let wanted: Vec<u64> = (1..=numbers.len() as u64).collect();
    ensure!(numbers == wanted, "not once and in order: {numbers:?}");
    let lost = events.iter().filter(|event| event["kind"] == "events_lost").count();
    ensure!(lost == 80, "{lost} of 80 events are in the journal");
    ensure!(events.iter().any(|event| event["kind"] == "recording_started"), "{events:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_box_answers_from_memory_and_keeps_its_targets() -> Result<()> {
    let managed = Managed::start().await?;
    let event = super::make_event(&managed.cloud, Some(&managed.id)).await?;
    let mut targets = managed.link.targets();
    let has = |targets: &Option<link::Targets>| {
        targets.as_ref().is_some_and(|targets| targets.event_id.as_ref() == Some(&event))
    };
    tokio::time::timeout(STEP, targets.wait_for(has)).await??;
    let Managed { cloud, config, control, durable, link, .. } = managed;
    link.stop().await;
    drop(cloud);
    // Neither broker nor cloud: the box still knows where to push.
    let link = link::spawn(config, &durable, Clock::new(), control)?;
    let mut targets = link.targets();
    tokio::time::timeout(STEP, targets.wait_for(has)).await??;
    let mut state = link.state();
    tokio::time::timeout(STEP, state.wait_for(|state| matches!(state, LinkState::Away(_)))).await??;
    Ok(())
}
