//! Media on a real S3 server that stops, is killed and comes back.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use stagebox_tests::house::playlist::{source_playlist, uris};
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::s3::{KEY, S3};
use stagebox_tests::house::{AgentOptions, Cloud, CloudOptions, binary, wait_until};
use tokio::process::Command;

use super::{FRAME_US, STEP, Stage, wait_segments};

const AWAY: &str = "media-store-away";

struct OnS3 {
    stage: Stage,
    s3: S3,
    /// Goes last: the processes above write into it.
    _directory: tempfile::TempDir,
}

impl OnS3 {
    async fn set() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let s3 = S3::start(directory.path()).await?;
        let extra = format!("[live]\ntranscode = false\n{}", s3.section(KEY));
        let options = CloudOptions { extra, ..CloudOptions::default() };
        let stage = Stage::set(&options, &AgentOptions::default()).await?;
        Ok(Self { stage, s3, _directory: directory })
    }

    /// The box pushes, and the event is started.
    async fn go_live(&self) -> Result<()> {
        self.stage.command("start_stream").await?;
        self.stage.cloud.api.wait_receiving(&self.stage.event, "main", STEP).await?;
        self.stage.cloud.api.set_status(&self.stage.event, "started").await?;
        Ok(())
    }

    async fn end(&self) -> Result<Value> {
        self.stage.cloud.api.set_status(&self.stage.event, "ended").await?;
        self.stage.cloud.api.wait_item(&self.stage.event, STEP).await
    }

    async fn more_segments(&self, more: u64) -> Result<u64> {
        let from = stagebox_tests::house::playlist::segments(&self.stage.cloud, &self.stage.event).await;
        wait_segments(&self.stage.cloud, &self.stage.event, from.map_or(0, |(_, end)| end), more).await
    }

    /// Waits until the alarm is raised or gone.
    async fn wait_alarm(&self, raised: bool) -> Result<()> {
        let what = if raised { "the alarm" } else { "the alarm goes" };
        wait_until(what, Duration::from_secs(40), || async {
            Ok((alarms(&self.stage.cloud).await?.contains(AWAY) == raised).then_some(()))
        })
        .await
    }

    /// Waits until everything is in the bucket.
    async fn wait_drained(&self) -> Result<()> {
        wait_until("all is in the bucket", Duration::from_secs(40), || async {
            let metrics = self.stage.cloud.api.fetch_text("/metrics").await?;
            Ok(metrics.contains("stagebox_media_waiting_objects 0\n").then_some(()))
        })
        .await
    }

    /// The item plays from its first to its last frame.
    async fn plays(&self, item: &Value) -> Result<usize> {
        let path = format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default());
        let url = format!("{}{path}", self.stage.cloud.api.base());
        let packets = probe::packets(&url, Stream::Video, None).await?;
        let gaps = probe::gaps(&packets, FRAME_US);
        ensure!(gaps.is_empty(), "{gaps:?}");
        let (frames, wanted_ms) = (packets.len() as u64, item["duration_ms"].as_u64().unwrap_or(0));
        let played_ms = frames * 1000 / 15;
        ensure!(played_ms.abs_diff(wanted_ms) <= 100, "{frames} frames of {wanted_ms} ms");
        Ok(packets.len())
    }

    /// Every segment of the item's playlist lies in the bucket.
    async fn is_in_the_bucket(&self, item: &Value) -> Result<()> {
        let path = format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap_or_default());
        let playlist = source_playlist(&self.stage.cloud, &path).await?;
        let text = self.stage.cloud.api.fetch_text(&playlist).await?;
        let there: BTreeSet<String> = self.s3.objects().await?.into_iter().map(|(name, _)| name).collect();
        let mut segments = 0;
        for name in uris(&text) {
            let wanted = format!("house/live/{}/source/{name}", self.stage.event);
            ensure!(there.contains(&wanted), "{wanted} is not in the bucket");
            segments += 1;
        }
        ensure!(segments > 0, "the item has no segments");
        Ok(())
    }

    /// The report of a check by the running server.
    async fn check(&self) -> Result<Value> {
        let lines = self.stage.cloud.api.post("media/check", &serde_json::json!({})).await?;
        // One line alone is read as JSON already.
        let last = match &lines {
            Value::String(text) => serde_json::from_str(text.lines().last().unwrap_or_default())?,
            other => other.clone(),
        };
        last.get("report").cloned().with_context(|| format!("no report: {lines}"))
    }
}

