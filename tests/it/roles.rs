//! The cloud's parts as processes of their own, on one PostgreSQL and one S3 server.

use std::cell::RefCell;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use stagebox_tests::house::peer::{Client, publish};
use stagebox_tests::house::playlist::{segments, source_playlist, uris};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::s3::{KEY, S3};
use stagebox_tests::house::{Cloud, CloudOptions, Process, wait_until};

use super::{FRAME_US, STEP, make_event};

const LEASE_MS: u64 = 2_000;

/// What all processes of one installation share.
struct House {
    server: Postgres,
    s3: S3,
    api: Cloud,
    /// Goes last: the processes above write into it.
    directory: tempfile::TempDir,
}

impl House {
    async fn set() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let server = Postgres::start()?;
        let s3 = S3::start(directory.path()).await?;
        let options = options(&server, &s3, "\"api\", \"hooks\", \"broker\", \"transcode\"");
        let api = Cloud::start(&directory.path().join("api"), &options).await?;
        Ok(Self { server, s3, api, directory })
    }

    async fn beside(&self, name: &str, role: &str) -> Result<Cloud> {
        let options = options(&self.server, &self.s3, &format!("{role:?}"));
        Cloud::start_beside(&self.api, &self.directory.path().join(name), &options).await
    }

    async fn key(&self, event: &str) -> Result<String> {
        let event = self.api.api.get(&format!("events/{event}")).await?;
        Ok(event["inputs"]["main"]["key"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until so many segments of the event's source have reached the bucket, and counts them.
    async fn wait_stored(&self, event: &str, wanted: u64) -> Result<u64> {
        let folder = format!("house/live/{event}/source/");
        wait_until("segments are in the bucket", STEP, || async {
            let objects = self.s3.objects().await?;
            let stored =
                objects.iter().filter(|(name, _)| name.starts_with(&folder) && name.ends_with(".m4s"));
            Ok(Some(stored.count() as u64).filter(|stored| *stored >= wanted))
        })
        .await
    }

    /// ffmpeg pushes to this process.
    async fn push(&self, to: &Cloud, event: &str, frames: u32) -> Result<Process> {
        let url = format!("rtmp://{}/live/{}", to.ports.rtmp, self.key(event).await?);
        publish(Client::Ffmpeg, self.directory.path(), &url, frames)
    }

    /// ffmpeg pushes to this process, again and again as encoders do, until the process takes it.
    async fn push_until_taken(&self, to: &Cloud, event: &str, frames: u32) -> Result<Process> {
        wait_until("the other process takes the encoder", STEP, || async {
            let joined = || to.process.output().matches("a publisher joins").count();
            let before = joined();
            let encoder = RefCell::new(self.push(to, event, frames).await?);
            let taken = wait_until("it is taken or refused", STEP, || async {
                let refused = encoder.borrow_mut().ended().is_some();
                Ok((joined() > before || refused).then_some(!refused))
            })
            .await?;
            Ok(taken.then(|| encoder.into_inner()))
        })
        .await
    }
}

fn options(server: &Postgres, s3: &S3, roles: &str) -> CloudOptions {
    let extra = format!(
        "[live]\ntranscode = false\n[cluster]\nsecret = \"a secret of the whole house\"\nlease_ms = {LEASE_MS}\n\
         [store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"house\"\n{}",
        server.url("postgres"),
        s3.section(KEY)
    );
    CloudOptions { top: format!("roles = [{roles}]"), extra, ..CloudOptions::default() }
}

/// The item's video packets as this process delivers them.
async fn item_packets(deliver: &Cloud, item: &Value) -> Result<Vec<probe::Packet>> {
    let path = format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default());
    let video = source_playlist(deliver, &path).await?;
    probe::packets(&format!("{}{video}", deliver.api.base()), Stream::Video, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn api_ingest_and_deliver_in_processes_of_their_own_carry_a_broadcast_to_its_item() -> Result<()> {
    const FRAMES: u32 = 150;
    let house = House::set().await?;
    let ingest = house.beside("ingest", "ingest").await?;
    let deliver = house.beside("deliver", "deliver").await?;
    let api = &house.api.api;

    let nodes = api.get("nodes").await?;
    let nodes = nodes["data"].as_array().cloned().unwrap_or_default();
    ensure!(nodes.len() == 3 && nodes.iter().all(|node| node["running"] == true), "{nodes:?}");
    for (process, path, words) in
        [(&house.api, "/live/public/x/index.m3u8", "deliver"), (&deliver, "/api/v1/events", "api")]
    {
        let answer = reqwest::get(format!("{}{path}", process.api.base())).await?;
        let (status, said) = (answer.status(), answer.text().await?);
        ensure!(status == 404 && said.contains(&format!("role `{words}`")), "{path}: {status} {said}");
    }

    let event = make_event(&house.api, None).await?;
    let mut publisher = house.push(&ingest, &event, FRAMES).await?;
    api.wait_receiving(&event, "main", STEP).await?;
    let early = deliver.api.fetch(&format!("/live/public/{event}/index.m3u8")).await;
    ensure!(early.is_err(), "viewers see what is not started");
    api.set_status(&event, "started").await?;
    wait_until("the recording begins", STEP, || async {
        let recordings = api.get("recordings").await?;
        Ok(recordings["data"].as_array().is_some_and(|found| !found.is_empty()).then_some(()))
    })
    .await?;
    wait_until("two segments can be seen", STEP, || async {
        Ok(segments(&deliver, &event).await.ok().filter(|(first, end)| end - first >= 2))
    })
    .await?;

    // A player that waits for the next part gets it, and so do the parts that it names.
    let video = source_playlist(&deliver, &format!("/live/public/{event}/index.m3u8")).await?;
    let (_, end) = segments(&deliver, &event).await?;
    let awaited = format!("{video}?_HLS_msn={}&_HLS_part=0", end + 1);
    let (one, other) = tokio::join!(deliver.api.fetch_text(&awaited), deliver.api.fetch_text(&awaited));
    let (one, other) = (one?, other?);
    ensure!(one == other && one.contains("#EXT-X-PART:"), "{one}");
    let part = one.lines().filter_map(|line| line.strip_prefix("#EXT-X-PART:")).next_back();
    let part = part.and_then(|line| line.split("URI=\"").nth(1)?.split('"').next()).context("no part")?;
    let folder = video.rsplit_once('/').map_or("", |(folder, _)| folder);
    ensure!(!deliver.api.fetch(&format!("{folder}/{part}")).await?.is_empty(), "an empty part");
    let live = format!("{}{video}", deliver.api.base());
    let packets = probe::packets(&live, Stream::Video, Some(45)).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() >= 45 && gaps.is_empty(), "{} packets, {gaps:?}", packets.len());

    let status = publisher.wait(STEP).await?;
    ensure!(status.success(), "ffmpeg ended with {status}: {}", publisher.tail(10));
    api.set_status(&event, "ended").await?;
    let item = api.wait_item(&event, STEP).await?;
    let packets = item_packets(&deliver, &item).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() >= 60 && gaps.is_empty(), "{} packets, {gaps:?}", packets.len());
    let closed = deliver.api.fetch(&format!("/live/public/{event}/index.m3u8")).await;
    ensure!(closed.is_err(), "an ended event is still live");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_owner_is_killed_another_process_goes_on_with_the_event() -> Result<()> {
    let house = House::set().await?;
    let mut first = house.beside("first", "ingest").await?;
    let second = house.beside("second", "ingest").await?;
    let deliver = house.beside("deliver", "deliver").await?;
    let api = &house.api.api;
    let event = make_event(&house.api, None).await?;
    api.set_status(&event, "started").await?;
    let mut publisher = house.push(&first, &event, 600).await?;
    house.wait_stored(&event, 1).await?;

    // What only the owner knows is asked of it.
    wait_until("how the broadcast arrives is told", STEP, || async {
        let health = api.get(&format!("events/{event}/health")).await?;
        Ok((health["inputs"]["main"]["now"]["frames_per_s"].as_f64() > Some(0.0)).then_some(()))
    })
    .await?;
    let told = api.next_event("stream", "health", STEP).await?;
    ensure!(told["event_id"] == event.as_str() && told["inputs"]["main"]["now"].is_object(), "{told}");
    let inspected = api.get(&format!("events/{event}/conformance")).await?;
    ensure!(inspected["checked_at"].is_string(), "{inspected}");

    // While its owner lives, the other one refuses an encoder, in words.
    let mut refused = house.push(&second, &event, 30).await?;
    let status = refused.wait(STEP).await?;
    ensure!(!status.success(), "two processes took the same input");
    let said = second.process.output();
    ensure!(said.contains("another server takes this event in"), "{said}");

    let before = house.wait_stored(&event, 2).await?;
    first.process.kill().await?;
    publisher.kill().await?;
    // An encoder tries again until the lease is over.
    let mut again = house.push_until_taken(&second, &event, 90).await?;
    wait_until("the playlist goes on", STEP, || async {
        Ok(segments(&deliver, &event).await.ok().filter(|(_, end)| *end >= before + 2))
    })
    .await?;
    let video = source_playlist(&deliver, &format!("/live/public/{event}/index.m3u8?plain=1")).await?;
    let text = deliver.api.fetch_text(&video).await?;
    ensure!(text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
    ensure!(again.wait(STEP).await?.success(), "{}", again.tail(10));
    api.set_status(&event, "ended").await?;
    let item = api.wait_item(&event, STEP).await?;

    // All segments that were complete before the kill are in the item, and can be fetched.
    let video = source_playlist(
        &deliver,
        &format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default()),
    )
    .await?;
    let text = deliver.api.fetch_text(&video).await?;
    let folder = video.rsplit_once('/').map_or("", |(folder, _)| folder);
    let names: Vec<&str> = uris(&text).collect();
    ensure!(names.len() as u64 >= before + 2, "{before} segments before the kill: {text}");
    for name in names {
        ensure!(!deliver.api.fetch(&format!("{folder}/{name}")).await?.is_empty(), "{name} is empty");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_slept_past_its_lease_changes_nothing_any_more() -> Result<()> {
    let house = House::set().await?;
    let first = house.beside("first", "ingest").await?;
    let second = house.beside("second", "ingest").await?;
    let deliver = house.beside("deliver", "deliver").await?;
    let api = &house.api.api;
    let event = make_event(&house.api, None).await?;
    api.set_status(&event, "started").await?;
    let mut publisher = house.push(&first, &event, 900).await?;
    let before = house.wait_stored(&event, 2).await?;

    first.process.signal(Signal::SIGSTOP)?;
    wait_until("the other process takes the event up", STEP, || async {
        Ok(segments(&deliver, &event).await.ok().filter(|(_, end)| *end >= before))
    })
    .await?;
    let mut again = house.push_until_taken(&second, &event, 75).await?;
    first.process.signal(Signal::SIGCONT)?;
    // Its own encoder is told to go.
    let status = publisher.wait(STEP).await?;
    ensure!(!status.success(), "the encoder was not told: {}", publisher.tail(5));
    let said = first.process.output();
    ensure!(said.contains("another process goes on with the event"), "{said}");
    ensure!(again.wait(STEP).await?.success(), "{}", again.tail(10));
    api.set_status(&event, "ended").await?;
    let item = api.wait_item(&event, STEP).await?;
    let packets = item_packets(&deliver, &item).await?;
    ensure!(packets.len() >= 75, "{} packets", packets.len());
    let items = api.get("items").await?;
    ensure!(items["data"].as_array().map_or(0, Vec::len) == 1, "{items}");
    Ok(())
}
