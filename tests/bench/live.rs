//! Live events that are measured: started, and with broadcasts that cost next to nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stagebox_tests::house::playlist::source_playlist;
use stagebox_tests::house::{Cloud, Process, wait_until};
use tokio::process::Command;

/// Nothing that is waited for takes longer.
pub(crate) const STEP: Duration = Duration::from_secs(30);

/// An event, and where to publish to it.
pub(crate) struct Event {
    pub(crate) id: String,
    /// Of its main input, with the key.
    pub(crate) url: String,
    /// Of its backup input, with the key.
    pub(crate) backup_url: String,
}

impl Event {
    /// The address of its list of renditions.
    pub(crate) fn master(&self) -> String {
        format!("/live/public/{}/index.m3u8", self.id)
    }
}

/// Makes an event and starts it.
pub(crate) async fn started(cloud: &Cloud) -> Result<Event> {
    let event = made(cloud).await?;
    cloud.api.set_status(&event.id, "started").await?;
    Ok(event)
}

/// Makes an event.
pub(crate) async fn made(cloud: &Cloud) -> Result<Event> {
    let event = cloud.api.post("events", &json!({ "title": "Bench" })).await?;
    let id = event["id"].as_str().context("the event has an id")?.to_owned();
    let url = |input: &str| {
        let key = event["inputs"][input]["key"].as_str().context("the event has keys")?;
        anyhow::Ok(format!("rtmp://{}/live/{key}", cloud.ports.rtmp))
    };
    let (url, backup_url) = (url("main")?, url("backup")?);
    Ok(Event { id, url, backup_url })
}

/// Publishes a clip over and over in real time to each of the addresses.
pub(crate) fn publish(
    clip: &Path,
    directory: &Path,
    urls: impl IntoIterator<Item = String>,
) -> Result<Vec<Process>> {
    let publisher = |(index, url): (usize, String)| {
        let mut command = Command::new("ffmpeg");
        command.args("-hide_banner -nostdin -v error -re -stream_loop -1 -i".split(' ')).arg(clip);
        command.args(["-c", "copy", "-f", "flv", &url]);
        Process::start(&format!("publisher{index}"), &directory.join("logs"), command)
    };
    urls.into_iter().enumerate().map(publisher).collect()
}

/// Fails if a publisher has ended.
pub(crate) fn all_publish(publishers: &mut [Process]) -> Result<()> {
    for publisher in publishers {
        ensure!(publisher.ended().is_none(), "a publisher ended early: {}", publisher.tail(5));
    }
    Ok(())
}

/// Waits until viewers have so many segments of an event's source.
pub(crate) async fn wait_segments(cloud: &Cloud, event: &Event, count: usize) -> Result<()> {
    wait_until("segments for viewers", STEP, || async {
        Ok((segments(cloud, event).await? >= count).then_some(()))
    })
    .await
}

/// How many whole segments viewers have.
pub(crate) async fn segments(cloud: &Cloud, event: &Event) -> Result<usize> {
    let Ok(path) = source_playlist(cloud, &format!("{}?plain=1", event.master())).await else {
        return Ok(0);
    };
    Ok(cloud.api.fetch_text(&path).await?.matches("#EXTINF").count())
}
