//! Jobs while processes sleep past their leases and are killed: done once in effect, never lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::Value;
use stagebox_cloud::clock::Clock;
use stagebox_cloud::config::Hidden;
use stagebox_cloud::job::{Job, JobState};
use stagebox_cloud::store::{
    Account, Change, Entry, PostgresEngine, PostgresOptions, Store, StoreConfig, StoreKind,
};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::{Cloud, CloudOptions, wait_until};
use tokio::time::{Instant, sleep};

use super::{STEP, broadcast, make_event, publish_url};

/// Segments that are put beside the real ones: removing them takes the job long enough to be caught at it.
const SEGMENTS: u32 = 10_000;
const FRAMES: u32 = 30;

/// What a job removes, and the media that only it removes.
struct Item {
    id: String,
    recording: String,
    media: PathBuf,
}

impl Item {
    /// Broadcasts something short, and puts many more segments into the media store.
    async fn make(cloud: &Cloud, media: &Path) -> Result<Self> {
        let event = make_event(cloud, None).await?;
        let url = publish_url(cloud, &event, "main").await?;
        let item = broadcast(cloud, cloud.directory(), &event, &url, FRAMES).await?;
        let text = |field: &str| item[field].as_str().map(str::to_owned).context("an item has ids");
        let (id, recording) = (text("id")?, text("recording_id")?);
        let media = media.join("live").join(&event);
        wait_until("the real segments are stored", STEP, || async {
            Ok(media.join("source").is_dir().then_some(()))
        })
        .await?;
        for number in 0..SEGMENTS {
            fs::write(media.join(format!("source/{}.m4s", 1_000_000 + number)), "segment")?;
        }
        Ok(Self { id, recording, media })
    }

    /// Has it removed; returns the job that removes its media.
    async fn remove(&self, cloud: &Cloud) -> Result<String> {
        let job = cloud.api.call(Method::DELETE, &format!("items/{}", self.id), None).await?;
        ensure!(job["kind"] == "delete-media", "{job}");
        Ok(job["id"].as_str().context("a job has an id")?.to_owned())
    }

    fn segments(&self) -> usize {
        fs::read_dir(self.media.join("source")).map_or(0, |entries| entries.flatten().count())
    }

    /// Its media are gone, all of them.
    fn is_gone(&self) -> Result<()> {
        ensure!(self.segments() == 0, "{} segments are left", self.segments());
        Ok(())
    }
}

/// Two servers on one database and one media store, each with its own data directory.
struct Pair {
    clouds: [Cloud; 2],
    media: PathBuf,
    database: Postgres,
    /// Goes last: the processes above write into it.
    _directory: tempfile::TempDir,
}

impl Pair {
    async fn start() -> Result<Self> {
        let database = Postgres::start()?;
        let directory = tempfile::tempdir()?;
        let media = directory.path().join("media");
        let extra = format!(
            "[live]\ntranscode = false\n[jobs]\nlease_ms = 1500\n[media]\ndirectory = {media:?}\n\
             [store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"house\"\n",
            database.url("postgres")
        );
        let options = CloudOptions { extra, ..CloudOptions::default() };
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let first = Cloud::start(&one, &options).await?;
        // They share the secrets in the database, so they have the same key file.
        fs::create_dir_all(two.join("cloud"))?;
        for name in ["secrets.key", "password"] {
            fs::copy(one.join("cloud").join(name), two.join("cloud").join(name))?;
        }
        let second = Cloud::start(&two, &options).await?;
        Ok(Self { clouds: [first, second], media, database, _directory: directory })
    }

    /// The job and the journal as the database has them, whatever the servers say.
    async fn store(&self) -> Result<Store> {
        let config = StoreConfig {
            kind: StoreKind::Postgres,
            url: Some(Hidden::new(self.database.url("postgres"))),
            schema: "house".to_owned(),
            ..StoreConfig::default()
        };
        let engine = PostgresEngine::open(&config, PostgresOptions::default()).await?;
        Ok(Store::new(Arc::new(engine), Clock::system()))
    }

    /// Which server is in the midst of the job; asked without a pause, as that does not last.
    async fn busy_with(&self, job: &str) -> Result<usize> {
        let until = Instant::now() + STEP;
        while Instant::now() < until {
            if let Some(busy) = self.clouds.iter().position(|cloud| begins(cloud, job) > 0) {
                return Ok(busy);
            }
            sleep(Duration::from_millis(1)).await;
        }
        bail!("nobody began the job");
    }
}

/// How often a server's log says that it began the job.
fn begins(cloud: &Cloud, job: &str) -> usize {
    says(cloud, job, "a job begins")
}

/// How many lines of a server's log are about the job and contain these words.
fn says(cloud: &Cloud, job: &str, words: &str) -> usize {
    cloud.process.output().lines().filter(|line| line.contains(job) && line.contains(words)).count()
}

