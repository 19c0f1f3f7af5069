//! An event that is pushed to the servers of others: these get every picture, and their failures cost it nothing.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagebox_tests::house::peer::{Client, Nginx, publish};
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Cloud, CloudOptions, free_port, wait_until};

use super::{FRAME_US, STEP, make_event, publish_url};

/// How often a picture can be missing between two that a server has kept.
const FRAMES: u32 = 300;

async fn outputs(cloud: &Cloud, simulcast: &str) -> Result<Value> {
    Ok(cloud.api.get(&format!("simulcasts/{simulcast}")).await?["outputs"].clone())
}

/// Waits until an output of the simulcast is in this state.
async fn wait_state(cloud: &Cloud, simulcast: &str, at: usize, state: &str) -> Result<Value> {
    wait_until(&format!("output {at} is {state}"), STEP, || async {
        let output = outputs(cloud, simulcast).await?[at].clone();
        Ok((output["state"] == state).then_some(output))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_get_what_viewers_see_and_one_that_fails_is_tried_again() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let extra = "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n";
    let options = CloudOptions { extra: extra.into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    super::no_slate(&cloud).await?;
    let event = make_event(&cloud, None).await?;
    let first = Nginx::rtmp(directory.path(), "first", free_port(0), true).await?;
    let later = free_port(1);
    let url = |port: u16| format!("rtmp://127.0.0.1:{port}/live");
    let new = json!({
        "event_id": event, "service": "youtube", "key": "stage-1234-5678", "url": url(first.port), "backup_url": url(later),
    });
    let made = cloud.api.post("simulcasts", &new).await?;
    let simulcast = made["id"].as_str().context("no id")?.to_owned();
    ensure!(made["key"] == "••••••••5678" && made["outputs"][0]["state"] == "off", "{made}");

    let to = publish_url(&cloud, &event, "main").await?;
    let mut publisher = publish(Client::Ffmpeg, directory.path(), &to, FRAMES)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    ensure!(
        outputs(&cloud, &simulcast).await?[0]["state"] == "off",
        "it is pushed before viewers may see it"
    );
    cloud.api.set_status(&event, "started").await?;
    wait_state(&cloud, &simulcast, 0, "sending").await?;
    // Nobody listens there, which is the second output's trouble alone.
    let failed = wait_until("the second output says why", STEP, || async {
        let output = outputs(&cloud, &simulcast).await?[1].clone();
        Ok(output["error"].is_string().then_some(output))
    })
    .await?;
    ensure!(failed["error"].as_str().is_some_and(|words| words.contains("127.0.0.1")), "{failed}");
    let second = Nginx::rtmp(directory.path(), "second", later, true).await?;
    let back = wait_state(&cloud, &simulcast, 1, "sending").await?;
    ensure!(back["error"] == Value::Null && back["reconnects"].as_u64() >= Some(1), "{back}");
    let told = wait_state(&cloud, &simulcast, 0, "sending").await?;
    ensure!(told["reconnects"] == 0 && told["dropped_frames"] == 0, "{told}");

    let status = publisher.wait(STEP).await?;
    ensure!(status.success(), "ffmpeg ended with {status}: {}", publisher.tail(10));
    cloud.api.set_status(&event, "ended").await?;
    wait_state(&cloud, &simulcast, 0, "off").await?;
    for (server, at_least) in [(&first, 100), (&second, 10)] {
        let file =
            server.recorded().into_iter().max_by_key(|file| file.metadata().map_or(0, |data| data.len()));
        let file = file.context("nginx has recorded nothing")?;
        let packets = probe::packets(&file.display().to_string(), Stream::Video, None).await?;
        ensure!(packets.first().is_some_and(|packet| packet.key), "the first picture is no key frame");
        let gaps = probe::gaps(&packets, FRAME_US);
        ensure!(packets.len() > at_least && gaps.is_empty(), "{} pictures, {gaps:?}", packets.len());
    }
    cloud.api.wait_item(&event, STEP).await?;
    let log = cloud.process.output();
    ensure!(!log.contains("stage-1234-5678"), "the stream key is in the log");
    Ok(())
}
