//! The embedded store's disk is full in the midst of writes, and has room again: nothing that was promised is lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::{Api, ApiFailure, Cloud, CloudOptions, wait_until};
use stagebox_tests::powercut::full_disk;
use tokio::task::JoinSet;

use super::{STEP, make_event, store};

const WRITERS: usize = 4;
const ALARM: &str = "store-disk-full";

/// What writers have been promised and refused so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) promised: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) over: AtomicBool,
}

impl Told {
    /// Waits for so many more promises or refusals.
    pub(crate) async fn more(&self, count: &AtomicUsize, by: usize) -> Result<()> {
        let before = count.load(Ordering::Relaxed);
        wait_until(&format!("{by} more of {self:?}"), STEP, || async {
            Ok((count.load(Ordering::Relaxed) >= before + by).then_some(()))
        })
        .await
    }
}

/// Creates events until it is over; returns the ids that the server promised.
pub(crate) async fn write(api: Api, told: Arc<Told>, writer: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    while !told.over.load(Ordering::Relaxed) {
        let event = json!({ "title": format!("Writer {writer}") });
        match api.post("events", &event).await {
            Ok(made) => {
                ids.push(made["id"].as_str().context("an event has an id")?.to_owned());
                told.promised.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                is_said_clearly(&error)?;
                told.refused.fetch_add(1, Ordering::Relaxed);
                // As a client that was told to try again in a moment.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    Ok(ids)
}

/// A problem that says that the server, not the request, is to blame.
fn is_said_clearly(error: &anyhow::Error) -> Result<()> {
    let failure = error.downcast_ref::<ApiFailure>().with_context(|| format!("no answer: {error:#}"))?;
    let words = failure.body["detail"].as_str().unwrap_or_default();
    ensure!(matches!(failure.status.as_u16(), 503 | 507) && words.contains("store"), "{failure}");
    Ok(())
}

/// The ids of all events, a page at a time.
pub(crate) async fn events(api: &Api) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    let mut path = "events?limit=200".to_owned();
    loop {
        let page = api.get(&path).await?;
        let data = page["data"].as_array().context("a page has data")?;
        ids.extend(data.iter().filter_map(|event| event["id"].as_str()).map(str::to_owned));
        let Some(next) = page["next"].as_str() else { return Ok(ids) };
        path = format!("events?limit=200&after={next}");
    }
}

/// Reads from a disk that is full: what sled had half done when it met that cannot be read until it is opened anew.
async fn read_meanwhile(api: &Api) -> Result<()> {
    match events(api).await {
        Ok(there) => ensure!(there.len() >= 40, "{} events", there.len()),
        Err(error) => is_said_clearly(&error)?,
    }
    Ok(())
}

/// Waits until the log says for the `count`th time that the alarm was raised or is over.
pub(crate) async fn wait_logged(cloud: &Cloud, words: &str, count: usize) -> Result<()> {
    let alarm = format!("alarm={ALARM:?}");
    wait_until(words, STEP, || async {
        let output = cloud.process.output();
        let lines = output.lines().filter(|line| line.contains(&alarm) && line.contains(words));
        Ok((lines.count() >= count).then_some(()))
    })
    .await
}

async fn alarm(api: &Api) -> Result<Option<Value>> {
    let alarms = api.get("alarms").await?;
    let all = alarms["data"].as_array().cloned().unwrap_or_default();
    Ok(all.into_iter().find(|alarm| alarm["name"] == ALARM))
}

pub(crate) async fn wait_alarm(api: &Api, raised: bool) -> Result<Option<Value>> {
    let what = if raised { "the alarm is raised" } else { "the alarm is over" };
    wait_until(what, STEP, || async {
        let alarm = alarm(api).await?;
        Ok((alarm.is_some() == raised).then_some(alarm))
    })
    .await
}

/// All that was promised is there, each event can be read, and nothing in the store contradicts itself.
pub(crate) async fn is_whole(cloud: &Cloud, promised: &BTreeSet<String>) -> Result<()> {
    let there = events(&cloud.api).await?;
    let lost: Vec<_> = promised.difference(&there).collect();
    ensure!(lost.is_empty(), "{} of {} events are lost: {lost:?}", lost.len(), promised.len());
    for id in &there {
        cloud.api.get(&format!("events/{id}")).await?;
    }
    let told = store::said(cloud.directory(), &["check"]).await?;
    ensure!(told.contains("all fit together"), "{told}");
    Ok(())
}

/// A cloud whose disk has switches: files beside it that say whether it is full, and how much is free.
struct Stage {
    cloud: Cloud,
    full: PathBuf,
    free: PathBuf,
    /// Goes last: the process above writes into it.
    _directory: tempfile::TempDir,
}

impl Stage {
    async fn set(reserve_mib: u64) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        // The preload library compares paths as they are.
        let place = directory.path().canonicalize()?;
        let switch = place.join("disk");
        let options = CloudOptions {
            extra: format!("[live]\ntranscode = false\n[store]\nreserve_mib = {reserve_mib}\n"),
            environment: full_disk(&place.join("cloud/data"), &switch)?,
            ..CloudOptions::default()
        };
        let cloud = Cloud::start(&place, &options).await?;
        let (full, free) = (switch.with_extension("full"), switch.with_extension("free"));
        Ok(Self { cloud, full, free, _directory: directory })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_until_it_has_room_again() -> Result<()> {
    let Stage { mut cloud, full, _directory, .. } = Stage::set(0).await?;
    let told = Arc::new(Told::default());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(cloud.api.clone(), Arc::clone(&told), writer));
    }
    // Twice: it mends itself again and again.
    for round in 1..=2 {
        told.more(&told.promised, 40).await?;
        fs::write(&full, "")?;
        told.more(&told.refused, 40).await?;
        read_meanwhile(&cloud.api).await?;
        wait_logged(&cloud, "the disk of the store is full", round).await?;
        told.more(&told.refused, 40).await?;
        read_meanwhile(&cloud.api).await?;
        fs::remove_file(&full)?;
        told.more(&told.promised, 40).await.with_context(|| cloud.process.tail(20))?;
        wait_logged(&cloud, "this is over", round).await?;
    }
    told.over.store(true, Ordering::Relaxed);
    let mut promised = BTreeSet::new();
    while let Some(ids) = writers.join_next().await {
        promised.extend(ids??);
    }
    is_whole(&cloud, &promised).await.context("without a restart")?;
    cloud.process.kill().await?;
    let cloud = cloud.restart().await?;
    is_whole(&cloud, &promised).await.context("after kill -9")
}

/// Nobody writes: the server finds out by itself that there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_room_again_is_found_without_a_write() -> Result<()> {
    let Stage { cloud, full, _directory, .. } = Stage::set(0).await?;
    fs::write(&full, "")?;
    let error = make_event(&cloud, None).await.err().context("an event was made on a full disk")?;
    is_said_clearly(&error)?;
    ensure!(cloud.api.fetch("/readyz").await.is_err(), "it says that it is ready");
    fs::remove_file(&full)?;
    wait_until("the server is ready again", STEP, || async { Ok(cloud.api.fetch("/readyz").await.ok()) })
        .await?;
    make_event(&cloud, None).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_reserve_nothing_new_is_taken_and_an_event_can_be_ended() -> Result<()> {
    let Stage { cloud, free, _directory, .. } = Stage::set(500).await?;
    let event = make_event(&cloud, None).await?;
    cloud.api.set_status(&event, "started").await?;
    fs::write(&free, "400")?;
    let error = make_event(&cloud, None).await.err().context("an event was made below the reserve")?;
    let failure = error.downcast_ref::<ApiFailure>().with_context(|| format!("{error:#}"))?;
    let words = failure.body["detail"].as_str().unwrap_or_default();
    ensure!(failure.status.as_u16() == 507, "{failure}");
    for wanted in ["store.reserve_mib", "400 MiB free", "500 MiB", "free some space"] {
        ensure!(words.contains(wanted), "{wanted} is not said: {words}");
    }
    let alarm = wait_alarm(&cloud.api, true).await?.unwrap_or_default();
    ensure!(alarm["words"].as_str().is_some_and(|words| words.contains("store.reserve_mib")), "{alarm}");
    let ended = cloud.api.set_status(&event, "ended").await.context("ending an event")?;
    ensure!(ended["status"] == "ended", "{ended}");
    fs::write(&free, "600")?;
    make_event(&cloud, None).await.context("there is room again")?;
    wait_alarm(&cloud.api, false).await?;
    ensure!(events(&cloud.api).await?.len() == 2);
    Ok(())
}
