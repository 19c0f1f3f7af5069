//! The embedded store's disk is full in the midst of writes, and has room again: nothing that was promised is lost.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::{Api, ApiFailure, Cloud, CloudOptions, binary, wait_until};
use stagebox_tests::powercut::full_disk;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::{STEP, make_event, store};

const WRITERS: usize = 4;
const ALARM: &str = "store-disk-full";

/// What writers have been promised and refused so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) promised: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    /// Reads that gave all that had been promised.
    read: AtomicUsize,
    /// The events that were promised.
    ids: Mutex<Vec<String>>,
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

    fn ids(&self) -> MutexGuard<'_, Vec<String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates events until it is over; returns the ids that the server promised.
pub(crate) async fn write(api: Api, told: Arc<Told>, writer: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    while !told.over.load(Ordering::Relaxed) {
        let event = json!({ "title": format!("Writer {writer}") });
        match api.post("events", &event).await {
            Ok(made) => {
                let id = made["id"].as_str().context("an event has an id")?;
                ids.push(id.to_owned());
                told.ids().push(id.to_owned());
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

/// Reads events until it is over, and now and then the whole list: whatever happens to the disk, all that was promised
/// until then must be there.
async fn read(api: Api, told: Arc<Told>) -> Result<()> {
    for number in 0_usize.. {
        if told.over.load(Ordering::Relaxed) {
            break;
        }
        let promised = told.ids().clone();
        if number.is_multiple_of(20) {
            let there = events(&api).await.context("reading the events")?;
            let lost: Vec<_> = promised.iter().filter(|id| !there.contains(*id)).collect();
            ensure!(lost.is_empty(), "{} of {} events are not there: {lost:?}", lost.len(), promised.len());
        }
        // From the newest back.
        if let Some(id) = promised.iter().rev().nth(number % promised.len().max(1)) {
            api.get(&format!("events/{id}")).await.context("reading an event")?;
            told.read.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
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
    let first = "events?limit=200";
    let (mut ids, mut path) = (BTreeSet::new(), first.to_owned());
    loop {
        let page = match api.get(&path).await {
            // The last one of the page before was seen before it was promised, and its write came to nothing.
            Err(error) if path != first && is_gone(&error) => {
                (ids, path) = (BTreeSet::new(), first.to_owned());
                continue;
            }
            page => page?,
        };
        let data = page["data"].as_array().context("a page has data")?;
        ids.extend(data.iter().filter_map(|event| event["id"].as_str()).map(str::to_owned));
        let Some(next) = page["next"].as_str() else { return Ok(ids) };
        path = format!("{first}&after={next}");
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ApiFailure>().is_some_and(|failure| failure.status.as_u16() == 404)
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
    data: PathBuf,
    full: PathBuf,
    free: PathBuf,
    holds: PathBuf,
    /// Goes last: the process above writes into it.
    _directory: tempfile::TempDir,
}

impl Stage {
    async fn set(reserve_mib: u64) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        // The preload library compares paths as they are.
        let place = directory.path().canonicalize()?;
        let (data, switch) = (place.join("cloud/data"), place.join("disk"));
        let options = CloudOptions {
            extra: format!("[live]\ntranscode = false\n[store]\nreserve_mib = {reserve_mib}\n"),
            environment: full_disk(&data, &switch)?,
            ..CloudOptions::default()
        };
        let cloud = Cloud::start(&place, &options).await?;
        let at = |name| switch.with_extension(name);
        let (full, free, holds) = (at("full"), at("free"), at("holds"));
        Ok(Self { cloud, data, full, free, holds, _directory: directory })
    }

    /// Makes the disk end so many KiB beyond what is on it.
    fn ends_beyond(&self, kib: u64) -> Result<()> {
        let beside = self.holds.with_extension("part");
        fs::write(&beside, (taken(&self.data)? / 1024 + kib).to_string())?;
        Ok(fs::rename(beside, &self.holds)?)
    }
}

/// The bytes of the disk that a folder takes.
fn taken(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        // What goes meanwhile takes nothing.
        let Ok(entry) = entry else { continue };
        let Ok(found) = entry.metadata() else { continue };
        bytes += found.blocks() * 512 + if found.is_dir() { taken(&entry.path()).unwrap_or(0) } else { 0 };
    }
    Ok(bytes)
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
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    let promised = told.ids().iter().cloned().collect();
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

/// Not one read fails, neither in the moment when the disk is full in mid-write nor while it stays so.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_read_as_if_nothing_were() -> Result<()> {
    let mut stage = Stage::set(0).await?;
    let told = Arc::new(Told::default());
    let mut clients = JoinSet::new();
    for writer in 0..WRITERS {
        let writing = write(stage.cloud.api.clone(), Arc::clone(&told), writer);
        clients.spawn(async { writing.await.map(drop) });
    }
    for _ in 0..2 {
        clients.spawn(read(stage.cloud.api.clone(), Arc::clone(&told)));
    }
    let scene = async {
        for round in 1..=2 {
            told.more(&told.promised, 40).await?;
            stage.ends_beyond(500)?;
            told.more(&told.refused, 40).await?;
            let error = make_event(&stage.cloud, None).await.err().context("it took an event")?;
            let failure = error.downcast_ref::<ApiFailure>().with_context(|| format!("{error:#}"))?;
            ensure!(failure.status.as_u16() == 507, "{failure}");
            // In the room that was held back: what sled has not half done might be read without. The second time the
            // store may know beforehand that there is no room.
            wait_until("the store is opened again", STEP, || async {
                let output = stage.cloud.process.output();
                let opened = output.lines().filter(|line| line.contains("the store has been opened again"));
                Ok((opened.count() >= 1).then_some(()))
            })
            .await?;
            told.more(&told.read, 60).await?;
            wait_logged(&stage.cloud, "the disk of the store is full", round).await?;
            let checked = store::said(stage.cloud.directory(), &["check"]).await?;
            ensure!(checked.contains("all fit together"), "{checked}");
            fs::remove_file(&stage.holds)?;
            told.more(&told.promised, 40).await?;
            wait_logged(&stage.cloud, "this is over", round).await?;
        }
        Ok(())
    };
    let client = async { clients.join_next().await.map_or(Ok(()), |ended| ended?) };
    tokio::select! {
        done = scene => done.with_context(|| stage.cloud.process.tail(30))?,
        ended = client => ended.and(Err(anyhow!("a client ended"))).with_context(|| stage.cloud.process.tail(30))?,
    }
    told.over.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let promised = told.ids().iter().cloned().collect();
    is_whole(&stage.cloud, &promised).await.context("without a restart")?;
    stage.cloud.process.kill().await?;
    let cloud = stage.cloud.restart().await?;
    is_whole(&cloud, &promised).await.context("after kill -9")
}

/// The store is opened in the room that the run before held back.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_opened_on_a_full_disk() -> Result<()> {
    let mut stage = Stage::set(0).await?;
    make_event(&stage.cloud, None).await?;
    stage.ends_beyond(0)?;
    let refused = async || match make_event(&stage.cloud, None).await {
        Ok(_) => Ok(None),
        Err(error) => is_said_clearly(&error).map(Some),
    };
    wait_until("the disk is full", STEP, refused).await?;
    let before = events(&stage.cloud.api).await?;
    ensure!(!before.is_empty());
    stage.cloud.process.kill().await?;
    stage.ends_beyond(0)?;
    let mut check = Command::new(binary("stagebox-cloud")?);
    check.args(["store", "check", "--config"]).arg(stage.cloud.directory().join("cloud/cloud.toml"));
    let output = check.envs(full_disk(&stage.data, &stage.full)?).output().await?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(told.contains("all fit together"), "{told}{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(&stage.holds)?;
    let cloud = stage.cloud.restart().await?;
    is_whole(&cloud, &before).await?;
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
