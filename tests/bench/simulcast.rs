//! Simulcast: what pushing a stream of 3 Mbit/s on costs, against `push` of nginx with its RTMP module.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{Cloud, CloudOptions, free_port, wait_until};
use tokio::time::sleep;

use super::figure::Figure;
use super::{cpu, footage, live};

const STREAMS: usize = 4;
/// Servers that each stream is pushed to.
const TARGETS: usize = 8;
const WINDOW: Duration = Duration::from_secs(10);
/// All clients are connected and past their first burst after this.
const SETTLE: Duration = Duration::from_secs(4);

/// Takes what is pushed; it is not counted.
async fn target(directory: &Path) -> Result<Nginx> {
    let applications: String =
        (0..TARGETS).map(|index| format!("application target{index} {{ live on; record off; }} ")).collect();
    Nginx::rtmp_with(directory, "target", free_port(0), &applications).await
}

/// CPU seconds for one stream's minute to one server, from what was used with and without.
fn each(with: f64, without: f64) -> f64 {
    (with - without) / WINDOW.as_secs_f64() * 60.0 / (STREAMS * TARGETS) as f64
}

async fn ours(clip: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let extra = "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n";
    let options = CloudOptions { extra: extra.into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let target = target(directory.path()).await?;
    let mut events = Vec::new();
    for _ in 0..STREAMS {
        events.push(live::started(&cloud).await?);
    }
    let urls = events.iter().map(|event| event.url.clone());
    let mut clients = live::publish(clip, directory.path(), urls)?;
    sleep(SETTLE).await;
    let without = cpu::during(cloud.process.id(), WINDOW).await?;
    for (number, event) in events.iter().enumerate() {
        for index in 0..TARGETS {
            let new = json!({
                "event_id": event.id, "service": "custom", "key": format!("stream{number}"),
                "url": format!("rtmp://127.0.0.1:{}/target{index}", target.port),
            });
            cloud.api.post("simulcasts", &new).await?;
        }
    }
    wait_until("everything is pushed", live::STEP, || async {
        let all = cloud.api.get("simulcasts?limit=100").await?;
        let all = all["data"].as_array().context("a list of simulcasts")?.clone();
        let sending = all.iter().filter(|one| one["outputs"][0]["state"] == "sending").count();
        Ok((sending == STREAMS * TARGETS).then_some(()))
    })
    .await?;
    sleep(SETTLE).await;
    let with = cpu::during(cloud.process.id(), WINDOW).await?;
    live::all_publish(&mut clients)?;
    Ok(each(with, without))
}

/// What nginx uses with what it does with each stream, in its own words.
async fn nginx(clip: &Path, push: &str) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let target = target(directory.path()).await?;
    let push = push.replace("PORT", &target.port.to_string());
    let nginx = Nginx::rtmp_with(
        directory.path(),
        "nginx",
        free_port(0),
        &format!("application live {{ live on; record off; {push} }}"),
    )
    .await?;
    let urls = (0..STREAMS).map(|index| format!("rtmp://127.0.0.1:{}/live/stream{index}", nginx.port));
    let mut clients = live::publish(clip, directory.path(), urls)?;
    sleep(SETTLE).await;
    let used = cpu::during(nginx.process.id(), WINDOW).await?;
    live::all_publish(&mut clients)?;
    Ok(used)
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let clip = footage::steady().await?;
    let push: String =
        (0..TARGETS).map(|index| format!("push rtmp://127.0.0.1:PORT/target{index}; ")).collect();
    let mut pairs = Vec::new();
    for _ in 0..runs {
        let ours = ours(&clip).await?;
        let (with, without) = tokio::try_join!(nginx(&clip, &push), nginx(&clip, ""))?;
        pairs.push((ours, each(with, without)));
    }
    Ok(vec![Figure::lower("simulcast cpu", &pairs, None, "CPU-s a target's minute")])
}