async fn wait_done(cloud: &Cloud, job: &str) -> Result<Value> {
    wait_until("the job is done", STEP, || async {
        let job = cloud.api.get(&format!("jobs/{job}")).await?;
        ensure!(job["state"] != "failed", "{job}");
        Ok((job["state"] == "done").then_some(job))
    })
    .await
}

/// All that the journal has about a document.
async fn entries(store: &Store, kind: &str, id: &str) -> Result<Vec<Entry>> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = store.journal(Account::FIRST, after, 500).await?;
        let Some(last) = page.entries.last() else { return Ok(found) };
        after = last.seq;
        found.extend(page.entries.into_iter().filter(|entry| entry.kind == kind && entry.id == id));
    }
}

fn count(entries: &[Entry], change: Change) -> usize {
    entries.iter().filter(|entry| entry.change == change).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_slept_past_its_lease_is_refused() -> Result<()> {
    let pair = Pair::start().await?;
    let item = Item::make(&pair.clouds[0], &pair.media).await?;
    let job = item.remove(&pair.clouds[0]).await?;
    let busy = pair.busy_with(&job).await?;
    let (sleeper, other) = (&pair.clouds[busy], &pair.clouds[1 - busy]);
    sleeper.process.signal(Signal::SIGSTOP)?;
    ensure!(item.segments() > 0, "the job was over before its server was stopped");

    let done = wait_done(other, &job).await?;
    // Stopped in the midst of a write it keeps locks for seconds, in which the other one's lease may end unbegun.
    ensure!(done["attempts"].as_u64() >= Some(2), "{done}");
    ensure!(begins(other, &job) == 1, "the other server did not begin it once");
    let store = pair.store().await?;
    let before = store.get::<Job>(&job).await?.context("the job is gone")?;

    sleeper.process.signal(Signal::SIGCONT)?;
    wait_until("the sleeper hears that it was overtaken", STEP, || async {
        let heard = says(sleeper, &job, "lease was lost to another server")
            + says(sleeper, &job, "another server has taken it up");
        Ok((heard > 0).then_some(()))
    })
    .await
    .with_context(|| sleeper.process.tail(20))?;
    // It serves again, and what it worked on has had its time to do harm.
    sleeper.api.get(&format!("jobs/{job}")).await?;
    item.is_gone()?;
    let after = store.get::<Job>(&job).await?.context("the job is gone")?;
    ensure!(after.version == before.version, "{:?} became {:?}", before.document, after.document);
    ensure!(matches!(after.document.state, JobState::Done { .. }), "{:?}", after.document);
    let of_job = entries(&store, "job", &job).await?;
    let ends = of_job.iter().filter(|entry| entry.after["state"] == "done").count();
    ensure!(ends == 1, "the job ended {ends} times: {of_job:?}");
    let of_recording = entries(&store, "recording", &item.recording).await?;
    ensure!(count(&of_recording, Change::Deleted) == 1, "{of_recording:?}");
    for cloud in &pair.clouds {
        ensure!(says(cloud, &job, "an attempt at a job ended") == usize::from(std::ptr::eq(cloud, other)));
    }
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_replaced_by_another() -> Result<()> {
    let mut pair = Pair::start().await?;
    let item = Item::make(&pair.clouds[0], &pair.media).await?;
    let job = item.remove(&pair.clouds[0]).await?;
    let busy = pair.busy_with(&job).await?;
    pair.clouds[busy].process.kill().await?;
    ensure!(item.segments() > 0, "the job was over before its server was killed");
    let done = wait_done(&pair.clouds[1 - busy], &job).await?;
    ensure!(done["attempts"] == 2, "{done}");
    item.is_gone()?;
    let store = pair.store().await?;
    let of_recording = entries(&store, "recording", &item.recording).await?;
    ensure!(count(&of_recording, Change::Deleted) == 1, "{of_recording:?}");
    store.close().await;
    Ok(())
}

/// Its own lease would hold for an hour: that it does not wait for it shows that it takes back what is its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_takes_its_job_up_again() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let media = directory.path().join("media");
    let extra =
        format!("[live]\ntranscode = false\n[jobs]\nlease_ms = 3600000\n[media]\ndirectory = {media:?}\n");
    let mut cloud =
        Cloud::start(directory.path(), &CloudOptions { extra, ..CloudOptions::default() }).await?;
    let item = Item::make(&cloud, &media).await?;
    let job = item.remove(&cloud).await?;
    let until = Instant::now() + STEP;
    while begins(&cloud, &job) == 0 && Instant::now() < until {
        sleep(Duration::from_millis(1)).await;
    }
    cloud.process.kill().await?;
    ensure!(item.segments() > 0, "the job was over before its server was killed");
    let cloud = cloud.restart().await?;
    let done = wait_done(&cloud, &job).await?;
    ensure!(done["attempts"] == 2, "{done}");
    ensure!(begins(&cloud, &job) == 2, "{}", cloud.process.tail(20));
    item.is_gone()
}