async fn alarms(cloud: &Cloud) -> Result<BTreeSet<String>> {
    let answer = cloud.api.get("alarms").await?;
    let all = answer["data"].as_array().cloned().unwrap_or_default();
    Ok(all.iter().filter_map(|alarm| alarm["name"].as_str().map(str::to_owned)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stops_and_is_killed_costs_no_frame() -> Result<()> {
    let mut house = OnS3::set().await?;
    house.go_live().await?;
    house.more_segments(2).await?;
    ensure!(alarms(&house.stage.cloud).await?.is_empty(), "nothing is wrong yet");

    // It hangs: connections are taken, nothing is answered.
    house.s3.process.signal(Signal::SIGSTOP)?;
    house.more_segments(2).await?;
    house.wait_alarm(true).await?;
    house.s3.process.signal(Signal::SIGCONT)?;
    house.wait_alarm(false).await?;
    house.wait_drained().await?;

    // It is gone, and the event ends meanwhile.
    house.s3.process.kill().await?;
    house.more_segments(2).await?;
    house.wait_alarm(true).await?;
    let item = house.end().await?;
    house.s3 = house.s3.restart().await?;
    house.wait_alarm(false).await?;
    house.wait_drained().await?;
    house.is_in_the_bucket(&item).await?;
    let frames = house.plays(&item).await?;
    ensure!(frames > 100, "{frames} frames");
    let report = house.check().await?;
    ensure!(report["missing"] == 0 && report["orphans"] == 0, "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_plays_from_the_disk_until_the_store_is_back_whatever_is_killed() -> Result<()> {
    let mut house = OnS3::set().await?;
    house.s3.process.kill().await?;
    house.go_live().await?;
    house.more_segments(2).await?;
    house.wait_alarm(true).await?;
    house.stage.command("stop_stream").await?;
    let item = house.end().await?;
    let frames = house.plays(&item).await?;

    house.stage.cloud.process.kill().await?;
    // A store that is away is no reason not to start.
    house.stage.cloud = house.stage.cloud.restart().await?;
    ensure!(alarms(&house.stage.cloud).await?.contains(AWAY), "the alarm is not there at once");
    ensure!(house.plays(&item).await? == frames, "a restart lost frames");

    house.s3 = house.s3.restart().await?;
    house.wait_alarm(false).await?;
    house.wait_drained().await?;
    house.is_in_the_bucket(&item).await?;
    ensure!(house.plays(&item).await? == frames, "the bucket lacks frames");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_event_goes_on_after_a_kill_while_the_store_is_away() -> Result<()> {
    let mut house = OnS3::set().await?;
    house.go_live().await?;
    house.more_segments(2).await?;
    house.wait_drained().await?;
    house.s3.process.signal(Signal::SIGSTOP)?;
    let end = house.more_segments(2).await?;
    house.stage.cloud.process.kill().await?;
    house.stage.cloud = house.stage.cloud.restart().await?;
    wait_segments(&house.stage.cloud, &house.stage.event, end, 2).await?;
    house.stage.command("stop_stream").await?;
    let item = house.end().await?;
    house.s3.process.signal(Signal::SIGCONT)?;
    house.wait_drained().await?;
    house.is_in_the_bucket(&item).await?;
    let report = house.check().await?;
    ensure!(report["missing"] == 0 && report["orphans"] == 0, "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_or_bucket_is_told_in_words_and_a_signed_address_opens_one_object() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let s3 = S3::start_rclone(directory.path()).await?;
    let right = s3.section(KEY);
    let other = |from: &str, to: &str| right.replace(from, to);
    for (section, field) in [
        (s3.section("not-the-key"), "`media.secret_access_key` is wrong"),
        (other("key_id = \"S3RVER\"", "key_id = \"NOBODY\""), "`media.access_key_id` is wrong"),
        (other("bucket = \"media\"", "bucket = \"elsewhere\""), "`media.bucket` is wrong"),
        (other("bucket = \"media\"", "bucket = \"No Bucket\""), "`media.bucket` is wrong"),
    ] {
        let options = CloudOptions { extra: section, ..CloudOptions::default() };
        let started = Cloud::start(directory.path(), &options).await;
        let text = format!("{:#}", started.err().context("the cloud started all the same")?);
        ensure!(text.contains(field), "{text}");
        ensure!(!text.contains("not-the-key"), "the key is shown: {text}");
    }

    s3.put("house/notes.txt", b"for you alone".to_vec()).await?;
    let options = CloudOptions { extra: format!("{right}redirect = true\n"), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let (status, address, _) = download(&cloud, "notes.txt", None).await?;
    ensure!(status == 302, "{status}");
    let address = address.context("no address")?;
    ensure!(cloud.api.fetch(&address).await? == "for you alone");
    let forged = address.replace("notes.txt", "other.txt");
    ensure!(cloud.api.fetch(&forged).await.is_err(), "the signature is for one object only");
    Ok(())
}

/// Downloads an object as the administrator: status, where it sends to, and bytes.
async fn download(
    cloud: &Cloud,
    name: &str,
    range: Option<&str>,
) -> Result<(u16, Option<String>, bytes::Bytes)> {
    let (email, password) = cloud.api.credentials();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let mut request = client.get(format!("{}/api/v1/media/objects/{name}", cloud.api.base()));
    request = request.basic_auth(email, Some(password));
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let answer = request.send().await?;
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok((answer.status().as_u16(), location, answer.bytes().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lay_on_disk_goes_to_the_bucket_in_pieces_and_comes_back_in_parts() -> Result<()> {
    const LENGTH: usize = 20 * 1024 * 1024 + 77;
    let directory = tempfile::tempdir()?;
    let s3 = S3::start(directory.path()).await?;
    let waiting = directory.path().join("cloud/data/spool/media");
    std::fs::create_dir_all(&waiting)?;
    let large: Vec<u8> = (0..LENGTH).map(|index| (index / 3 % 253) as u8).collect();
    // As a server leaves it that is killed while the store is away.
    std::fs::write(waiting.join("00000000000000000041.r.large%2Fone.bin"), &large)?;
    let options = CloudOptions { extra: s3.section(KEY), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    wait_until("it is in the bucket", STEP, || async {
        let there = s3.objects().await?;
        Ok(there.contains(&("house/large/one.bin".to_owned(), LENGTH as u64)).then_some(()))
    })
    .await?;
    wait_until("its file goes", STEP, || async {
        Ok((std::fs::read_dir(&waiting)?.count() == 0).then_some(()))
    })
    .await?;
    let (status, _, whole) = download(&cloud, "large/one.bin", None).await?;
    ensure!(status == 200 && whole == large, "{status}, {} bytes", whole.len());
    let from = 8 * 1024 * 1024 - 5;
    let range = format!("bytes={from}-{}", from + 9);
    let (status, _, part) = download(&cloud, "large/one.bin", Some(&range)).await?;
    ensure!(status == 206 && part == large[from..from + 10], "{status}, {} bytes", part.len());
    let (status, ..) = download(&cloud, "large/two.bin", None).await?;
    ensure!(status == 404, "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_what_was_put_there_and_what_was_taken_away() -> Result<()> {
    let mut house = OnS3::set().await?;
    house.go_live().await?;
    house.more_segments(2).await?;
    let item = house.end().await?;
    house.wait_drained().await?;
    let report = house.check().await?;
    ensure!(report["missing"] == 0 && report["orphans"] == 0, "{report}");

    let event = house.stage.event.clone();
    let (orphan, stranger) =
        (format!("house/live/{event}/source/9999.m4s"), "house/notes/todo.txt".to_owned());
    house.s3.put(&orphan, vec![7; 1000]).await?;
    house.s3.put(&stranger, vec![7; 24]).await?;
    let taken = format!("house/live/{event}/source/1.m4s");
    house.s3.delete(&taken).await?;
    let expected = |report: &Value| -> Result<()> {
        let names = |field: &str| -> Vec<&str> {
            let all = report[field].as_array().map_or(&[][..], Vec::as_slice);
            all.iter().filter_map(|object| object["path"].as_str()).collect()
        };
        ensure!(
            names("orphan_objects") == [orphan.trim_start_matches("house/"), "notes/todo.txt"],
            "{report}"
        );
        ensure!(names("missing_objects") == [taken.trim_start_matches("house/")], "{report}");
        ensure!(report["orphan_bytes"] == 1024 && report["missing"] == 1, "{report}");
        ensure!(report["missing_objects"][0]["needed_by"] == item["recording_id"], "{report}");
        Ok(())
    };
    expected(&house.check().await?)?;

    let configuration = house.stage.cloud.directory().join("cloud/cloud.toml");
    let command = async |words: &[&str]| {
        let mut command = Command::new(binary("stagebox-cloud")?);
        command.args(["media", "check", "--config"]).arg(&configuration).args(words).kill_on_drop(true);
        Ok::<_, anyhow::Error>(command.output().await?)
    };
    let told = command(&[]).await?;
    let words = String::from_utf8_lossy(&told.stderr);
    ensure!(!told.status.success() && words.contains("the server is running"), "{words}");
    house.stage.cloud.process.stop(STEP).await?;
    let told = command(&["--json"]).await?;
    ensure!(told.status.code() == Some(1), "{told:?}");
    expected(&serde_json::from_slice(&told.stdout)?)?;
    let told = command(&[]).await?;
    let text = String::from_utf8_lossy(&told.stdout);
    ensure!(text.contains("1 missing") && text.contains("2 orphans (1.0 KiB)"), "{text}");
    Ok(())
}
